//! Members of tar archives: old, POSIX, GNU, also such as lie behind each other.

use std::borrow::Cow;
use std::io::Cursor;
use std::ops::Range;

use tar::Archive;

use super::budget;
use super::source::{Member, Unpacked, read_within};

const BLOCK: usize = 512;
/// Entries looked at.
const MOST: usize = 20_000;

/// By the checksum of its first header, as the oldest archives have nothing else.
pub(super) fn is_tar(octets: &[u8]) -> bool {
    const CHECKSUM: Range<usize> = 148..156;
    let Some(header) = octets.get(..BLOCK) else { return false };
    let digits = header[CHECKSUM].iter().skip_while(|octet| **octet == b' ').take_while(|octet| octet.is_ascii_digit());
    let stated = digits.fold(0_u64, |sum, digit| sum.wrapping_mul(8).wrapping_add(u64::from(digit.wrapping_sub(b'0'))));
    let blank = CHECKSUM.len() as u64 * u64::from(b' ');
    let others = header[..CHECKSUM.start].iter().chain(&header[CHECKSUM.end..]);
    header[0] != 0 && others.fold(blank, |sum, octet| sum + u64::from(*octet)) == stated
}

/// Where members lie.
pub(super) fn covered(octets: &[u8]) -> Vec<Range<usize>> {
    entries(octets, usize::MAX).0.into_iter().map(|entry| entry.range).collect()
}

/// The scanner stops at the end of the first archive, and takes the holes of sparse files for nothing.
pub(super) fn members(octets: &[u8], room: usize) -> Unpacked<'_> {
    let (entries, is_cut) = entries(octets, room);
    let member = |entry: Entry| {
        let is_hidden = entry.is_behind_an_end || entry.sparse.is_some();
        let octets = entry.sparse.map_or_else(|| Cow::Borrowed(&octets[entry.range]), Cow::Owned);
        Member { kind: "tar", octets, is_hidden }
    };
    Unpacked {
        members: entries.into_iter().map(member).filter(|member| !member.octets.is_empty()).collect(),
        doubts: is_cut.then(budget::exhausted).into_iter().collect(),
    }
}

struct Entry {
    range: Range<usize>,
    /// With its holes filled.
    sparse: Option<Vec<u8>>,
    is_behind_an_end: bool,
}

fn entries(octets: &[u8], mut room: usize) -> (Vec<Entry>, bool) {
    let mut archive = Archive::new(Cursor::new(octets));
    archive.set_ignore_zeros(true);
    let (mut found, mut is_cut) = (Vec::new(), false);
    let (mut end, mut is_behind_an_end) = (0, false);
    let Ok(entries) = archive.entries() else { return (found, is_cut) };
    for entry in entries.take(MOST + 1) {
        // What cannot be read has no more members for anybody.
        let Ok(entry) = entry else { break };
        if found.len() == MOST {
            return (found, true);
        }
        let at = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(octets.len());
        let header = at(entry.raw_header_position());
        is_behind_an_end |= is_end(octets.get(end..header).unwrap_or_default());
        let start = at(entry.raw_file_position());
        let stop = at(entry.raw_file_position().saturating_add(entry.header().entry_size().unwrap_or(0)));
        end = stop.next_multiple_of(BLOCK);
        let sparse = entry.header().entry_type().is_gnu_sparse().then(|| read_within(entry, room));
        if let Some((file, is_longer)) = &sparse {
            room -= file.len();
            is_cut |= *is_longer;
        }
        found.push(Entry { range: start..stop.max(start), sparse: sparse.map(|(file, _)| file), is_behind_an_end });
    }
    (found, is_cut)
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
        let joined = [archive(b"one"), archive(b"two")].concat();
        assert!(is_tar(&joined) && !is_tar(&joined[1..]) && !is_tar(&[0; 1024]));
        let members = members(&joined, 0).members;
        let members: Vec<_> = members.iter().map(|member| (&*member.octets, member.is_hidden)).collect();
        assert_eq!(members, [(&b"one"[..], false), (b"two", true)]);
        assert_eq!(covered(&joined), [512..515, 2560..2563]);
    }
}
