//! Octets into Unicode, with the two charsets that web browsers refuse and old mail has.

use std::borrow::Cow;

use mail_parser::Charset;

use super::html;

/// Text in the charset that was declared, or in the likeliest if none was or it is unknown.
pub(super) fn decode<'o>(declared: Option<&str>, octets: &'o [u8], is_html: bool) -> Cow<'o, str> {
    match declared {
        Some("iso-2022-kr") => eight_bit(octets, from_iso_2022_kr, "euc-kr"),
        Some("hz-gb-2312" | "hz") => eight_bit(octets, from_hz, "gb18030"),
        declared => match declared.and_then(named) {
            Some(charset) => charset.decode(octets),
            None => guess(octets, is_html),
        },
    }
}

/// The charset, unless its name says less than the octets do: "us-ascii" and "unknown-8bit" are put before anything.
fn named(name: &str) -> Option<Charset> {
    if matches!(name, "us-ascii" | "ascii" | "default" | "8bit" | "x-unknown" | "unknown-8bit") {
        return None;
    }
    Charset::from_label(name.as_bytes())
}

/// Text without a usable charset: UTF-8 if it is, then what the HTML says of itself, then what most such mail is.
fn guess(octets: &[u8], is_html: bool) -> Cow<'_, str> {
    if octets.starts_with(&[0xff, 0xfe]) || octets.starts_with(&[0xfe, 0xff]) {
        return labelled("utf-16", octets);
    }
    let declared = if is_html { html::declared_charset(octets).and_then(Charset::from_label) } else { None };
    match (std::str::from_utf8(octets), declared) {
        (Ok(text), None) => Cow::Borrowed(text),
        (_, Some(charset)) => charset.decode(octets),
        (Err(_), None) => labelled("windows-1252", octets),
    }
}

fn labelled<'o>(label: &str, octets: &'o [u8]) -> Cow<'o, str> {
    match Charset::from_label(label.as_bytes()) {
        Some(charset) => charset.decode(octets),
        None => String::from_utf8_lossy(octets),
    }
}

fn eight_bit(octets: &[u8], convert: fn(&[u8]) -> Vec<u8>, label: &str) -> Cow<'static, str> {
    Cow::Owned(labelled(label, &convert(octets)).into_owned())
}

/// RFC 1557: Shift Out begins two-octet Korean, Shift In or the end of a line ends it.
fn from_iso_2022_kr(octets: &[u8]) -> Vec<u8> {
    const DESIGNATOR: &[u8] = b"\x1b$)C";
    let mut converted = Vec::with_capacity(octets.len());
    let mut is_korean = false;
    let mut rest = octets;
    while let Some((octet, after)) = rest.split_first() {
        rest = rest.strip_prefix(DESIGNATOR).unwrap_or(after);
        match octet {
            0x1b if rest.len() < after.len() => {}
            0x0e => is_korean = true,
            0x0f => is_korean = false,
            octet => {
                is_korean &= *octet != b'\n';
                converted.push(lifted(*octet, is_korean));
            }
        }
    }
    converted
}

/// RFC 1843: `~{` begins two-octet Chinese, `~}` ends it, `~~` is a tilde, and a tilde joins two lines.
fn from_hz(octets: &[u8]) -> Vec<u8> {
    let mut converted = Vec::with_capacity(octets.len());
    let mut is_chinese = false;
    let mut rest = octets;
    while let Some((octet, after)) = rest.split_first() {
        rest = after.get(usize::from(*octet == b'~')..).unwrap_or_default();
        match (octet, after.first()) {
            (b'~', Some(b'{')) => is_chinese = true,
            (b'~', Some(b'}')) => is_chinese = false,
            (b'~', Some(b'~')) => converted.push(b'~'),
            (b'~', Some(b'\n')) => {}
            (octet, _) => {
                rest = after;
                is_chinese &= *octet != b'\n';
                converted.push(lifted(*octet, is_chinese));
            }
        }
    }
    converted
}

/// Seven-bit codes of two-octet characters are the eight-bit ones without the highest bit.
const fn lifted(octet: u8, is_lifted: bool) -> u8 {
    if is_lifted && octet > 0x20 && octet < 0x7f { octet | 0x80 } else { octet }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charsets_of_old_mail_are_read() {
        assert_eq!(decode(Some("iso-2022-kr"), b"\x1b$)C\x0eH8@G\x0f a\r\nb", false), "회의 a\r\nb");
        assert_eq!(decode(Some("hz-gb-2312"), b"a ~{7\"F1~} ~~ b~\nc~", false), "a 发票 ~ bc~");
    }

    #[test]
    fn octets_without_a_charset_are_guessed() {
        assert_eq!(decode(None, "é".as_bytes(), false), "é");
        assert_eq!(decode(Some("us-ascii"), b"\xe9", false), "é");
        assert_eq!(decode(Some("no-such"), b"\xff\xfea\0", false), "a");
        assert_eq!(decode(None, b"<meta charset=koi8-r>\xf0", true), "<meta charset=koi8-r>П");
    }
}
