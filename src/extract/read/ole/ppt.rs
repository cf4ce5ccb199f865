//! PowerPoint 97 to 2003 ([MS-PPT]): the texts in the tree of records.

use super::{Reading, Trouble, plain_letters, u16_at, u32_at, wide};

const TEXT: u16 = 0x0fa0;
const NARROW_TEXT: u16 = 0x0fa8;
const STRING: u16 = 0x0fba;
const CRYPT_SESSION: u16 = 0x2f14;
const MAIN_MASTER: u16 = 0x03f8;

pub(super) fn read(stream: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    // What a master says in octets is where to click.
    let mut at = 0;
    let mut master_end = 0;
    while let (Some(version), Some(kind), Some(length)) =
        (u16_at(stream, at), u16_at(stream, at + 2), u32_at(stream, at + 4))
    {
        let body = at + 8;
        let is_container = version & 0xf == 0xf;
        let data = stream.get(body..).unwrap_or_default();
        let data = &data[..length.min(data.len())];
        match kind {
            CRYPT_SESSION => return Err(Trouble::Encrypted),
            MAIN_MASTER => master_end = body.saturating_add(length),
            TEXT | STRING => plain_letters(&wide(data), reading),
            NARROW_TEXT if body >= master_end => {
                plain_letters(&encoding_rs::mem::decode_latin1(data), reading);
            }
            _ => {}
        }
        // Into containers, over all else.
        at = if is_container { body } else { body.saturating_add(length) };
        if reading.is_over() {
            break;
        }
    }
    Ok(())
}
