//! Reads a message's octets: envelope, parts, text. Never fails: what cannot be read is left out and said so.
//! Trusts nothing in them, changes nothing, and knows nothing about verdicts: who may see a part is decided elsewhere.

mod charset;
mod clean;
mod envelope;
mod html;
mod part;
mod protection;
mod recipients;
mod repair;

use std::borrow::Cow;
use std::fmt;

pub(in crate::mail) use mail_parser::Encoding;
use mail_parser::{MessageParser, MessagePart, MessageRef, PartFlags, PartKind, Source};

pub use envelope::{Envelope, Mailbox};
pub use part::Part;
pub use recipients::{Participants, participants};

/// Octets beyond this are not taken apart: of a larger message the headers and what lies before are read.
pub const READ_LIMIT_BYTES: usize = 64 << 20;

/// What a message says of itself, borrowed from its octets wherever they need no decoding.
#[derive(Debug, Clone, Default)]
pub struct Message<'x> {
    pub envelope: Envelope,
    /// The leaves of the whole tree in document order, those of enclosed messages among them. Part 1 is `parts[0]`.
    pub parts: Vec<Part<'x>>,
    /// The messages inside this one (`message/rfc822`), in document order; their leaves stand in `parts`.
    pub enclosed: Vec<Enclosed>,
    /// What could not be read; each at most once.
    pub problems: Vec<Problem>,
}

/// A message inside a message: a forward, the original in a bounce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enclosed {
    pub envelope: Envelope,
    pub filename: Option<String>,
    /// Whether the sender attached it rather than showed it.
    pub is_attachment: bool,
}

/// Why a part of a message could not be read, or not surely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// There is not one header; the octets are taken as one part of plain text.
    NoHeaders,
    /// Larger than [`READ_LIMIT_BYTES`]; what lies beyond was not read.
    TooLarge,
    /// Nested more deeply, or of more parts, than is taken apart; the rest is one part.
    TooManyParts,
    /// A boundary is missing or misplaced; the parts are what was meant, probably.
    BrokenStructure,
    /// A message that came back breaks off: reports return no more than the beginning (RFC 6522, section 3).
    CutWhenReturned,
}

impl Problem {
    /// The word used in JSON and on screen.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoHeaders => "no_headers",
            Self::TooLarge => "too_large",
            Self::TooManyParts => "too_many_parts",
            Self::BrokenStructure => "broken_structure",
            Self::CutWhenReturned => "cut_when_returned",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Reads the octets of a message (RFC 5322, RFC 2045 to 2047, RFC 2231, RFC 6532). Any octets give a message.
pub fn read(octets: &[u8]) -> Message<'_> {
    let mut message = Message::default();
    let readable = &octets[..octets.len().min(READ_LIMIT_BYTES)];
    if readable.len() < octets.len() {
        message.note(Problem::TooLarge);
    }
    match MessageParser::new().parse(readable) {
        Some(parsed) => message.fill(&parsed, readable),
        None => message.fill_without_headers(readable),
    }
    message
}

/// The text of an HTML document as a person reads it: no markup, scripts or styles; blocks on lines of their own.
pub fn html_to_text(html: &str) -> String {
    html::to_text(html)
}

/// The charset that an HTML document declares in its first 2 KiB.
pub fn html_charset(octets: &[u8]) -> Option<&[u8]> {
    html::declared_charset(octets)
}

/// The header block as it stands, the blank line that ends it included. Lines may end in CRLF, in LF, or in
/// CR CR LF as some servers send them. Without a blank line, everything is header.
pub fn header_block(octets: &[u8]) -> &[u8] {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', octets) {
        if octets[start..end].iter().all(|octet| *octet == b'\r') {
            return &octets[..=end];
        }
        start = end + 1;
    }
    octets
}

impl<'x> Message<'x> {
    /// The part that `show --part` calls by this number.
    pub fn part(&self, number: u32) -> Option<&Part<'x>> {
        self.parts.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }

    /// Every word that is shown when the message is opened: all text parts but those attached, HTML without its markup, and
    /// the headers people read of enclosed messages.
    pub fn body(&self) -> String {
        let mut text = String::new();
        for piece in self.parts.iter().filter(|part| !part.is_attachment).filter_map(Part::readable) {
            push_paragraph(&mut text, &piece);
        }
        for enclosed in &self.enclosed {
            push_paragraph(&mut text, &enclosed.envelope.summary());
        }
        text
    }

    /// The texts among what is attached, HTML without its markup. Text inside other attachments is not looked for here.
    pub fn attached_texts(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.parts.iter().filter(|part| part.is_attachment).filter_map(Part::readable)
    }

    /// Whether the sender attached anything: pictures shown inside the text and signatures do not count.
    pub fn has_attachment(&self) -> bool {
        self.parts.iter().any(|part| part.is_attachment) || self.enclosed.iter().any(|message| message.is_attachment)
    }

    /// The names of all parts and enclosed messages that have one, in document order of each.
    pub fn filenames(&self) -> impl Iterator<Item = &str> {
        let parts = self.parts.iter().filter_map(|part| part.filename.as_deref());
        parts.chain(self.enclosed.iter().filter_map(|message| message.filename.as_deref()))
    }

    fn fill(&mut self, parsed: &mail_parser::Message<'_>, octets: &'x [u8]) {
        self.envelope = Envelope::of(&parsed.root());
        if parsed.headers().is_empty() {
            self.note(Problem::NoHeaders);
        }
        // Messages that came back, and those inside them, with where they end.
        let mut returned = Vec::new();
        for part in parsed.parts() {
            let around = returned.iter().find(|(id, _)| *id == part.message().id());
            // What ends before the message does was not cut off when that was.
            let end = around.map(|(_, end)| *end).filter(|end| part.offset_end() + LINE_END >= *end);
            self.note_flags(&part, end.is_some());
            if let PartKind::Message(inner) = part.kind()
                && (end.is_some() || is_of_report(&part))
            {
                returned.push((inner.id(), part.offset_end()));
            }
            match part.kind() {
                PartKind::Message(inner) => self.enclosed.push(enclosed(&part, &inner)),
                PartKind::Multipart if part.flags().contains(PartFlags::LIMIT_REACHED) => self.add(&part, octets),
                PartKind::Multipart => {}
                _ => self.add(&part, octets),
            }
        }
    }

    fn fill_without_headers(&mut self, octets: &'x [u8]) {
        self.note(Problem::NoHeaders);
        if !octets.is_empty() {
            self.parts.push(Part::plain(1, octets));
        }
    }

    fn add(&mut self, part: &MessagePart<'_>, octets: &'x [u8]) {
        let number = u32::try_from(self.parts.len() + 1).unwrap_or(u32::MAX);
        self.parts.push(Part::of(number, part, raw_body(part, octets)));
    }

    fn note_flags(&mut self, part: &MessagePart<'_>, is_returned: bool) {
        let flags = part.flags();
        if flags.intersects(PartFlags::LIMIT_REACHED | PartFlags::NESTING_LIMIT) {
            self.note(Problem::TooManyParts);
        }
        // On other parts the flag says that what they stand in breaks off.
        let is_cut = flags.contains(PartFlags::UNTERMINATED)
            || flags.contains(PartFlags::MISSING_DELIMITER) && !part.is_multipart();
        if is_cut && is_returned {
            self.note(Problem::CutWhenReturned);
        } else if is_cut || flags.intersects(PartFlags::MISSING_DELIMITER | PartFlags::FALLBACK_DELIMITER) {
            self.note(Problem::BrokenStructure);
        }
    }

    fn note(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }
}

/// What stands before a boundary belongs to it.
const LINE_END: u32 = 2;

/// Whether a part stands in a report, or in a part of one.
fn is_of_report(part: &MessagePart<'_>) -> bool {
    std::iter::successors(part.parent(), MessagePart::parent).any(|part| part.is_content_type("multipart", "report"))
}

/// The part's body before transfer decoding: borrowed, unless it lies inside an enclosed message that was itself
/// transfer-encoded and so exists in the parser's memory only.
fn raw_body<'x>(part: &MessagePart<'_>, octets: &'x [u8]) -> Cow<'x, [u8]> {
    if part.message().source() == Source::Raw {
        let range = part.offset_body() as usize..part.offset_end() as usize;
        if let Some(body) = octets.get(range) {
            return Cow::Borrowed(body);
        }
    }
    Cow::Owned(part.raw_body().to_vec())
}

fn enclosed(part: &MessagePart<'_>, inner: &MessageRef<'_>) -> Enclosed {
    Enclosed {
        envelope: Envelope::of(inner),
        filename: part.attachment_name().and_then(clean::filename),
        is_attachment: part.content_disposition().is_some_and(|disposition| disposition.is_attachment()),
    }
}

fn push_paragraph(text: &mut String, piece: &str) {
    if !piece.is_empty() {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_block_ends_with_the_first_blank_line_however_lines_end() {
        assert_eq!(header_block(b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n"), b"A: 1\r\nB: 2\r\n\r\n");
        assert_eq!(header_block(b"A: 1\n\nbody\n\n"), b"A: 1\n\n");
        assert_eq!(header_block(b"A: 1\r\r\n\r\r\nbody"), b"A: 1\r\r\n\r\r\n");
        assert_eq!(header_block(b"A: 1\r\n"), b"A: 1\r\n");
        assert_eq!(header_block(b"\r\nbody"), b"\r\n");
        assert_eq!(header_block(b""), b"");
    }
}
