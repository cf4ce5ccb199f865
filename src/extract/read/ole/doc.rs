//! Word 97 to 2003 ([MS-DOC]): the pieces of the text, in their order. Of Word 6 and 95, the text as it lies.

use std::path::Path;

use super::{Compound, Reading, Trouble, broken, plain_letters, u16_at, u32_at, wide};

const ENCRYPTED: u16 = 0x0100;
const SECOND_TABLE: u16 = 0x0200;
/// The first version whose text lies in pieces that tell their charset.
const WORD_97: u16 = 0x00c1;

pub(super) fn read(compound: &mut Compound<'_>, document: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    read_in(compound, document, Path::new("/"), reading)
}

/// `storage`: where the document's streams lie.
pub(super) fn read_in(
    compound: &mut Compound<'_>,
    document: &[u8],
    storage: &Path,
    reading: &mut Reading<'_>,
) -> Result<(), Trouble> {
    let (Some(version), Some(flags)) = (u16_at(document, 2), u16_at(document, 10)) else {
        return Err(broken("its first block is cut off"));
    };
    if flags & ENCRYPTED != 0 {
        return Err(Trouble::Encrypted);
    }
    if version < WORD_97 {
        return older(document, reading);
    }
    let name = if flags & SECOND_TABLE == 0 { "0Table" } else { "1Table" };
    let table = compound.stream(storage.join(name), reading).ok_or_else(|| broken("its table of pieces is missing"))?;
    let text = pieces(document, &table).ok_or_else(|| broken("its table of pieces is broken"))?;
    plain_letters(&text, reading);
    Ok(())
}

/// Section 2.4.1: the table of pieces behind formatting that stands before it (section 2.9.38).
fn pieces(document: &[u8], table: &[u8]) -> Option<String> {
    const CLX: usize = 0x01a2;
    const FORMATTING: u8 = 1;
    const PIECES: u8 = 2;
    let (mut at, length) = (u32_at(document, CLX)?, u32_at(document, CLX + 4)?);
    let end = at.checked_add(length)?.min(table.len());
    while at < end && *table.get(at)? == FORMATTING {
        at += 3 + usize::from(u16_at(table, at + 1)?);
    }
    if *table.get(at)? != PIECES {
        return None;
    }
    let size = u32_at(table, at + 1)?;
    let plc = table.get(at + 5..)?;
    let plc = &plc[..size.min(plc.len())];
    let count = plc.len().checked_sub(4)? / 12;
    let mut text = String::new();
    // Pieces can name the same place over and over.
    let mut left = document.len().saturating_mul(2);
    for piece in 0..count {
        let (from, to) = (u32_at(plc, piece * 4)?, u32_at(plc, piece * 4 + 4)?);
        let place = u32_at(plc, (count + 1) * 4 + piece * 8 + 2)?;
        let letters = to.saturating_sub(from).min(left);
        left -= letters;
        text.push_str(&piece_text(document, place, letters));
    }
    Some(text)
}

/// Letters of one octet each where the place is marked so, in Windows' western charset.
fn piece_text(document: &[u8], place: usize, letters: usize) -> String {
    const NARROW: usize = 1 << 30;
    let is_narrow = place & NARROW != 0;
    let offset = if is_narrow { (place & !NARROW) / 2 } else { place };
    let rest = document.get(offset..).unwrap_or_default();
    match is_narrow {
        true => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&rest[..letters.min(rest.len())]).0.into_owned(),
        false => wide(&rest[..(letters * 2).min(rest.len())]),
    }
}

fn older(document: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    let (from, to) = (u32_at(document, 0x18), u32_at(document, 0x1c));
    let text = from.zip(to).and_then(|(from, to)| document.get(from..to.min(document.len())));
    let text = text.ok_or_else(|| broken("its first block is broken"))?;
    plain_letters(&super::super::plain::decoded(text, Some(b"windows-1252")), reading);
    Ok(())
}
