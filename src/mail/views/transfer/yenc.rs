//! yEnc: eight-bit octets in text between `=ybegin` and `=yend`.

use memchr::memmem;

use crate::mail::views::lines::lines;

/// Every block; all blocks of one name joined where there are several, the pieces of one file, as they stand and by their
/// numbers.
pub(in crate::mail::views) fn files(octets: &[u8]) -> Vec<Vec<u8>> {
    let signs = memmem::find_iter(octets, b"=y").chain(memmem::find_iter(octets, b"=Y"));
    let mut starts: Vec<usize> = signs.filter(|at| is_begin(&octets[*at..])).collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([octets.len()]);
    let blocks = starts.iter().zip(ends).map(|(start, end)| block(&octets[*start..end]));
    let mut blocks: Vec<Block<'_>> = blocks.filter(|block| !block.octets.is_empty()).collect();
    let mut files: Vec<Vec<u8>> = blocks.iter().map(|block| block.octets.clone()).collect();
    blocks.sort_by_key(|block| block.name);
    for pieces in blocks.chunk_by_mut(|one, next| one.name == next.name).filter(|pieces| pieces.len() > 1) {
        files.push(joined(pieces));
        if !pieces.is_sorted_by_key(|block| block.number) {
            pieces.sort_by_key(|block| block.number);
            files.push(joined(pieces));
        }
    }
    files
}

fn joined(pieces: &[Block<'_>]) -> Vec<u8> {
    pieces.iter().flat_map(|block| &block.octets).copied().collect()
}

struct Block<'o> {
    name: &'o [u8],
    /// Which piece of a file it is.
    number: u32,
    octets: Vec<u8>,
}

fn is_begin(text: &[u8]) -> bool {
    const BEGIN: &[u8] = b"=ybegin";
    text.len() > BEGIN.len()
        && text[..BEGIN.len()].eq_ignore_ascii_case(BEGIN)
        && matches!(text[BEGIN.len()], b' ' | b'\t')
}

fn block(octets: &[u8]) -> Block<'_> {
    let mut out = Vec::with_capacity(octets.len());
    let (mut number, mut name) = (0, &octets[..0]);
    for (at, line) in lines(octets).map(|line| line.text).enumerate() {
        let says = |what: &[u8]| line.get(..what.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(what));
        if at == 0 {
            number = part(line);
            name = memmem::find(line, b"name=").map_or(name, |at| line[at..].trim_ascii_end());
            continue;
        }
        if says(b"=yend") {
            break;
        }
        if says(b"=ypart") {
            continue;
        }
        let mut is_escaped = false;
        for octet in line {
            if *octet == b'=' && !is_escaped {
                is_escaped = true;
                continue;
            }
            let shift = if std::mem::take(&mut is_escaped) { 42 + 64 } else { 42 };
            out.push(octet.wrapping_sub(shift));
        }
    }
    Block { name, number, octets: out }
}

/// `part=3` of a begin line.
fn part(line: &[u8]) -> u32 {
    const PART: &[u8] = b"part=";
    let digits =
        memmem::find(line, PART).map(|at| line[at + PART.len()..].iter().take_while(|octet| octet.is_ascii_digit()));
    digits
        .into_iter()
        .flatten()
        .fold(0, |number: u32, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(octets: &[u8], begin: &str) -> Vec<u8> {
        let mut out = format!("{begin}line=128 size=1 name=a b\r\n").into_bytes();
        for octet in octets {
            match octet.wrapping_add(42) {
                critical @ (0 | b'\n' | b'\r' | b'=') => out.extend([b'=', critical.wrapping_add(64)]),
                plain => out.push(plain),
            }
        }
        out.extend_from_slice(b"\r\n=yend size=1\r\n");
        out
    }

    #[test]
    fn pieces_are_joined_in_their_order() {
        let piece = |number: u32, text: &str| encoded(text.as_bytes(), &format!("=YBEGIN part={number} total=3 "));
        let text = [piece(2, "lo, "), piece(3, "there"), piece(1, "Hel")].concat();
        assert_eq!(files(&text).last().unwrap(), b"Hello, there");
        let other = |number, text| {
            let mut piece = piece(number, text);
            let name = memmem::find(&piece, b"name=a").unwrap();
            piece[name + 5] = b'c';
            piece
        };
        let two = [other(2, "too"), piece(1, "one"), other(1, "me "), piece(2, "s")].concat();
        assert!(files(&two).contains(&b"me too".to_vec()) && files(&two).contains(&b"ones".to_vec()));
        assert_eq!(files(&encoded(b"Hello", "=ybegin\t")), [b"Hello"]);
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(one in prop::collection::vec(any::<u8>(), 1..99), two in prop::collection::vec(any::<u8>(), 1..99)) {
            let begin = "=ybegin ";
            let text = [b"Hello\r\n".to_vec(), encoded(&one, begin), encoded(&two, begin)].concat();
            prop_assert_eq!(files(&text), vec![one.clone(), two.clone(), [one, two].concat()]);
        }
    }
}
