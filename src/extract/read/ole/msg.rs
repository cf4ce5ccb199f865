//! Messages saved by Outlook ([MS-OXMSG]): each property is a stream whose name tells which it is.

use std::path::Path;

use super::{Compound, Reading, wide};
use crate::extract::Format;
use crate::extract::read::plain::decoded;
use crate::extract::read::tnef;

const SUBJECT: u32 = 0x0037;
const SENDER: u32 = 0x0c1a;
const SENDER_ADDRESS: u32 = 0x0c1f;
const TO: u32 = 0x0e04;
const CC: u32 = 0x0e03;
const BODY: u32 = 0x1000;
const RTF: u32 = 0x1009;
const HTML: u32 = 0x1013;
const DATA: u32 = 0x3701;
const LONG_NAME: u32 = 0x3707;
const NAME: u32 = 0x3704;
/// Attachments of one message.
const MOST: usize = 1000;

/// The message in a storage, with its attachments, messages among them.
pub(super) fn read(compound: &mut Compound<'_>, storage: &Path, reading: &mut Reading<'_>) {
    for property in [SUBJECT, SENDER, SENDER_ADDRESS, TO, CC] {
        text(compound, storage, property, reading).into_iter().for_each(|text| reading.paragraph(&text));
    }
    match text(compound, storage, BODY, reading).filter(|body| !body.trim().is_empty()) {
        Some(body) => reading.paragraph(&body),
        None => rich_body(compound, storage, reading),
    }
    let Ok(entries) = compound.file.read_storage(storage) else { return };
    let attached: Vec<_> = entries
        .filter(|entry| entry.is_storage() && entry.name().starts_with("__attach_version1.0_"))
        .take(MOST)
        .map(|entry| entry.path().to_owned())
        .collect();
    for attachment in attached {
        if reading.is_over() {
            return;
        }
        attached_file(compound, &attachment, reading);
    }
}

fn rich_body(compound: &mut Compound<'_>, storage: &Path, reading: &mut Reading<'_>) {
    if let Some(html) = octets(compound, storage, HTML, "0102", reading) {
        drop(reading.document(Format::Html, &html));
    } else if let Some(packed) = octets(compound, storage, RTF, "0102", reading) {
        tnef::packed_rtf(&packed, reading);
    }
    reading.line();
}

fn attached_file(compound: &mut Compound<'_>, storage: &Path, reading: &mut Reading<'_>) {
    let name = text(compound, storage, LONG_NAME, reading).or_else(|| text(compound, storage, NAME, reading));
    if let Some(data) = octets(compound, storage, DATA, "0102", reading) {
        return reading.enclosed(name.as_deref(), "", &data);
    }
    name.into_iter().for_each(|name| reading.paragraph(&name));
    // A message in the message lies in a storage of the same name. How deep they may lie, the file's directory bounds.
    let inner = storage.join(format!("__substg1.0_{DATA:04X}000D"));
    if compound.file.is_storage(&inner) && inner.components().count() < 20 && reading.take_member() {
        read(compound, &inner, reading);
    }
}

fn octets(
    compound: &mut Compound<'_>,
    storage: &Path,
    property: u32,
    kind: &str,
    reading: &mut Reading<'_>,
) -> Option<Vec<u8>> {
    compound.stream(storage.join(format!("__substg1.0_{property:04X}{kind}")), reading)
}

/// Unicode, or some charset.
fn text(compound: &mut Compound<'_>, storage: &Path, property: u32, reading: &mut Reading<'_>) -> Option<String> {
    if let Some(text) = octets(compound, storage, property, "001F", reading) {
        return Some(wide(&text));
    }
    octets(compound, storage, property, "001E", reading).map(|text| decoded(&text, None))
}
