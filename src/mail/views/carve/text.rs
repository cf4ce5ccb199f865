use crate::mail::message::Part;
use crate::mail::views::lines::long_runs;
use crate::mail::views::transfer::base64;

/// Shorter runs of digits are numbers and checksums.
const SHORTEST_HEX: usize = 130;

/// What `data:` addresses hold (RFC 2397) that is not plain base64, which is found anyway.
pub(super) fn data_uris(octets: &[u8]) -> Vec<Vec<u8>> {
    const LONGEST_TYPE: usize = 200;
    let mut found = Vec::new();
    let mut until = 0;
    for colon in memchr::memchr_iter(b':', octets) {
        if colon < 4.max(until) || !octets[colon - 4..colon].eq_ignore_ascii_case(b"data") {
            continue;
        }
        let rest = &octets[colon + 1..];
        let Some(comma) = memchr::memchr(b',', &rest[..rest.len().min(LONGEST_TYPE)]) else { continue };
        let (kind, payload) = (&rest[..comma], &rest[comma + 1..]);
        let end = payload.iter().position(|octet| b"\"'<>)`".contains(octet)).unwrap_or(payload.len());
        until = colon + 1 + comma + end;
        let plain = unescaped(&payload[..end]);
        if memchr::memmem::find(&kind.to_ascii_lowercase(), b"base64").is_some() {
            found.extend(base64::readings(&plain));
        } else {
            found.push(plain);
        }
    }
    found.retain(|file| file.len() >= 32);
    found
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

/// `#65;` or `#x41;`, and what follows.
fn entity(text: &[u8]) -> Option<(u8, &[u8])> {
    const LONGEST: usize = 8;
    let end = text.iter().take(LONGEST).position(|octet| *octet == b';')?;
    let digits = text[..end].strip_prefix(b"#")?;
    let value = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
        Some(digits) => number(digits, 16)?,
        None => number(digits, 10)?,
    };
    Some((value, &text[end + 1..]))
}

fn number(digits: &[u8], radix: u32) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

/// Long runs of hexadecimal digits, over lines too: objects in RTF, programs in scripts.
pub(super) fn hexadecimal(octets: &[u8]) -> Vec<Vec<u8>> {
    let pair = |pair: &[u8]| number(pair, 16).unwrap_or_default();
    let mut found = Vec::new();
    let mut digits: Vec<u8> = Vec::new();
    for run in long_runs(octets, SHORTEST_HEX, |octet| HEXADECIMAL[usize::from(octet)]) {
        digits.clear();
        digits.extend(octets[run].iter().filter(|octet| octet.is_ascii_hexdigit()));
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

/// The text of a part in a charset that hides octets from whoever does not read it.
pub(in crate::mail::views) fn hidden_text(part: &Part<'_>) -> Option<String> {
    const HIDING: [&str; 7] = ["utf-7", "utf7", "utf-16", "utf-32", "ucs-", "iso-2022-", "hz"];
    let octets = part.octets();
    let is_hiding = |name: &str| HIDING.iter().any(|start| name.contains(start)) || is_ebcdic(name);
    match part.charset.as_deref() {
        Some(name) if is_hiding(name) => part.text_in(name),
        _ => utf16(&octets),
    }
}

pub(in crate::mail::views) fn is_ebcdic(name: &str) -> bool {
    ["ebcdic", "ibm037", "cp037", "cp500", "ibm500", "ibm1047", "cp1047", "cp1026", "ibm273", "ibm285"]
        .iter()
        .any(|known| name.contains(known))
}

/// Text of two or four octets a sign, by its mark or by every other octet being NUL.
pub(in crate::mail::views) fn utf16(octets: &[u8]) -> Option<String> {
    const SAMPLE: usize = 512;
    let sample = &octets[..octets.len().min(SAMPLE)];
    let nuls = |from: usize| sample.iter().skip(from).step_by(2).filter(|octet| **octet == 0).count();
    let most = sample.len() * 2 / 5;
    let (is_marked_little, is_marked_big) = (octets.starts_with(&[0xff, 0xfe]), octets.starts_with(&[0xfe, 0xff]));
    let is_little = is_marked_little || nuls(1) >= most && nuls(0) * 10 <= most;
    let is_big = is_marked_big || nuls(0) >= most && nuls(1) * 10 <= most;
    if sample.len() < 64 || is_little == is_big {
        return None;
    }
    let read = if is_little { u16::from_le_bytes } else { u16::from_be_bytes };
    let units = octets
        .chunks_exact(2)
        .map(|pair| read([pair[0], pair[1]]))
        .skip(usize::from(is_marked_little || is_marked_big));
    Some(
        char::decode_utf16(units)
            .map(|sign| sign.unwrap_or(char::REPLACEMENT_CHARACTER))
            .filter(|sign| *sign != '\0')
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_addresses_are_read() {
        let payload = "%41&#66;C&#x44;".repeat(20);
        let expected = "ABCD".repeat(20).into_bytes();
        assert_eq!(data_uris(format!("<a href='DATA:text/x,{payload}'>").as_bytes()), [expected]);
        assert!(data_uris(b"metadata: a, b").is_empty());
    }

    #[test]
    fn hexadecimal_runs_are_read_over_lines() {
        let run = "4142".repeat(40);
        let text = format!("{{\\objdata {}\r\n{}}}", &run[..75], &run[75..]);
        assert_eq!(hexadecimal(text.as_bytes()), ["AB".repeat(40).into_bytes()]);
    }

    #[test]
    fn wide_text_is_read_with_and_without_a_mark() {
        let text = "What is wide is read all the same. ".repeat(3);
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(utf16(&wide), Some(text.clone()));
        assert_eq!(utf16(&[&[0xfe, 0xff], &wide[..]].concat()), Some(text));
        assert_eq!(utf16(b"plain text"), None);
    }
}
