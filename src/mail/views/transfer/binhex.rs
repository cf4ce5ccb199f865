//! BinHex 4.0 (RFC 1741, appendix A): a Macintosh file as text between two colons.

const SIGNS: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
const REPEAT: u8 = 0x90;
/// One sign repeated in three octets makes 255: more of a file than this is not unpacked, nor of all together.
const MOST_TIMES: usize = 4;
const MOST_BYTES: usize = 1024;
/// A name of 63 octets with its length, and what stands before the forks.
const LONGEST_HEADER: usize = 64 + 21;

/// The data and resource forks of every file that is found.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mail::views) struct Forks {
    pub(in crate::mail::views) found: Vec<Vec<u8>>,
    /// There is more in them than was unpacked.
    pub(in crate::mail::views) is_cut: bool,
}

pub(in crate::mail::views) fn forks(octets: &[u8]) -> Forks {
    let mut forks = Forks { found: Vec::new(), is_cut: false };
    let most = |packed: &[u8]| packed.len().saturating_mul(MOST_TIMES).saturating_add(MOST_BYTES);
    let mut left = most(octets);
    let mut from = 0;
    while let Some(at) = memchr::memchr(b':', &octets[from..]) {
        let start = from + at;
        let before = octets[..start].iter().rev().find(|octet| !matches!(octet, b' ' | b'\t' | b'>'));
        // The notice about it may end in the same line.
        let begins_line = before.is_none_or(|octet| matches!(octet, b'\n' | b'\r' | b')'));
        from = start + 1;
        if !begins_line {
            continue;
        }
        if left == 0 {
            forks.is_cut = true;
            break;
        }
        let (packed, length) = six_bit(&octets[from..]);
        from += length;
        let file = unpacked(&packed, most(&packed).min(left));
        left = left.saturating_sub(file.octets.len());
        let found = split(&file);
        forks.is_cut |= file.is_cut && (!found.is_empty() || file.octets.len() < LONGEST_HEADER);
        forks.found.extend(found);
    }
    forks
}

/// The octets up to the closing colon or the first sign that is not of BinHex, and how much of the text that was.
fn six_bit(text: &[u8]) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    let mut length = 0;
    let mut begins_line = false;
    for octet in text {
        if octet.is_ascii_whitespace() || begins_line && *octet == b'>' {
            begins_line |= matches!(octet, b'\r' | b'\n');
            length += 1;
            continue;
        }
        begins_line = false;
        let Some(value) = SIGNS.iter().position(|sign| sign == octet) else { break };
        length += 1;
        bits = bits << 6 | (value as u32 & 63);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (out, length)
}

struct Unpacked {
    octets: Vec<u8>,
    is_cut: bool,
}

fn unpacked(packed: &[u8], most: usize) -> Unpacked {
    let mut out: Vec<u8> = Vec::with_capacity(packed.len());
    let mut rest = packed;
    while let Some((octet, after)) = rest.split_first() {
        rest = after;
        if *octet != REPEAT {
            out.push(*octet);
            continue;
        }
        let Some((times, after)) = rest.split_first() else { break };
        rest = after;
        match (*times, out.last().copied()) {
            (0, _) => out.push(REPEAT),
            (times, Some(last)) => out.resize(out.len() + usize::from(times) - 1, last),
            (_, None) => {}
        }
        if out.len() > most {
            return Unpacked { octets: out, is_cut: true };
        }
    }
    Unpacked { octets: out, is_cut: false }
}

/// Name, version, type, creator, flags, two lengths, a checksum; then the forks, each with a checksum.
fn split(file: &Unpacked) -> Vec<Vec<u8>> {
    let header = || {
        let name = usize::from(*file.octets.first()?);
        let rest = file.octets.get(1 + name..)?;
        let number = |at: usize| rest.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
        let (data, resource) = (number(11)? as usize, number(15)? as usize);
        let forks = rest.get(21..)?;
        let is_long_enough = file.is_cut || data <= forks.len() + 2 + REPEAT as usize;
        ((1..64).contains(&name) && rest[0] == 0 && is_long_enough).then_some((data, resource, forks))
    };
    let Some((data, resource, forks)) = header() else { return Vec::new() };
    let second = forks.get(data + 2..).unwrap_or_default();
    let forks = [&forks[..data.min(forks.len())], &second[..resource.min(second.len())]];
    forks.iter().filter(|fork| !fork.is_empty()).map(|fork| fork.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A file's packed octets.
    fn packed(data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        let file = [&b"\x01a\0BINA????\0\0"[..], &length, &[0; 4], &[0; 2], data, &[0; 4]].concat();
        let escaped = |octet: &u8| if *octet == REPEAT { vec![REPEAT, 0] } else { vec![*octet] };
        file.iter().flat_map(escaped).collect()
    }

    /// The same of a file of one sign, 255 of it for each of `times`.
    fn repeated(sign: u8, times: usize) -> Vec<u8> {
        let length = u32::try_from(255 * times).unwrap().to_be_bytes();
        let data = [sign, REPEAT, 255].repeat(times);
        [&b"\x01a\0BINA????\0\0"[..], &length, &[0; 4], &[0; 2], &data, &[0; 4]].concat()
    }

    fn encoded(packed: &[u8]) -> Vec<u8> {
        let bits: Vec<u8> = packed.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1)).collect();
        let sign = |six: &[u8]| SIGNS[(0..6).fold(0, |value, at| value << 1 | usize::from(*six.get(at).unwrap_or(&0)))];
        let signs: Vec<u8> = bits.chunks(6).map(sign).collect();
        [
            b"(This file must be converted with BinHex 4.0)\r\n\r\n:",
            &signs.chunks(63).collect::<Vec<_>>().join(&b"\r\n"[..])[..],
            b":\r\n",
        ]
        .concat()
    }

    #[test]
    fn what_is_not_unpacked_whole_is_told() {
        let cut = forks(&encoded(&repeated(b'x', 400)));
        assert!(cut.is_cut && cut.found.len() == 1, "{cut:?}");
        let many: Vec<u8> = (0..100).flat_map(|_| encoded(&repeated(b'x', 3))).collect();
        let cut = forks(&many);
        assert!(cut.is_cut && cut.found.concat().len() <= many.len() * MOST_TIMES + 2 * MOST_BYTES);
    }

    proptest! {
        #[test]
        fn what_was_encoded_comes_back(data in prop::collection::vec(any::<u8>(), 1..200)) {
            prop_assert_eq!(forks(&encoded(&packed(&data))), Forks { found: vec![data], is_cut: false });
        }

        #[test]
        fn any_octets_are_read(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            forks(&[b":", &octets[..]].concat());
        }
    }
}
