//! Base64 (RFC 4648) in all the ways decoders forgive.

use std::ops::Range;

use crate::mail::views::lines::{lines, long_runs};

/// Shorter runs of signs are taken for words; what is 60 octets long takes 80.
const SHORTEST_RUN: usize = 80;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// Ends a piece; another may follow.
    Restart,
    /// Ends everything.
    Stop,
    /// Is not there.
    Ignore,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Strange {
    Skip,
    /// Ends everything.
    Stop,
    /// Its whole line is not there.
    SkipLine,
}

#[derive(Clone, Copy)]
struct Rules {
    padding: Padding,
    strange: Strange,
    /// Whether `-` and `_` are the signs of RFC 4648, section 5.
    has_url_signs: bool,
    /// Whether each line is decoded for itself.
    by_line: bool,
}

const LENIENT: Rules = Rules { padding: Padding::Restart, strange: Strange::Skip, has_url_signs: true, by_line: false };

/// Whether all decoders agree on a body.
pub(in crate::mail::views) fn is_plain(body: &[u8]) -> bool {
    let data = body.trim_ascii_end();
    let stripped = data.strip_suffix(b"==").or_else(|| data.strip_suffix(b"=")).unwrap_or(data);
    let is_regular = |line: &[u8]| line.trim_ascii().len().is_multiple_of(4);
    let last = lines(data).last().map_or(0, |line| line.start);
    stripped.iter().all(|octet| value(*octet, false).is_some() || is_space(*octet))
        && lines(&data[..last]).all(|line| is_regular(line.text))
}

/// Whether a body is base64 although nothing says so: hardly anything else is in it.
pub(in crate::mail::views) fn is_likely(body: &[u8]) -> bool {
    let sample = &body[..body.len().min(64 << 10)];
    let count = |is: fn(&&u8) -> bool| sample.iter().filter(is).count();
    let blanks = count(|octet| matches!(octet, b' ' | b'\t'));
    // All the rest is more than the signs.
    if blanks * 16 > sample.len() - blanks {
        return false;
    }
    let signs = count(|octet| is_sign(**octet));
    let others = sample.len() - signs - blanks - count(|octet| matches!(octet, b'\r' | b'\n'));
    signs >= SHORTEST_RUN && others * 16 <= signs && blanks * 16 <= signs && is_mixed(sample)
}

/// Every reading of a body.
pub(in crate::mail::views) fn readings(body: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![decode(body, LENIENT)];
    if is_plain(body) {
        return all;
    }
    for rules in [
        Rules { padding: Padding::Stop, ..LENIENT },
        Rules { padding: Padding::Ignore, ..LENIENT },
        Rules { strange: Strange::Stop, ..LENIENT },
        Rules { strange: Strange::SkipLine, ..LENIENT },
        Rules { strange: Strange::SkipLine, has_url_signs: false, ..LENIENT },
        Rules { has_url_signs: false, ..LENIENT },
        Rules { by_line: true, ..LENIENT },
    ] {
        let reading = decode(body, rules);
        if !all.contains(&reading) {
            all.push(reading);
        }
    }
    all.retain(|reading| !reading.is_empty());
    all
}

fn decode(body: &[u8], rules: Rules) -> Vec<u8> {
    let mut decoder = Decoder { bits: 0, count: 0, out: Vec::with_capacity(body.len() / 4 * 3) };
    if !(rules.by_line || rules.strange == Strange::SkipLine) {
        decoder.feed(body, rules);
        decoder.flush();
        return decoder.out;
    }
    for line in lines(body) {
        let is_strange =
            |octet: &u8| value(*octet, rules.has_url_signs).is_none() && !is_space(*octet) && *octet != b'=';
        if rules.strange == Strange::SkipLine && line.text.iter().any(is_strange) {
            continue;
        }
        decoder.feed(line.text, rules);
        if rules.by_line {
            decoder.flush();
        }
    }
    decoder.flush();
    decoder.out
}

struct Decoder {
    bits: u32,
    count: u8,
    out: Vec<u8>,
}

impl Decoder {
    fn feed(&mut self, octets: &[u8], rules: Rules) {
        for octet in octets {
            if let Some(value) = value(*octet, rules.has_url_signs) {
                self.bits = self.bits << 6 | u32::from(value);
                self.count += 1;
                if self.count == 4 {
                    self.flush();
                }
            } else if *octet == b'=' {
                match rules.padding {
                    Padding::Restart => self.flush(),
                    Padding::Stop => return,
                    Padding::Ignore => {}
                }
            } else if rules.strange == Strange::Stop && !is_space(*octet) {
                return;
            }
        }
    }

    /// Writes the whole octets of what has come.
    fn flush(&mut self) {
        let octets = (self.bits << (6 * (4 - u32::from(self.count.min(4))))).to_be_bytes();
        let whole = usize::from(self.count) * 6 / 8;
        self.out.extend_from_slice(&octets[1..1 + whole]);
        (self.bits, self.count) = (0, 0);
    }
}

const fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// What each sign stands for in RFC 4648, section 4.
const VALUES: [u8; 256] = {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < SIGNS.len() {
        values[SIGNS[at] as usize] = at as u8;
        at += 1;
    }
    values
};
const NONE: u8 = 0xff;

const fn value(octet: u8, has_url_signs: bool) -> Option<u8> {
    match VALUES[octet as usize] {
        NONE if has_url_signs && octet == b'-' => Some(62),
        NONE if has_url_signs && octet == b'_' => Some(63),
        NONE => None,
        value => Some(value),
    }
}

/// Whether it has letters of both cases and something else: neither a word, nor a rule, nor hexadecimal.
fn is_mixed(octets: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| octets.iter().any(is);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && (has(u8::is_ascii_digit) || octets.contains(&b'+'))
}

/// Whether a single word is rather an address: full of the signs that stand between words there, or of `=`.
fn is_path(word: &[u8]) -> bool {
    let data = word.strip_suffix(b"=").unwrap_or(word);
    let data = data.strip_suffix(b"=").unwrap_or(data);
    let count = |signs: &[u8]| data.iter().filter(|octet| signs.contains(octet)).count();
    count(b"=") > 0 || count(b"/-_") * 10 > data.len() || count(b"-_") > 0 && count(b"+/") > 0
}

/// Pieces of text that look like base64 whatever stands around them: whole lines of it, and words too long to be any.
/// Each is decoded; also without the lines at the beginning that do not fit the others.
pub(in crate::mail::views) fn runs(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut runs = Runs { octets, pieces: Vec::new(), length: 0, found: Vec::new() };
    for line in lines(octets) {
        let range = line.range();
        let text = &octets[range.clone()];
        let first = text.iter().position(|octet| !is_sign(*octet)).unwrap_or(text.len());
        if first == text.len() {
            if text.is_empty() {
                runs.close();
            } else {
                runs.push(range);
            }
            continue;
        }
        if first > 0 {
            runs.push(range.start..range.start + first);
        }
        runs.close();
        runs.inside(range.start + first, range.end);
    }
    runs.close();
    runs.found
}

struct Runs<'o> {
    octets: &'o [u8],
    pieces: Vec<Range<usize>>,
    length: usize,
    found: Vec<Vec<u8>>,
}

impl Runs<'_> {
    fn push(&mut self, piece: Range<usize>) {
        self.length += piece.len();
        self.pieces.push(piece);
    }

    /// The words of a line behind its first one: those too long to be any, and the last, which may go on in the next line.
    fn inside(&mut self, start: usize, end: usize) {
        let octets = self.octets;
        for word in long_runs(&octets[start..end], SHORTEST_RUN, is_sign) {
            if start + word.end < end {
                self.push(start + word.start..start + word.end);
                self.close();
            }
        }
        let last = octets[start..end].iter().rposition(|octet| !is_sign(*octet)).map_or(start, |at| start + at + 1);
        if last < end {
            self.push(last..end);
        }
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.length) < SHORTEST_RUN {
            self.pieces.clear();
            return;
        }
        let pieces = std::mem::take(&mut self.pieces);
        self.decode(&pieces);
        let regular = pieces.windows(2).position(|pair| pair[0].len() == pair[1].len() || pair[0].len() >= 60);
        // One long line behind words.
        let long = pieces.iter().position(|piece| piece.len() >= 60);
        let mut begins: Vec<usize> = [regular, long].into_iter().flatten().filter(|begin| *begin > 0).collect();
        begins.dedup();
        for begin in begins {
            self.decode(&pieces[begin..]);
        }
    }

    fn decode(&mut self, pieces: &[Range<usize>]) {
        if let [piece] = pieces
            && is_path(&self.octets[piece.clone()])
        {
            return;
        }
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| &self.octets[piece.clone()]).copied().collect();
        if joined.len() >= SHORTEST_RUN && is_mixed(&joined) {
            self.found.push(decode(&joined, LENIENT));
        }
    }
}

const fn is_sign(octet: u8) -> bool {
    SIGN[octet as usize]
}

/// Digits of both alphabets, and padding.
const SIGN: [bool; 256] = {
    let mut signs = [false; 256];
    let mut at = 0;
    while at < signs.len() {
        signs[at] = value(at as u8, true).is_some() || at as u8 == b'=';
        at += 1;
    }
    signs
};

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_reading_of_odd_base64_is_among_them() {
        let has = |body: &str, expected: &[u8]| {
            let all = readings(body.as_bytes());
            assert!(all.iter().any(|reading| reading == expected), "{body:?}: {all:?}");
        };
        has("aGVs\r\nbG8=\r\n", b"hello");
        has("aGVs!bG8*=", b"hello");
        has("aA==ZWxsbw==", b"hello");
        has("aGVsbG8=aGVsbG8=", b"hello");
        has("aGVsbG8\r\n", b"hello");
        has("aGVs\r\n-- x --\r\nbG8=", b"hello");
        has("aGVs~bG8=", b"hel");
        has("_-8=", b"\xff\xef");
    }

    #[test]
    fn base64_is_found_inside_text() {
        let hidden = STANDARD.encode([&b"Hidden 1 in text: "[..], &[b'x'; 80]].concat());
        for text in [
            format!("<a href=\"data:x;base64,{hidden}\">"),
            format!("Hello\r\n{}\r\n{}\r\n", &hidden[..76], &hidden[76..]),
            format!("ATTACH:{}\r\n {}\r\nEND", &hidden[..60], &hidden[60..]),
            format!("a = \"{hidden}\"; b"),
        ] {
            let found = runs(text.as_bytes());
            assert!(found.iter().any(|octets| octets.starts_with(b"Hidden 1")), "{text}: {found:?}");
        }
        assert!(runs("words upon words\r\n".repeat(100).as_bytes()).is_empty());
        assert!(runs("x".repeat(200).as_bytes()).is_empty());
    }

    proptest! {
        #[test]
        fn what_is_plain_has_one_reading(octets in prop::collection::vec(any::<u8>(), 1..200)) {
            let text = STANDARD.encode(&octets);
            prop_assert!(is_plain(text.as_bytes()));
            prop_assert_eq!(readings(text.as_bytes()), vec![octets]);
        }

        #[test]
        fn any_octets_are_read(text in "[A-D=\r\n !\\-_]{0,200}") {
            readings(text.as_bytes());
            runs(text.as_bytes());
            is_likely(text.as_bytes());
        }
    }
}
