//! What Outlook wraps attachments in ([MS-OXTNEF]): attributes one behind the other, some of them lists of properties.
//! Also its packed rich text ([MS-OXRTFCP]).

use super::plain::decoded;
use super::reading::{Reading, Trouble, broken};
use crate::extract::Format;

const SUBJECT: u32 = 0x0001_8004;
const BODY: u32 = 0x0002_800c;
const PROPERTIES: u32 = 0x0006_9003;
const RENDERING: u32 = 0x0006_9002;
const TITLE: u32 = 0x0001_8010;
const DATA: u32 = 0x0006_800f;
const ATTACHED_PROPERTIES: u32 = 0x0006_9005;

/// An attachment whose attributes are being gathered.
#[derive(Default)]
struct Attachment<'o> {
    name: Option<String>,
    data: Option<&'o [u8]>,
}

pub(super) fn read(octets: &[u8], reading: &mut Reading<'_>) -> Result<(), Trouble> {
    const HEAD: usize = 6;
    const FRAME: usize = 9;
    let mut attachment = Attachment::default();
    let mut at = HEAD;
    if octets.len() < HEAD {
        return Err(broken("it is cut off"));
    }
    while let (Some(id), Some(length)) = (u32_at(octets, at + 1), u32_at(octets, at + 5)) {
        let data = octets.get(at + FRAME..).unwrap_or_default();
        let length = length as usize;
        if length > data.len() {
            reading.fall_short("it is cut off");
        }
        attribute(id, &data[..length.min(data.len())], &mut attachment, reading);
        // Behind the data stands a checksum of two octets.
        at = (at + FRAME + 2).saturating_add(length);
        if reading.is_over() {
            break;
        }
    }
    attachment.close(reading);
    Ok(())
}

fn attribute<'o>(id: u32, data: &'o [u8], attachment: &mut Attachment<'o>, reading: &mut Reading<'_>) {
    match id {
        SUBJECT | BODY => reading.paragraph(&text(data)),
        PROPERTIES => properties(data, |property| message_property(property, reading)),
        RENDERING => std::mem::take(attachment).close(reading),
        TITLE => attachment.name = Some(text(data)),
        DATA => attachment.data = Some(data),
        ATTACHED_PROPERTIES => properties(data, |property| attachment.property(property)),
        _ => {}
    }
}

impl<'o> Attachment<'o> {
    fn property(&mut self, property: Property<'o>) {
        const LONG_NAME: u16 = 0x3707;
        const DATA: u16 = 0x3701;
        /// The class of an object stands before it.
        const CLASS: usize = 16;
        match property.id {
            LONG_NAME => self.name = Some(property.text()),
            DATA if self.data.is_none_or(<[u8]>::is_empty) => {
                let is_object = property.kind == OBJECT;
                self.data = property.value.get(if is_object { CLASS } else { 0 }..);
            }
            _ => {}
        }
    }

    fn close(self, reading: &mut Reading<'_>) {
        match (self.name, self.data) {
            (name, Some(data)) => reading.enclosed(name.as_deref(), "", data),
            (Some(name), None) => reading.paragraph(&name),
            (None, None) => {}
        }
    }
}

fn message_property(property: Property<'_>, reading: &mut Reading<'_>) {
    const SUBJECT: u16 = 0x0037;
    const BODY: u16 = 0x1000;
    const RTF: u16 = 0x1009;
    const HTML: u16 = 0x1013;
    match property.id {
        SUBJECT | BODY => reading.paragraph(&property.text()),
        RTF => packed_rtf(property.value, reading),
        HTML => {
            drop(reading.document(Format::Html, property.value));
            reading.line();
        }
        _ => {}
    }
}

const OBJECT: u16 = 0x000d;
const WIDE: u16 = 0x001f;
const MANY: u16 = 0x1000;

/// A property with the first of its values.
struct Property<'o> {
    id: u16,
    kind: u16,
    value: &'o [u8],
}

impl Property<'_> {
    fn text(&self) -> String {
        if self.kind & !MANY == WIDE {
            let wide = encoding_rs::UTF_16LE.decode_without_bom_handling(self.value).0;
            return wide.trim_end_matches('\0').to_owned();
        }
        text(self.value)
    }
}

fn text(octets: &[u8]) -> String {
    decoded(octets.strip_suffix(&[0]).unwrap_or(octets), None)
}

/// Section 2.1.3.4: a count, then properties; those with names of their own say them first.
fn properties<'o>(data: &'o [u8], mut see: impl FnMut(Property<'o>)) {
    let mut cursor = Cursor { rest: data };
    let count = cursor.u32().unwrap_or_default();
    for _ in 0..count {
        let Some(()) = property(&mut cursor, &mut see) else { return };
    }
}

fn property<'o>(cursor: &mut Cursor<'o>, see: &mut impl FnMut(Property<'o>)) -> Option<()> {
    const NAMED: u16 = 0x8000;
    let (kind, id) = (cursor.u16()?, cursor.u16()?);
    if id >= NAMED {
        cursor.take(16)?;
        match cursor.u32()? {
            0 => drop(cursor.u32()?),
            _ => {
                let length = cursor.u32()? as usize;
                cursor.padded(length)?;
            }
        }
    }
    let width = match kind & !MANY {
        0x0002 | 0x0003 | 0x0004 | 0x000a | 0x000b => Some(4),
        0x0005 | 0x0006 | 0x0007 | 0x0014 | 0x0040 => Some(8),
        0x0048 => Some(16),
        0x000d | 0x001e | 0x001f | 0x0102 => None,
        _ => return None,
    };
    let is_counted = width.is_none() || kind & MANY != 0;
    let values = if is_counted { cursor.u32()? } else { 1 };
    for number in 0..values {
        let length = match width {
            Some(width) => width,
            None => cursor.u32()? as usize,
        };
        let value = cursor.padded(length)?;
        if number == 0 {
            see(Property { id, kind, value });
        }
    }
    Some(())
}

struct Cursor<'o> {
    rest: &'o [u8],
}

impl<'o> Cursor<'o> {
    fn take(&mut self, length: usize) -> Option<&'o [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }

    /// Values end at multiples of four.
    fn padded(&mut self, length: usize) -> Option<&'o [u8]> {
        let value = self.take(length)?;
        self.take((length.next_multiple_of(4) - length).min(self.rest.len()))?;
        Some(value)
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.take(2)?.try_into().ok()?))
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// What every packed text may repeat from before its beginning ([MS-OXRTFCP], section 2.1.2.1).
const BEFORE: &[u8] =
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \
\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
\\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// Rich text, unpacked as far as it is sound. Broken text is left out.
pub(super) fn packed_rtf(packed: &[u8], reading: &mut Reading<'_>) {
    let rtf = reading.unpack(&unpacked(packed)[..]);
    if let Err(trouble) = reading.document(Format::Rtf, &rtf) {
        reading.fall_short(&format!("its body: {trouble}"));
    }
    reading.line();
}

fn unpacked(packed: &[u8]) -> Vec<u8> {
    const HEAD: usize = 16;
    const RING: usize = 4096;
    let kind = packed.get(8..12);
    let Some(data) = packed.get(HEAD..) else { return Vec::new() };
    if kind == Some(b"MELA") {
        return data.to_vec();
    }
    let mut ring = [0; RING];
    ring[..BEFORE.len()].copy_from_slice(BEFORE);
    let mut at = BEFORE.len();
    let mut plain = Vec::new();
    let mut put = |octet: u8, ring: &mut [u8; RING]| {
        ring[at] = octet;
        at = (at + 1) % RING;
        plain.push(octet);
        at
    };
    let mut rest = data.iter().copied();
    let mut next = BEFORE.len();
    while let Some(control) = rest.next() {
        for bit in 0..8 {
            let Some(octet) = rest.next() else { return plain };
            if control >> bit & 1 == 0 {
                next = put(octet, &mut ring);
                continue;
            }
            let Some(second) = rest.next() else { return plain };
            let offset = usize::from(octet) << 4 | usize::from(second >> 4);
            // A reference to where writing goes on is the end.
            if offset == next {
                return plain;
            }
            for step in 0..usize::from(second & 0xf) + 2 {
                next = put(ring[(offset + step) % RING], &mut ring);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::extract::{Outcome, ReadLimits};

    fn attribute(id: u32, data: &[u8]) -> Vec<u8> {
        [&[2][..], &id.to_le_bytes(), &u32::try_from(data.len()).unwrap().to_le_bytes(), data, &[0, 0]].concat()
    }

    const BEGIN: [u8; 6] = [0x78, 0x9f, 0x3e, 0x22, 1, 0];

    #[test]
    fn names_and_words_of_attachments_are_read() {
        let name: Vec<u8> = "lång.txt\0".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let long_name =
            [&[1, 0, 0, 0, 0x1f, 0, 0x07, 0x37, 1, 0, 0, 0][..], &18_u32.to_le_bytes(), &name, &[0, 0]].concat();
        let whole = [
            &BEGIN[..],
            &attribute(SUBJECT, b"The subject\0"),
            &attribute(RENDERING, &[0; 14]),
            &attribute(TITLE, b"LANG~1.TXT\0"),
            &attribute(DATA, b"words inside"),
            &attribute(ATTACHED_PROPERTIES, &long_name),
            &attribute(RENDERING, &[0; 14]),
            &attribute(TITLE, b"b.png\0"),
        ]
        .concat();
        let read = super::super::read(Format::Tnef, &whole, &ReadLimits::default());
        assert_eq!(read.text, "The subject\nlång.txt\nwords inside\nb.png\n");
        assert_eq!(read.outcome, Outcome::Read);
        let cut = super::super::read(Format::Tnef, &whole[..whole.len() - 4], &ReadLimits::default());
        assert_eq!(cut.outcome.as_str(), "partial");
    }

    /// The example of [MS-OXRTFCP], section 3.1.
    #[test]
    fn packed_rich_text_is_unpacked() {
        let packed = [
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72,
            0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62,
            0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        assert_eq!(unpacked(&packed), b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            let limits = ReadLimits::default();
            let attributes = [&BEGIN[..], &attribute(PROPERTIES, &octets), &attribute(ATTACHED_PROPERTIES, &octets)].concat();
            super::super::read(Format::Tnef, &attributes, &limits);
            unpacked(&octets);
        }
    }
}
