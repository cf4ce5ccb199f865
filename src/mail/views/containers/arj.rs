//! Headers of ARJ archives, as far as they tell whether anything is encrypted: clamd does not.

use super::zip::{u16_at, u32_at};

const SIGN: &[u8] = &[0x60, 0xea];

pub(super) fn is_encrypted(octets: &[u8]) -> bool {
    const GARBLED: u8 = 1;
    let (mut at, mut is_first) = (0, true);
    while let Some((header, next)) = header(octets, at) {
        // The first one is of the archive as a whole.
        let is_garbled = header.get(4).is_some_and(|flags| flags & GARBLED != 0);
        if is_garbled {
            return true;
        }
        let packed = if is_first { 0 } else { u32_at(header, 12).map_or(0, |packed| packed as usize) };
        let Some(next) = next.checked_add(packed) else { return false };
        (at, is_first) = (next, false);
    }
    false
}

/// A header without its sign and length, and where its data begins.
fn header(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = octets.get(at..)?.strip_prefix(SIGN)?;
    let length = usize::from(u16_at(rest, 0)?);
    let header = rest.get(2..2 + length).filter(|header| !header.is_empty())?;
    // A checksum; then more headers, each with a length and a checksum, up to one of no length.
    let mut next = at + 4 + length + 4;
    while let more @ 1.. = usize::from(u16_at(octets, next)?) {
        next += 2 + more + 4;
    }
    Some((header, next + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(flags: u8) -> Vec<u8> {
        let header = |flags: u8, packed: u32| {
            let fixed = [&[30, 11, 1, 0, flags, 0, 0, 0, 0, 0, 0, 0][..], &packed.to_le_bytes(), &[0; 16]].concat();
            [SIGN, &[32, 0], &fixed, &[0; 4], &[0, 0]].concat()
        };
        [header(0, 999), header(0, 5), b"hello".to_vec(), header(flags, 5), b"world".to_vec(), vec![0x60, 0xea, 0, 0]]
            .concat()
    }

    #[test]
    fn a_garbled_member_is_found() {
        assert!(is_encrypted(&archive(1)));
        for octets in [archive(0), archive(1)[..60].to_vec(), vec![0x60, 0xea, 0xff], Vec::new()] {
            assert!(!is_encrypted(&octets));
        }
    }
}
