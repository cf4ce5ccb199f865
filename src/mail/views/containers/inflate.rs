//! Inflates (RFC 1951) as much as is asked for, and of broken data as much as there is.

use flate2::{Decompress, FlushDecompress, Status};

pub(super) struct Inflated {
    pub(super) octets: Vec<u8>,
    /// There is more than was asked for.
    pub(super) is_cut: bool,
    /// How much of the data that was.
    pub(super) read: usize,
}

/// At most `most` octets of what the data inflates to; broken data ends where it breaks.
pub(super) fn inflate(data: &[u8], most: usize) -> Inflated {
    const STEP: usize = 32 << 10;
    let mut inflater = Decompress::new(false);
    let mut octets = Vec::new();
    while octets.len() <= most {
        // One more than asked for tells whether there is more.
        octets.reserve(STEP.max(octets.len()).min(most + 1 - octets.len()));
        let before = (inflater.total_in(), octets.len());
        let rest = data.get(usize::try_from(before.0).unwrap_or(usize::MAX)..).unwrap_or_default();
        let status = inflater.decompress_vec(rest, &mut octets, FlushDecompress::None);
        let goes_on = matches!(status, Ok(Status::Ok | Status::BufError));
        if !goes_on || (inflater.total_in(), octets.len()) == before {
            break;
        }
    }
    let is_cut = octets.len() > most;
    octets.truncate(most);
    Inflated { octets, is_cut, read: usize::try_from(inflater.total_in()).unwrap_or(usize::MAX) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Stored blocks, as any deflater may write them.
    fn stored(octets: &[u8]) -> Vec<u8> {
        let length = u16::try_from(octets.len()).unwrap();
        [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), octets].concat()
    }

    #[test]
    fn all_kinds_of_blocks_are_inflated() {
        // Made with zlib: fixed codes, then a dynamic block.
        let fixed = [0x4b, 0x4c, 0xc4, 0x04, 0x00];
        assert_eq!(inflate(&fixed, 99).octets, b"aaaaaaaaaaaaaaaaaaaa");
        assert_eq!(inflate(&stored(b"hello"), 99).octets, b"hello");
    }

    #[test]
    fn what_stands_before_a_break_is_inflated() {
        let unfinished = [&[0][..], &stored(b"hello")[1..], b"\x07 no block begins so"].concat();
        assert_eq!(inflate(&unfinished, 99).octets, b"hello");
        let whole = [&stored(b"hello")[..], b"what follows"].concat();
        let found = inflate(&whole, 99);
        assert_eq!((found.octets.as_slice(), found.read), (&b"hello"[..], 10));
    }

    proptest! {
        #[test]
        fn no_more_than_asked_for(octets in prop::collection::vec(any::<u8>(), 0..300), most in 0_usize..400) {
            let cut = inflate(&stored(&octets), most);
            prop_assert_eq!(&cut.octets, &octets[..most.min(octets.len())]);
            prop_assert_eq!(cut.is_cut, most < octets.len());
        }

        #[test]
        fn any_octets_are_inflated(octets in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(inflate(&octets, 1000).octets.len() <= 1000);
        }
    }
}
