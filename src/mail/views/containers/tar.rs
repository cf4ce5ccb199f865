//! Members of tar archives: old, POSIX, GNU, also such as lie behind each other.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use tar::Archive;

use super::budget;
use super::source::{Member, Unpacked, read_within};
use crate::mail::views::Doubt;

const BLOCK: usize = 512;
/// Entries looked at.
const MOST: usize = 20_000;

/// By the checksum of its first header, as the oldest archives have nothing else: in octal digits or, where they do not
/// suffice, as a number of 256 digits, over octets with or without a sign.
pub(super) fn is_tar(octets: &[u8]) -> bool {
    const CHECKSUM: Range<usize> = 148..156;
    let Some(header) = octets.get(..BLOCK) else { return false };
    let digits = &header[CHECKSUM];
    let stated = if digits[0] & 0x80 == 0 {
        let digits = digits.iter().skip_while(|octet| **octet == b' ').take_while(|octet| octet.is_ascii_digit());
        digits.fold(0_i64, |sum, digit| sum * 8 + i64::from(digit - b'0'))
    } else {
        digits[4..].iter().fold(0, |sum, digit| sum << 8 | i64::from(*digit))
    };
    let blank = CHECKSUM.len() as i64 * i64::from(b' ');
    let others = || header[..CHECKSUM.start].iter().chain(&header[CHECKSUM.end..]);
    let sums = [
        others().map(|octet| i64::from(*octet)).sum::<i64>(),
        others().map(|octet| i64::from(octet.cast_signed())).sum(),
    ];
    header[0] != 0 && sums.iter().any(|sum| blank + sum == stated)
}

/// Where members lie.
pub(super) fn covered(octets: &[u8]) -> Vec<Range<usize>> {
    entries(octets, 0).found.into_iter().map(|entry| entry.range).collect()
}

/// The scanner stops at the end of the first archive, and takes the holes of sparse files for nothing.
pub(super) fn members(octets: &[u8], room: usize) -> Unpacked<'_> {
    let Entries { found, is_cut, is_broken, .. } = entries(octets, room);
    let member = |entry: Entry| {
        let is_hidden = entry.is_behind_an_end || entry.sparse.is_some() || entry.has_two_sizes;
        let octets = entry.sparse.map_or_else(|| Cow::Borrowed(&octets[entry.range]), Cow::Owned);
        Member { kind: "tar", octets, is_hidden }
    };
    Unpacked {
        members: found.into_iter().map(member).filter(|member| !member.octets.is_empty()).collect(),
        doubts: is_cut.then_some(budget::EXHAUSTED).into_iter().chain(is_broken.then(broken)).collect(),
    }
}

struct Entry {
    range: Range<usize>,
    /// With its holes filled.
    sparse: Option<Vec<u8>>,
    is_behind_an_end: bool,
    /// An extension says another size than the header, which is what clamd reads.
    has_two_sizes: bool,
}

#[derive(Default)]
struct Entries {
    /// For sparse files.
    room: usize,
    found: Vec<Entry>,
    /// There is more than room for it.
    is_cut: bool,
    /// Something in it cannot be read.
    is_broken: bool,
}

const fn broken() -> Doubt {
    Doubt::Truncated { what: "a header in it cannot be read" }
}

/// Of all archives in the octets, whatever stands between them.
fn entries(octets: &[u8], room: usize) -> Entries {
    let mut all = Entries { room, ..Entries::default() };
    let mut begin = 0;
    loop {
        let end = all.read(octets, begin);
        let blocks = (end.next_multiple_of(BLOCK)..octets.len()).step_by(BLOCK);
        let next = blocks.filter(|at| *at > begin).find(|at| is_tar(&octets[*at..]));
        match next.filter(|_| !all.is_cut) {
            Some(next) => begin = next,
            None => return all,
        }
    }
}

impl Entries {
    /// One archive, and those that follow it with nothing but NULs between. Up to where it can be read.
    fn read(&mut self, octets: &[u8], begin: usize) -> usize {
        let mut archive = Archive::new(Cursor::new(&octets[begin..]));
        archive.set_ignore_zeros(true);
        let (mut end, mut is_behind_an_end) = (begin, begin > 0);
        let Ok(entries) = archive.entries() else { return octets.len() };
        for entry in entries {
            let Ok(mut entry) = entry else {
                self.is_broken |= !is_end(octets.get(end..).unwrap_or_default());
                return end + BLOCK;
            };
            if self.found.len() == MOST {
                self.is_cut = true;
                break;
            }
            let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).saturating_add(begin).min(octets.len());
            let header = at(entry.raw_header_position());
            is_behind_an_end |= is_end(octets.get(end..header).unwrap_or_default());
            let start = at(entry.raw_file_position());
            let is_sparse = entry.header().entry_type().is_gnu_sparse();
            let in_header = entry.header().entry_size().unwrap_or(0);
            let size = if is_sparse { in_header } else { entry.size() };
            let stop = at(entry.raw_file_position().saturating_add(size)).max(start);
            self.is_broken |= has_map(&mut entry);
            end = stop.next_multiple_of(BLOCK);
            let sparse = is_sparse.then(|| self.sparse(entry));
            self.found.push(Entry { range: start..stop, sparse, is_behind_an_end, has_two_sizes: size != in_header });
        }
        octets.len()
    }

    fn sparse(&mut self, entry: tar::Entry<'_, Cursor<&[u8]>>) -> Vec<u8> {
        let file = read_within(entry, self.room);
        self.room -= file.octets.len();
        self.is_cut |= file.is_cut;
        file.octets
    }
}

/// Whether a sparse file begins with a map of its pieces (GNU tar's formats in PAX headers), which nobody here undoes.
fn has_map(entry: &mut tar::Entry<'_, Cursor<&[u8]>>) -> bool {
    let extensions = entry.pax_extensions().ok().flatten();
    extensions.into_iter().flatten().flatten().any(|extension| extension.key_bytes().starts_with(b"GNU.sparse."))
}

/// Whether a block of zeros stands there.
fn is_end(between: &[u8]) -> bool {
    between.len() >= BLOCK && between[..BLOCK].iter().all(|octet| *octet == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(text: &[u8]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        builder.append_data(&mut header, "a", text).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn members_behind_the_end_of_an_archive_are_hidden_from_the_scanner() {
        for between in [vec![], vec![0; BLOCK], vec![7; BLOCK]] {
            let joined = [archive(b"one"), between.clone(), archive(b"two")].concat();
            let members = members(&joined, 0).members;
            let members: Vec<_> = members.iter().map(|member| (&*member.octets, member.is_hidden)).collect();
            assert_eq!(members, [(&b"one"[..], false), (b"two", true)]);
            let second = 2560 + between.len();
            assert_eq!(covered(&joined), [512..515, second..second + 3]);
        }
    }

    #[test]
    fn an_archive_is_known_by_the_checksum_of_its_header() {
        let plain = archive(b"one");
        assert!(is_tar(&plain) && !is_tar(&plain[1..]) && !is_tar(&[0; 1024]));
        let mut signed = plain;
        signed[0] = 0xff;
        let sum = signed[..BLOCK].iter().enumerate().filter(|(at, _)| !(148..156).contains(at));
        let sum: i64 = sum.map(|(_, octet)| i64::from(octet.cast_signed())).sum::<i64>() + 8 * 32;
        signed[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert!(is_tar(&signed));
    }

    #[test]
    fn an_archive_whose_header_cannot_be_read_is_told() {
        let cut = [&archive(b"one")[..1024], &[7; 512]].concat();
        assert_eq!((members(&archive(b"one"), 0).doubts, members(&cut, 0).doubts), (vec![], vec![broken()]));
    }

    #[test]
    fn members_beyond_those_that_are_looked_at_are_told() {
        let header = &archive(b"")[..BLOCK];
        assert_eq!(members(&header.repeat(MOST), 0).doubts, []);
        assert_eq!(members(&header.repeat(MOST + 1), 0).doubts, [budget::EXHAUSTED]);
    }
}
