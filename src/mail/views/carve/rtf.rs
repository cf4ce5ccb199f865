//! Binary data in RTF, and RTF as Outlook packs it.

use memchr::memmem;

use super::text::number;

/// What was found, and whether there is more.
type Found = (Vec<Vec<u8>>, bool);

/// What stands behind `\bin` and a length. One may stand in another, to who does not see the first.
pub(super) fn binary(octets: &[u8]) -> Found {
    const BIN: &[u8] = b"\\bin";
    let mut found = Vec::new();
    let begin = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets).trim_ascii_start();
    if !begin.starts_with(b"{\\rt") {
        return (found, false);
    }
    let mut left = octets.len().saturating_mul(2);
    for at in memmem::find_iter(octets, BIN).filter(|at| !is_escaped(octets, *at)) {
        let text = &octets[at + BIN.len()..];
        let count = text.iter().take(9).take_while(|octet| octet.is_ascii_digit()).count();
        let length = text[..count].iter().fold(0, |length, digit| length * 10 + usize::from(digit - b'0'));
        let data = text[count..].strip_prefix(b" ").unwrap_or(&text[count..]);
        let data = &data[..length.min(data.len())];
        let Some(rest) = left.checked_sub(data.len()) else { return (found, true) };
        left = rest;
        found.extend((!data.is_empty()).then(|| data.to_vec()));
    }
    (found, false)
}

/// Whether the backslash at that place is itself behind one.
fn is_escaped(octets: &[u8], at: usize) -> bool {
    octets[..at].iter().rev().take_while(|octet| **octet == b'\\').count() % 2 == 1
}

/// Objects written in hexadecimal digits: blanks, groups, control words and what is escaped between them count for nothing.
/// What lies in an object's groups may be one as well.
pub(super) fn objects(octets: &[u8]) -> Found {
    const OBJECT: &[u8] = b"\\objdata";
    const MOST_INSIDE: usize = 50;
    const SHORTEST: usize = 16;
    let (mut found, mut until, mut inside) = (Vec::new(), 0, 0);
    for at in memmem::find_iter(octets, OBJECT).filter(|at| !is_escaped(octets, *at)) {
        inside += usize::from(at < until);
        if inside > MOST_INSIDE {
            return (found, true);
        }
        let (digits, length) = digits(&octets[at + OBJECT.len()..]);
        until = until.max(at + length);
        let object: Vec<u8> = digits.chunks_exact(2).filter_map(|pair| number(pair, 16)).collect();
        found.extend((object.len() >= SHORTEST).then_some(object));
    }
    (found, false)
}

/// Those of one object, and how much of the text they stand in.
fn digits(text: &[u8]) -> (Vec<u8>, usize) {
    let (mut digits, mut depth) = (Vec::new(), 0_usize);
    let mut rest = text;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'{' => depth += 1,
            b'}' if depth == 0 => break,
            b'}' => depth -= 1,
            b'\\' if after.starts_with(b"'") => rest = after.get(3..).unwrap_or_default(),
            b'\\' => {
                let word = after.iter().take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'-').count();
                rest = &after[word.max(1).min(after.len())..];
            }
            digit if depth == 0 && digit.is_ascii_hexdigit() => digits.push(*digit),
            _ => {}
        }
    }
    (digits, text.len() - rest.len())
}

/// RTF packed by LZ77 over a dictionary that begins with usual words, or not packed ([MS-OXRTFCP], section 2.2).
pub(super) fn unpacked(octets: &[u8]) -> Found {
    const HEADER: usize = 16;
    const MOST_TIMES: usize = 4;
    const FEW_BYTES: usize = 1 << 20;
    let data = octets.get(HEADER..).unwrap_or_default();
    let (rtf, is_cut) = match octets.get(8..12) {
        Some(b"LZFu") => inflated(data, data.len().saturating_mul(MOST_TIMES).saturating_add(FEW_BYTES)),
        Some(b"MELA") => (data.to_vec(), false),
        _ => return (Vec::new(), false),
    };
    (Some(rtf).filter(|rtf| !rtf.is_empty()).into_iter().collect(), is_cut)
}

fn inflated(mut rest: &[u8], most: usize) -> (Vec<u8>, bool) {
    const WINDOW: usize = 4096;
    const SHORTEST: usize = 2;
    let mut all = USUAL.to_vec();
    'packed: while let Some((flags, after)) = rest.split_first() {
        rest = after;
        if all.len() > most {
            return (all.split_off(USUAL.len()), true);
        }
        for bit in 0..8 {
            if flags >> bit & 1 == 0 {
                let Some((octet, after)) = rest.split_first() else { break 'packed };
                all.push(*octet);
                rest = after;
                continue;
            }
            let [high, low, after @ ..] = rest else { break 'packed };
            rest = after;
            let (offset, length) = (usize::from(*high) << 4 | usize::from(low >> 4), usize::from(low & 15) + SHORTEST);
            let distance = (all.len() % WINDOW + WINDOW - offset) % WINDOW;
            if distance == 0 {
                break 'packed;
            }
            // Nobody has written the end of the window yet.
            (0..length).for_each(|_| all.push(all.len().checked_sub(distance).map_or(b' ', |at| all[at])));
        }
    }
    (all.split_off(USUAL.len()), false)
}

const USUAL: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor MS Sans \
SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packed_rtf_is_unpacked() {
        // The example of [MS-OXRTFCP], section 3.1.1.
        const PACKED: &[u8] = &[
            0x2d, 0, 0, 0, 0x2b, 0, 0, 0, b'L', b'Z', b'F', b'u', 0xf1, 0xc5, 0xc7, 0xa7, 3, 0, 0x0a, 0, 0x72, 0x63,
            0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0, 0x20, 0x62, 0x77,
            0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        assert_eq!(unpacked(PACKED).0, [b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"]);
        assert_eq!(unpacked(b"--------MELA----{\\rtf1}").0, [b"{\\rtf1}"]);
        assert_eq!(unpacked(&PACKED[..8]), (Vec::new(), false));
        let longest = [&PACKED[..16], &[&[0xff][..], &[0, 0x1e].repeat(8)].concat().repeat(1 << 17)].concat();
        assert!(unpacked(&longest).1);
    }

    #[test]
    fn binary_data_is_found() {
        let found = |text: &[u8]| binary(text).0;
        assert_eq!(found(b"{\\rtf1 {\\*\\objdata \\bin5 he}lo}}"), [b"he}lo"]);
        assert_eq!(found(b"{\\rtf1 \\\\bin99 a {\\bin3 abc"), [b"abc"]);
        assert!(found(b"a text about \\bin5 hello").is_empty() && found(b"{\\rtf1 \\bin0 }").is_empty());
        assert!(binary(&b"{\\rtf1 ".iter().chain(b"\\bin999999 ".repeat(99).iter()).copied().collect::<Vec<u8>>()).1);
    }

    #[test]
    fn what_stands_between_the_digits_of_an_object_is_skipped() {
        let found = |text: &str| objects(format!("{{\\rtf1{{\\objdata {}}}}} 99", text.repeat(8)).as_bytes()).0;
        for text in ["4142", "41 42", "4\r\n142", "41{\\*\\x 77}42", "41\\'9942", "41\\par 42", "4\\q-7 142"] {
            assert_eq!(found(text), [b"AB".repeat(8)], "{text}");
        }
        assert_eq!(found(&format!("{{{{\\objdata {}}}}}", "4142".repeat(8)))[0], b"AB".repeat(8));
        assert!(objects(&b"{\\objdata ".repeat(99)).1);
    }

    proptest! {
        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            objects(&[b"\\objdata", &octets[..]].concat());
            unpacked(&[&[0; 8], &b"LZFu"[..], &octets].concat());
            binary(&[b"{\\rtf1\\bin", &octets[..]].concat());
        }
    }
}
