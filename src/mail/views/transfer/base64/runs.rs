//! Base64 inside other text.

use std::ops::Range;

use super::{LENIENT, SHORTEST_RUN, decode, is_mixed, is_sign};
use crate::mail::views::lines::{lines, long_runs};

/// Whether a single word is rather an address: full of the signs that stand between words there, or of `=`.
fn is_path(word: &[u8]) -> bool {
    let data = word.strip_suffix(b"=").unwrap_or(word);
    let data = data.strip_suffix(b"=").unwrap_or(data);
    let count = |signs: &[u8]| data.iter().filter(|octet| signs.contains(octet)).count();
    count(b"=") > 0 || count(b"/-_") * 10 > data.len() || count(b"-_") > 0 && count(b"+/") > 0
}

/// Whether octets begin as what is worth hiding: packed, or a program.
fn begins_as_file(octets: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 12] = [
        b"PK\x03\x04",
        &[0x1f, 0x8b, 8],
        b"BZh",
        b"7z\xbc\xaf",
        b"Rar!",
        b"MZ",
        b"%PDF",
        &[0xd0, 0xcf, 0x11, 0xe0],
        b"\xfd7zXZ",
        b"MSCF",
        &[0x28, 0xb5, 0x2f, 0xfd],
        b"LZIP",
    ];
    BEGINNINGS.iter().any(|beginning| octets.starts_with(beginning))
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
        let joined: Vec<u8> = pieces.iter().flat_map(|piece| &self.octets[piece.clone()]).copied().collect();
        if joined.len() < SHORTEST_RUN || !is_mixed(&joined) {
            return;
        }
        let file = decode(&joined, LENIENT);
        if pieces.len() > 1 || !is_path(&joined) || begins_as_file(&file) {
            self.found.push(file);
        }
    }
}

/// Base64 in strings that a script or a list puts together: each group of words, with nothing but quote marks, commas,
/// operators, blanks and escaped line ends between them.
pub(in crate::mail::views) fn pieces(octets: &[u8]) -> Vec<Vec<u8>> {
    /// Shorter words are names and operators, but behind a longer one, where the last piece stands.
    const SHORTEST_PIECE: usize = 16;
    const MOST_BETWEEN: usize = 32;
    let mut found = Vec::new();
    let (mut joined, mut words, mut between) = (Vec::new(), 0, 0);
    let mut rest = octets;
    loop {
        let length = rest.iter().position(|octet| !is_sign(*octet)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(length);
        let is_last = words > 0 && word.len() > 1 && after.first().is_some_and(|octet| b"\"'".contains(octet));
        if word.len() >= SHORTEST_PIECE || is_last {
            joined.extend_from_slice(word);
            (words, between) = (words + 1, 0);
        } else {
            between += word.len();
        }
        // An escaped slash goes on, other escapes are line ends.
        let skipped = match after {
            [b'\\', b'/', ..] | [b'"' | b'\'' | b',' | b';' | b'(' | b')' | b'[' | b']', ..] => 1,
            [b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
            [b'\\', b'n' | b'r' | b't' | b'\r' | b'\n', ..] => 2,
            _ => 0,
        };
        between += skipped;
        if skipped == 0 || between > MOST_BETWEEN {
            if words > 1 && joined.len() >= SHORTEST_RUN && is_mixed(&joined) {
                found.push(decode(&joined, LENIENT));
            }
            joined.clear();
            (words, between) = (0, 0);
        }
        match after.get(skipped.max(1)..) {
            Some(after) => rest = after,
            None => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;

    use super::*;

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

    #[test]
    fn pieces_in_scripts_are_joined() {
        let hidden = STANDARD.encode([&b"Hidden 1 in a script: "[..], &[b'x'; 80]].concat());
        let cut = |length: usize, between: &str| {
            hidden
                .as_bytes()
                .chunks(length)
                .map(|piece| std::str::from_utf8(piece).unwrap())
                .collect::<Vec<_>>()
                .join(between)
        };
        for page in [
            format!("a = \"{}\";", cut(76, "\" +\r\n  \"")),
            format!("a = ['{}'].join('')", cut(40, "', '")),
            format!("a = \"{}\";", cut(60, "\\n")),
            format!("a = \"{}\";", cut(60, "\\\r\n")),
            format!("b += \"{}\"; c", cut(30, "\";\nb += \"")),
        ] {
            let found = pieces(page.as_bytes());
            assert!(
                found.iter().any(|octets| octets.starts_with(b"Hidden 1") && octets.ends_with(b"xxx")),
                "{page}: {found:?}"
            );
        }
        assert!(pieces(b"Words, and \"words\" again, (and again).").is_empty());
    }

    #[test]
    fn a_word_full_of_slashes_is_an_address_unless_it_is_a_file() {
        let slashes = |begin: &[u8]| STANDARD.encode([begin, b"Aa1", &[0xff; 90]].concat());
        assert!(runs(slashes(b"a").as_bytes()).is_empty());
        assert_eq!(runs(slashes(b"\x1f\x8b\x08").as_bytes()).len(), 1);
    }
}
