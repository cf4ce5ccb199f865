//! Octets written as escapes, references and numbers: pages and scripts hold files so.

use super::text::number;

/// Fewer octets in a row are text.
const SHORTEST: usize = 32;

/// What stands in a row as `\x41`, `\u0041`, RTF's `\'41`, `%41` or `=41`.
pub(super) fn escaped(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for sign in [&b"\\x"[..], b"\\u00", b"\\'", b"%", b"="] {
        let length = sign.len() + 2;
        let value = |text: &[u8]| text.strip_prefix(sign).and_then(|text| number(text.get(..2)?, 16));
        let mut until = 0;
        for at in memchr::memmem::find_iter(octets, sign) {
            if at < until {
                continue;
            }
            let row: Vec<u8> = octets[at..].chunks(length).map_while(value).collect();
            until = at + row.len() * length;
            if row.len() >= SHORTEST {
                found.push(row);
            }
        }
    }
    found
}

/// What stands in a row as numbers with commas between them: `72, 101` or `0x48,0x65`.
pub(super) fn numbers(octets: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut row = Vec::new();
    let mut end = 0;
    for comma in memchr::memchr_iter(b',', octets).chain([octets.len()]) {
        let item = &octets[end..comma];
        end = (comma + 1).min(octets.len());
        let is_bracket = |octet: &u8| b"[](){}".contains(octet);
        // A row ends before the first bracket, another begins behind the last.
        let first = item.iter().position(is_bracket);
        let value = octet(item[..first.unwrap_or(item.len())].trim_ascii());
        row.extend(value);
        if first.is_some() || value.is_none() {
            keep(&mut row, &mut found);
        }
        let last = item.iter().rposition(is_bracket);
        row.extend(last.and_then(|last| octet(item[last + 1..].trim_ascii())));
    }
    keep(&mut row, &mut found);
    found
}

fn keep(row: &mut Vec<u8>, found: &mut Vec<Vec<u8>>) {
    let row = std::mem::take(row);
    if row.len() >= 2 * SHORTEST && row.iter().any(|octet| *octet != row[0]) {
        found.push(row);
    }
}

fn octet(text: &[u8]) -> Option<u8> {
    match text {
        [b'0', b'x' | b'X', digits @ ..] if digits.len() <= 2 => number(digits, 16),
        digits if digits.len() <= 3 => number(digits, 10),
        _ => None,
    }
}

/// A page or document whose text is references to signs, with what they stand for in their place.
pub(super) fn dereferenced(octets: &[u8]) -> Option<Vec<u8>> {
    /// Nobody needs them for letters; fewer are in jest.
    const FEWEST: usize = 8;
    let is_letter = |at: &usize| entity(&octets[*at + 1..]).is_some_and(|(value, _)| value.is_ascii_alphanumeric());
    let letters = memchr::memmem::find_iter(octets, b"&#").filter(is_letter).take(FEWEST).count();
    let has_odd = || {
        memchr::memchr_iter(b'&', octets).any(|at| {
            let name = name(&octets[at + 1..]);
            PUNCTUATION.iter().any(|(known, _)| known.as_bytes() == name)
        })
    };
    // In what is packed, places are counted.
    if letters < FEWEST && !has_odd() || memchr::memchr(0, octets).is_some() {
        return None;
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        let (value, next) = entity(&rest[at + 1..]).unwrap_or((b'&', &rest[at + 1..]));
        out.push(value);
        rest = next;
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// A calendar or card without the breaks in its lines (RFC 5545, section 3.1).
pub(super) fn unfolded(octets: &[u8]) -> Option<Vec<u8>> {
    let begin = octets.trim_ascii_start();
    if begin.len() < 7 || !begin[..7].eq_ignore_ascii_case(b"BEGIN:V") {
        return None;
    }
    let mut out = Vec::with_capacity(octets.len());
    let mut rest = octets;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest) {
        out.extend_from_slice(&rest[..at]);
        let end = if rest[at..].starts_with(b"\r\n") { at + 2 } else { at + 1 };
        let is_folded = rest.get(end).is_some_and(|octet| matches!(octet, b' ' | b'\t'));
        if !is_folded {
            out.extend_from_slice(&rest[at..end]);
        }
        rest = &rest[end + usize::from(is_folded)..];
    }
    out.extend_from_slice(rest);
    Some(out)
}

/// References that nobody needs.
const PUNCTUATION: [(&str, u8); 35] = [
    ("Tab", b'\t'),
    ("NewLine", b'\n'),
    ("excl", b'!'),
    ("num", b'#'),
    ("dollar", b'$'),
    ("percnt", b'%'),
    ("lpar", b'('),
    ("rpar", b')'),
    ("ast", b'*'),
    ("midast", b'*'),
    ("plus", b'+'),
    ("comma", b','),
    ("period", b'.'),
    ("sol", b'/'),
    ("colon", b':'),
    ("semi", b';'),
    ("equals", b'='),
    ("quest", b'?'),
    ("commat", b'@'),
    ("lsqb", b'['),
    ("lbrack", b'['),
    ("bsol", b'\\'),
    ("rsqb", b']'),
    ("rbrack", b']'),
    ("Hat", b'^'),
    ("lowbar", b'_'),
    ("UnderBar", b'_'),
    ("grave", b'`'),
    ("lcub", b'{'),
    ("lbrace", b'{'),
    ("verbar", b'|'),
    ("vert", b'|'),
    ("VerticalLine", b'|'),
    ("rcub", b'}'),
    ("rbrace", b'}'),
];
/// References that everybody needs.
const MARKUP: [(&str, u8); 5] = [("amp", b'&'), ("lt", b'<'), ("gt", b'>'), ("quot", b'"'), ("apos", b'\'')];

fn name(text: &[u8]) -> &[u8] {
    const LONGEST: usize = 12;
    let length = text.iter().take(LONGEST).take_while(|octet| octet.is_ascii_alphabetic()).count();
    &text[..length]
}

/// What stands behind `&`: `#65;`, `#x41;`, `comma;`, the semicolon there or not, and what follows.
pub(super) fn entity(text: &[u8]) -> Option<(u8, &[u8])> {
    const LONGEST: usize = 24;
    let (value, length) = if let Some(digits) = text.strip_prefix(b"#") {
        let is_hex = matches!(digits, [b'x' | b'X', ..]);
        let digits = &digits[usize::from(is_hex)..];
        let is_digit = |octet: &&u8| if is_hex { octet.is_ascii_hexdigit() } else { octet.is_ascii_digit() };
        let count = digits.iter().take(LONGEST).take_while(is_digit).count();
        (number(&digits[..count], if is_hex { 16 } else { 10 })?, 1 + usize::from(is_hex) + count)
    } else {
        let name = name(text);
        let known = PUNCTUATION.iter().chain(&MARKUP).find(|(known, _)| known.as_bytes() == name)?;
        (known.1, name.len())
    };
    let rest = &text[length..];
    Some((value, rest.strip_prefix(b";").unwrap_or(rest)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_of_escapes_and_numbers_are_read() {
        let text: Vec<u8> = (0..64).map(|n| b'A' + n % 26).collect();
        let each = |write: fn(&u8) -> String| text.iter().map(write).collect::<Vec<_>>();
        for write in [
            |octet: &u8| format!("\\x{octet:02x}"),
            |octet: &u8| format!("\\u{octet:04X}"),
            |octet: &u8| format!("\\'{octet:02x}"),
            |octet: &u8| format!("%{octet:02X}"),
            |octet: &u8| format!("={octet:02X}"),
        ] {
            let page = format!("u = \"{}\";", each(write).concat());
            assert_eq!(escaped(page.as_bytes()), std::slice::from_ref(&text), "{page}");
        }
        for write in [u8::to_string, |octet: &u8| format!("0x{octet:x}")] {
            let page = format!("f(x), new Uint8Array([{}]); g([y])", each(write).join(", "));
            assert_eq!(numbers(page.as_bytes()), std::slice::from_ref(&text), "{page}");
        }
        assert!(escaped(b"100% sure = 41, \\x41\\x42").is_empty() && numbers(b"1, 2, 3").is_empty());
    }

    #[test]
    fn references_give_way_to_what_they_stand_for() {
        let page = "<p>&#x41;&#66&#67;&#68;&#69;&#70;&#71;&#72;&amp;&lt;&euro;</p>";
        assert_eq!(dereferenced(page.as_bytes()).unwrap(), "<p>ABCDEFGH&<&euro;</p>".as_bytes());
        assert_eq!(dereferenced(b"a&comma;b&#0000000000065;").unwrap(), b"a,bA");
        assert_eq!(dereferenced(b"PK\0&comma;b"), None);
        assert_eq!(dereferenced("Müller &amp; Söhne &#228; &copy;".as_bytes()), None);
    }

    #[test]
    fn calendars_are_unfolded() {
        assert_eq!(
            unfolded(b"BEGIN:VCARD\r\nNOTE:a\r\n b\n\tc\r\n \r\n d\r\nEND").unwrap(),
            b"BEGIN:VCARD\r\nNOTE:abcd\r\nEND"
        );
        assert_eq!(unfolded(b"Hello\r\n there"), None);
    }

    proptest! {
        #[test]
        fn any_octets_are_read(text in "[\\\\x0-9,\\[&#;a-c%= ]{0,200}") {
            escaped(text.as_bytes());
            numbers(text.as_bytes());
            dereferenced(text.as_bytes());
        }
    }
}
