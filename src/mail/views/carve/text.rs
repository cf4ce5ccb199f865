//! Files that stand as text in pages, scripts and documents.

use crate::mail::views::lines::long_runs;
use crate::mail::views::transfer::base64;

use super::escapes::entity;

/// Shorter runs of digits are numbers and checksums.
const SHORTEST_HEX: usize = 130;

/// What `data:` addresses hold (RFC 2397) that is not plain base64, which is found anyway.
pub(super) fn data_uris(octets: &[u8]) -> Vec<Vec<u8>> {
    const LONGEST_TYPE: usize = 200;
    let mut found = Vec::new();
    let mut until = 0;
    for colon in memchr::memchr_iter(b':', octets) {
        if colon < 4.max(until) || !is_scheme(&octets[..colon]) {
            continue;
        }
        let rest = &octets[colon + 1..];
        let Some(comma) = memchr::memchr(b',', &rest[..rest.len().min(LONGEST_TYPE)]) else { continue };
        let (kind, payload) = (&rest[..comma], &rest[comma + 1..]);
        let end = payload.iter().position(|octet| b"\"'<>)`".contains(octet)).unwrap_or(payload.len());
        until = colon + 1 + comma + end;
        let plain = unescaped(&payload[..end]);
        if memchr::memmem::find(&kind.to_ascii_lowercase(), b"base64").is_some() {
            found.extend(base64::readings(&plain, false));
        } else {
            found.push(plain);
        }
    }
    found.retain(|file| file.len() >= 32);
    found
}

/// Whether `data` stands at the end, line ends and tabs in it or not.
fn is_scheme(before: &[u8]) -> bool {
    let letters = before.iter().rev().take(16).filter(|octet| !matches!(octet, b'\r' | b'\n' | b'\t'));
    letters.map(u8::to_ascii_lowercase).take(4).eq(*b"atad")
}

/// Without `%41` and `&#65;`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        let escape = match octet {
            b'%' => after.get(..2).and_then(|digits| Some((number(digits, 16)?, &after[2..]))),
            b'&' => entity(after),
            _ => None,
        };
        let (value, next) = escape.unwrap_or((*octet, after));
        out.push(value);
        rest = next;
    }
    out
}

pub(super) fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Long runs of hexadecimal digits, over lines too: programs in scripts.
pub(super) fn hexadecimal(octets: &[u8]) -> Vec<Vec<u8>> {
    let pair = |pair: &[u8]| number(pair, 16).unwrap_or_default();
    let runs = long_runs(octets, SHORTEST_HEX, |octet| HEXADECIMAL[usize::from(octet)]);
    let mut found = Vec::new();
    for run in runs {
        let digits: Vec<u8> = octets[run].iter().filter(|octet| octet.is_ascii_hexdigit()).copied().collect();
        if digits.len() >= SHORTEST_HEX && digits.iter().any(|digit| *digit != digits[0]) {
            found.push(digits.chunks_exact(2).map(pair).collect());
        }
    }
    found
}

/// Digits, and the line ends between them.
const HEXADECIMAL: [bool; 256] = {
    let mut signs = [false; 256];
    let mut at = 0;
    while at < signs.len() {
        let octet = at as u8;
        signs[at] = octet.is_ascii_hexdigit() || octet == b'\r' || octet == b'\n';
        at += 1;
    }
    signs
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_addresses_are_read() {
        let payload = "%41&#66;C&#x44;".repeat(20);
        let expected = "ABCD".repeat(20).into_bytes();
        assert_eq!(data_uris(format!("<a href='DATA:text/x,{payload}'>").as_bytes()), [expected]);
        assert!(data_uris(b"metadata: a, b").is_empty());
        assert_eq!(data_uris(format!("da\nta:,{}", "A".repeat(40)).as_bytes()), [[b'A'; 40]]);
    }

    #[test]
    fn hexadecimal_runs_are_read_over_lines() {
        let run = "4142".repeat(40);
        let text = format!("{{\\objdata {}\r\n{}}}", &run[..75], &run[75..]);
        assert_eq!(hexadecimal(text.as_bytes())[0], "AB".repeat(40).into_bytes());
    }
}
