//! Runs of base64 lines in a message, found without knowing MIME, and their exact encoding again.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Error;
use crate::mail::BlobId;

/// Characters of a full line, 4 by 4. Shorter ones are rather words than base64; RFC 5322 allows no longer ones.
pub(super) const LINE_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=996;
/// Decoded octets of a run that is worth a part: below this its row, its reference and two hashes eat what it saves.
pub(super) const RUN_OCTETS: usize = 1024;

/// How a part's octets stand in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Characters of each line but the last, a multiple of 4.
    pub(super) line: u16,
    pub(super) ending: Ending,
    /// Whether the last line has an ending as well.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Crlf = 1,
    Lf = 2,
}

impl Ending {
    const fn octets(self) -> &'static [u8] {
        match self {
            Self::Crlf => b"\r\n",
            Self::Lf => b"\n",
        }
    }
}

/// Base64 lines in a message: octets `from..upto` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) from: usize,
    pub(super) upto: usize,
    pub(super) layout: Layout,
}

/// All runs of `message` that are worth a part, in order. Looks at each octet a fixed number of times.
pub(super) fn find(message: &[u8]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < message.len() {
        match Line::at(message, at) {
            Some(first) if first.is_full() => {
                let run = follow(message, at, &first);
                at = run.upto;
                if run.octets(message) >= RUN_OCTETS {
                    runs.push(run);
                }
            }
            _ => at = line_end(message, at),
        }
    }
    runs
}

/// The run that begins with `first` at `from`: lines like it, and one that ends them.
fn follow(message: &[u8], from: usize, first: &Line) -> Run {
    let mut layout = Layout { line: first.characters, ending: first.ending.unwrap_or(Ending::Crlf), ended: true };
    let mut upto = from;
    while let Some(line) = Line::at(message, upto) {
        let fits = line.ending.is_none_or(|ending| ending == layout.ending) && line.characters <= layout.line;
        if !fits {
            break;
        }
        upto += line.octets;
        layout.ended = line.ending.is_some();
        if line.padded || line.characters < layout.line {
            break;
        }
    }
    Run { from, upto, layout }
}

impl Run {
    fn octets(&self, message: &[u8]) -> usize {
        let ending = self.layout.ending.octets().len();
        let line = usize::from(self.layout.line);
        let lines = (self.upto - self.from).div_ceil(line + ending);
        let endings = ending * if self.layout.ended { lines } else { lines - 1 };
        let characters = self.upto - self.from - endings;
        let end = if self.layout.ended { self.upto - ending } else { self.upto };
        let padding = message[..end].iter().rev().take_while(|octet| **octet == b'=').count();
        characters / 4 * 3 - padding
    }

    /// Shows the decoded octets to `take`, some at a time. An error is what is not base64 after all.
    pub(super) fn decode(
        &self,
        message: &[u8],
        take: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Result<(), base64::DecodeSliceError>, Error> {
        let mut characters = Vec::with_capacity(DECODED_AT_ONCE + 1024);
        let mut plain = vec![0; DECODED_AT_ONCE + 1024];
        let mut at = self.from;
        while at < self.upto {
            let end = line_end(message, at).min(self.upto);
            characters.extend_from_slice(trim(&message[at..end]));
            at = end;
            if characters.len() >= DECODED_AT_ONCE || at == self.upto {
                match STANDARD.decode_slice(&characters, &mut plain) {
                    Ok(octets) => take(&plain[..octets])?,
                    Err(problem) => return Ok(Err(problem)),
                }
                characters.clear();
            }
        }
        Ok(Ok(()))
    }

    /// The id and length of the decoded octets; `None` where encoding them would not give the very octets of the message.
    pub(super) fn part(&self, message: &[u8]) -> Result<Option<(BlobId, u64)>, Error> {
        let mut hasher = crate::mail::Hasher::new();
        let mut encoding = Encoding::new(self.layout);
        let (mut at, mut size, mut exact) = (self.from, 0, true);
        let mut compare = |encoded: &[u8]| {
            exact &= message.get(at..at + encoded.len()) == Some(encoded);
            at += encoded.len();
        };
        let decoded = self.decode(message, &mut |octets| {
            hasher.update(octets);
            size += octets.len() as u64;
            compare(encoding.push(octets));
            Ok(())
        })?;
        compare(encoding.finish());
        Ok((decoded.is_ok() && exact && at == self.upto).then(|| (hasher.finish(), size)))
    }
}

/// Characters that are decoded in one call.
const DECODED_AT_ONCE: usize = 64 << 10;

/// A line of base64.
struct Line {
    characters: u16,
    padded: bool,
    ending: Option<Ending>,
    /// With its ending.
    octets: usize,
}

impl Line {
    fn at(message: &[u8], at: usize) -> Option<Self> {
        let longest = LINE_CHARACTERS.end() + 2;
        let rest = &message[at..message.len().min(at + longest)];
        let octets = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
        let text = trim(&rest[..octets]);
        let ending = match octets - text.len() {
            2 => Some(Ending::Crlf),
            1 => Some(Ending::Lf),
            _ => None,
        };
        let whole = ending.is_some() || at + octets == message.len();
        let padding = text.iter().rev().take(2).take_while(|octet| **octet == b'=').count();
        let alphabet = text[..text.len() - padding].iter().all(|octet| ALPHABET[usize::from(*octet)]);
        let right = whole && !text.is_empty() && text.len().is_multiple_of(4) && alphabet;
        // The bits that padding leaves over must be zero, or encoding gives other characters.
        let right = right && (padding == 0 || STANDARD.decode_slice(&text[text.len() - 4..], &mut [0; 3]).is_ok());
        let characters = u16::try_from(text.len()).ok().filter(|_| right)?;
        Some(Self { characters, padded: padding > 0, ending, octets })
    }

    fn is_full(&self) -> bool {
        !self.padded && self.ending.is_some() && LINE_CHARACTERS.contains(&usize::from(self.characters))
    }
}

/// Where the line that holds octet `at` ends, its ending included.
fn line_end(message: &[u8], at: usize) -> usize {
    memchr::memchr(b'\n', &message[at..]).map_or(message.len(), |end| at + end + 1)
}

/// A line without its ending: CRLF or LF.
fn trim(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").map_or(line, |line| line.strip_suffix(b"\r").unwrap_or(line))
}

const ALPHABET: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 256 {
        table[at] = (at as u8).is_ascii_alphanumeric() || at == b'+' as usize || at == b'/' as usize;
        at += 1;
    }
    table
};

/// A part's octets on their way back into lines of base64.
#[derive(Debug)]
pub(super) struct Encoding {
    layout: Layout,
    /// Octets that do not fill a line yet. A full line is held back too: its ending is known when more comes.
    waiting: Vec<u8>,
    encoded: Vec<u8>,
}

impl Encoding {
    pub(super) const fn new(layout: Layout) -> Self {
        Self { layout, waiting: Vec::new(), encoded: Vec::new() }
    }

    /// What can be said of the message after these octets.
    pub(super) fn push(&mut self, octets: &[u8]) -> &[u8] {
        self.encoded.clear();
        self.waiting.extend_from_slice(octets);
        let line = self.line_octets();
        let full = self.waiting.len().saturating_sub(1) / line * line;
        for line in self.waiting[..full].chunks(line) {
            append_line(&mut self.encoded, line);
            self.encoded.extend_from_slice(self.layout.ending.octets());
        }
        self.waiting.drain(..full);
        &self.encoded
    }

    /// The last line.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.encoded.clear();
        append_line(&mut self.encoded, &self.waiting);
        if self.layout.ended {
            self.encoded.extend_from_slice(self.layout.ending.octets());
        }
        self.waiting.clear();
        &self.encoded
    }

    fn line_octets(&self) -> usize {
        usize::from(self.layout.line) / 4 * 3
    }
}

fn append_line(encoded: &mut Vec<u8>, octets: &[u8]) {
    let from = encoded.len();
    encoded.resize(from + octets.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(octets, &mut encoded[from..]);
    debug_assert_eq!(written, Ok(encoded.len() - from));
}
