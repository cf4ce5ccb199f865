use std::fmt;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use flate2::bufread::DeflateDecoder;

use super::dispatch;
use crate::extract::{Extracted, Format, Outcome, ReadLimits, format_of};

/// Reasons told beside a text that is not whole.
const MOST_SHORTFALLS: usize = 8;
const TOO_MUCH: &str = "it holds more text than is kept";

/// One document being read, with all that lies in it: the text so far, and what may still be spent.
pub(in crate::extract) struct Reading<'l> {
    limits: &'l ReadLimits,
    text: String,
    left_unpacked: u64,
    left_members: u32,
    depth: u32,
    shortfalls: Vec<String>,
    started: Instant,
    /// Counts the questions whether it is over, since asking the clock each time costs more than reading.
    asked: u32,
}

/// Why a document was not read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::extract) enum Trouble {
    Encrypted,
    Unsupported,
    Broken(String),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Encrypted => f.write_str("it is encrypted"),
            Self::Unsupported => f.write_str("its format is not known"),
            Self::Broken(why) => f.write_str(why),
        }
    }
}

pub(super) fn broken(why: impl fmt::Display) -> Trouble {
    Trouble::Broken(why.to_string())
}

impl<'l> Reading<'l> {
    pub(in crate::extract) fn new(limits: &'l ReadLimits) -> Self {
        let (left_unpacked, left_members) = (limits.unpacked_bytes, limits.members);
        let (text, shortfalls) = (String::new(), Vec::new());
        Self { limits, text, left_unpacked, left_members, depth: 0, shortfalls, started: Instant::now(), asked: 0 }
    }

    /// Reads a document by its format's reader.
    pub(in crate::extract) fn document(&mut self, format: Format, octets: &[u8]) -> Result<(), Trouble> {
        dispatch(format, octets, self)
    }

    /// The text, and what became of the document as a whole.
    pub(in crate::extract) fn finish(self, ended: Result<(), Trouble>) -> Extracted {
        let outcome = match ended {
            Ok(()) if self.shortfalls.is_empty() => Outcome::Read,
            Ok(()) => Outcome::Partial(self.shortfalls.join("; ")),
            Err(Trouble::Encrypted) => Outcome::Encrypted,
            Err(Trouble::Unsupported) => Outcome::Unsupported,
            Err(Trouble::Broken(why)) => return self.broken_off(&why),
        };
        Extracted { text: self.text, outcome }
    }

    /// The text so far of a document that could not be read further.
    pub(in crate::extract) fn broken_off(self, why: &str) -> Extracted {
        let has_words = self.text.contains(|letter: char| !letter.is_whitespace());
        let outcome = if has_words { Outcome::Partial(why.to_owned()) } else { Outcome::Failed(why.to_owned()) };
        Extracted { text: self.text, outcome }
    }

    /// A file in this document: its name, and the words in it. What goes wrong in it is told of the whole.
    pub(super) fn enclosed(&mut self, name: Option<&str>, content_type: &str, octets: &[u8]) {
        if let Some(name) = name {
            self.line();
            self.push(name);
            self.line();
        }
        let Some(format) = format_of(content_type, name, octets) else { return };
        if self.depth >= self.limits.depth {
            return self.fall_short("documents in it lie too deep");
        }
        if !self.take_member() {
            return;
        }
        self.depth += 1;
        // A reader that panics costs its own document, not those beside it.
        let depth = self.depth;
        let ended = catch_unwind(AssertUnwindSafe(|| self.document(format, octets)));
        let ended = ended.unwrap_or_else(|_| Err(broken("reading it failed in an unforeseen way")));
        self.depth = depth - 1;
        self.line();
        if let Err(trouble) = ended {
            self.fall_short(&format!("{}: {trouble}", name.unwrap_or("a document in it")));
        }
    }

    /// Counts a file looked at; whether there may be one more.
    pub(super) fn take_member(&mut self) -> bool {
        let left = self.left_members.checked_sub(1);
        match left {
            Some(left) => self.left_members = left,
            None => self.fall_short("there are too many files in it"),
        }
        left.is_some()
    }

    /// What deflated octets unpack to, as far as they are whole and the budget reaches.
    pub(super) fn inflate(&mut self, packed: &[u8]) -> Vec<u8> {
        self.unpack(DeflateDecoder::new(packed))
    }

    /// The same for octets that something else unpacks.
    pub(super) fn unpack(&mut self, packed: impl Read) -> Vec<u8> {
        let mut octets = Vec::new();
        let ended = packed.take(self.left_unpacked.saturating_add(1)).read_to_end(&mut octets);
        if octets.len() as u64 > self.left_unpacked {
            octets.truncate(usize::try_from(self.left_unpacked).unwrap_or(usize::MAX));
            self.fall_short("it unpacks to more than is read");
        } else if ended.is_err() {
            self.fall_short("something in it is packed in a broken way");
        }
        self.left_unpacked = self.left_unpacked.saturating_sub(octets.len() as u64);
        octets
    }

    /// Notes why the text is not whole.
    pub(super) fn fall_short(&mut self, why: &str) {
        if self.shortfalls.len() < MOST_SHORTFALLS && !self.shortfalls.iter().any(|known| known == why) {
            self.shortfalls.push(why.to_owned());
        }
    }

    /// Whether to end: more text would be thrown away, or time is up.
    pub(super) fn is_over(&mut self) -> bool {
        const SELDOM: u32 = 64;
        self.asked = self.asked.wrapping_add(1);
        let is_full = self.text.len() as u64 >= self.limits.text_bytes;
        if is_full {
            self.fall_short(TOO_MUCH);
        }
        is_full || self.asked.is_multiple_of(SELDOM) && self.is_late()
    }

    /// Whether time is up.
    pub(super) fn is_late(&mut self) -> bool {
        let is_late = self.started.elapsed() > self.limits.patience;
        if is_late {
            self.fall_short("reading it takes too long");
        }
        is_late
    }

    pub(super) fn push(&mut self, text: &str) {
        let room = usize::try_from(self.limits.text_bytes).unwrap_or(usize::MAX).saturating_sub(self.text.len());
        self.text.push_str(&text[..text.floor_char_boundary(room)]);
        if text.len() > room {
            self.fall_short(TOO_MUCH);
        }
    }

    /// Ends a word.
    pub(super) fn blank(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with([' ', '\n', '\t']) {
            self.push(" ");
        }
    }

    /// Ends a line.
    pub(super) fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.push("\n");
        }
    }

    /// A line of its own.
    pub(super) fn paragraph(&mut self, text: &str) {
        let text = text.trim();
        if !text.is_empty() {
            self.line();
            self.push(text);
            self.line();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn limits() -> ReadLimits {
        ReadLimits { text_bytes: 10, unpacked_bytes: 10, members: 3, depth: 1, patience: Duration::from_secs(60) }
    }

    #[test]
    fn text_beyond_the_limit_is_left_out_and_told() {
        let limits = limits();
        let mut reading = Reading::new(&limits);
        reading.push("123456789éx");
        let extracted = reading.finish(Ok(()));
        assert_eq!(extracted.text, "123456789");
        assert_eq!(extracted.outcome, Outcome::Partial("it holds more text than is kept".to_owned()));
    }

    #[test]
    fn what_unpacks_to_more_than_the_budget_is_cut_once_for_all() {
        let limits = limits();
        let mut reading = Reading::new(&limits);
        // Made with zlib: twenty times a.
        let packed = [0x4b, 0x4c, 0xc4, 0x04, 0x00];
        assert_eq!(reading.inflate(&packed), b"aaaaaaaaaa");
        assert!(reading.inflate(&packed).is_empty());
        assert_eq!(reading.finish(Ok(())).outcome.as_str(), "partial");
    }

    #[test]
    fn trouble_with_words_before_it_is_partial() {
        let limits = limits();
        let mut reading = Reading::new(&limits);
        assert_eq!(Reading::new(&limits).finish(Err(broken("x"))).outcome, Outcome::Failed("x".to_owned()));
        reading.push("a");
        assert_eq!(reading.finish(Err(broken("x"))).outcome, Outcome::Partial("x".to_owned()));
    }
}
