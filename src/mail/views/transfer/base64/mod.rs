//! Base64 (RFC 4648) in all the ways decoders forgive.

mod runs;

use crate::mail::views::lines::lines;

pub(in crate::mail::views) use runs::{pieces, runs};

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
    /// Ends everything where four signs are full with it, else is not there: Python's `binascii`.
    StopWhenFull,
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

impl Rules {
    /// In how many things they differ from what most decoders do.
    fn oddities(self) -> usize {
        let Self { padding, strange, has_url_signs, by_line } = self;
        [padding != Padding::Restart, strange != Strange::Skip, !has_url_signs, by_line]
            .iter()
            .filter(|is| **is)
            .count()
    }
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
    let padding = count(|octet| **octet == b'=');
    let others = sample.len() - signs - blanks - count(|octet| matches!(octet, b'\r' | b'\n'));
    let is_rare = others * 16 <= signs && blanks * 16 <= signs && padding * 32 <= signs;
    signs >= SHORTEST_RUN && is_rare && is_mixed(sample)
}

/// Every reading of a body, some perhaps the same. `is_sure`: that it is base64 at all; else decoders are not expected to
/// differ in more than one thing at a time.
pub(in crate::mail::views) fn readings(body: &[u8], is_sure: bool) -> impl Iterator<Item = Vec<u8>> {
    let others = if is_plain(body) { Vec::new() } else { rules(body) };
    let others = others.into_iter().filter(move |rules| is_sure || rules.oddities() == 1);
    [LENIENT].into_iter().chain(others).map(|rules| decode(body, rules)).filter(|reading| !reading.is_empty())
}

/// All the ways in which decoders differ over what is in a body.
fn rules(body: &[u8]) -> Vec<Rules> {
    let has = |is: fn(u8) -> bool| body.iter().any(|octet| is(*octet));
    let data = body.trim_ascii_end();
    let data = data.strip_suffix(b"==").or_else(|| data.strip_suffix(b"=")).unwrap_or(data);
    let is_strange = |octet: u8| value(octet, false).is_none() && !is_space(octet) && octet != b'=';
    let paddings: &[Padding] = match memchr::memchr(b'=', data) {
        Some(_) => &[Padding::Restart, Padding::Stop, Padding::Ignore, Padding::StopWhenFull],
        None => &[Padding::Restart],
    };
    let stranges: &[Strange] =
        if has(is_strange) { &[Strange::Skip, Strange::Stop, Strange::SkipLine] } else { &[Strange::Skip] };
    let url_signs: &[bool] = if has(|octet| matches!(octet, b'-' | b'_')) { &[true, false] } else { &[true] };
    let mut all = vec![Rules { by_line: true, ..LENIENT }];
    for padding in paddings {
        for strange in stranges {
            let each = url_signs.iter().map(|has_url_signs| (*padding, *strange, *has_url_signs));
            all.extend(each.map(|(padding, strange, has_url_signs)| Rules {
                padding,
                strange,
                has_url_signs,
                ..LENIENT
            }));
        }
    }
    all.retain(|rules| rules.oddities() > 0);
    all
}

fn decode(body: &[u8], rules: Rules) -> Vec<u8> {
    let mut decoder = Decoder { bits: 0, count: 0, padding: 0, out: Vec::with_capacity(body.len() / 4 * 3) };
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
        if !decoder.feed(line.text, rules) {
            break;
        }
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
    /// Of the four signs that have begun.
    padding: u8,
    out: Vec<u8>,
}

impl Decoder {
    /// Whether more may follow.
    fn feed(&mut self, octets: &[u8], rules: Rules) -> bool {
        for octet in octets {
            if let Some(value) = value(*octet, rules.has_url_signs) {
                self.bits = self.bits << 6 | u32::from(value);
                self.count += 1;
                self.padding = 0;
                if self.count == 4 {
                    self.flush();
                }
            } else if *octet == b'=' {
                match rules.padding {
                    Padding::Restart => self.flush(),
                    Padding::Stop => return false,
                    Padding::Ignore => {}
                    Padding::StopWhenFull if self.count < 2 => {}
                    Padding::StopWhenFull => {
                        self.padding += 1;
                        if self.count + self.padding >= 4 {
                            return false;
                        }
                    }
                }
            } else if rules.strange == Strange::Stop && !is_space(*octet) {
                return false;
            }
        }
        true
    }

    /// Writes the whole octets of what has come.
    fn flush(&mut self) {
        let octets = (self.bits << (6 * (4 - u32::from(self.count.min(4))))).to_be_bytes();
        let whole = usize::from(self.count) * 6 / 8;
        self.out.extend_from_slice(&octets[1..1 + whole]);
        (self.bits, self.count, self.padding) = (0, 0, 0);
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
            assert!(readings(body.as_bytes(), true).any(|reading| reading == expected), "{body:?}");
        };
        has("aGVs\r\nbG8=\r\n", b"hello");
        has("aGVs!bG8*=", b"hello");
        has("aA==ZWxsbw==", b"hello");
        has("aGVsbG8=aGVsbG8=", b"hello");
        has("aGVsbG8\r\n", b"hello");
        has("aGVs\r\n-- x --\r\nbG8=", b"hello");
        has("aGVs~bG8=", b"hel");
        has("_-8=", b"\xff\xef");
        has("aGV=sbG8-=", b"hello");
        has("aGVs-bG8=aGVs", b"hello");
    }

    proptest! {
        #[test]
        fn what_is_plain_has_one_reading(octets in prop::collection::vec(any::<u8>(), 1..200)) {
            let text = STANDARD.encode(&octets);
            prop_assert!(is_plain(text.as_bytes()));
            prop_assert_eq!(readings(text.as_bytes(), true).collect::<Vec<_>>(), vec![octets]);
        }

        #[test]
        fn any_octets_are_read(text in "[A-D=\r\n !\\-_]{0,200}") {
            readings(text.as_bytes(), true).for_each(drop);
            runs(text.as_bytes());
            pieces(text.as_bytes());
            is_likely(text.as_bytes());
        }
    }
}
