//! Formats that pack one file, perhaps in several streams behind each other. The scanner reads the first of them.

use std::borrow::Cow;

use bzip2::bufread::BzDecoder;
use lzma_rust2::XzReader;
use memchr::memmem;

use super::budget;
use super::inflate::inflate;
use super::source::{Member, Unpacked, read_within};

/// Streams that are shown by themselves as well.
const MOST_ALONE: usize = 4;
/// What reading XZ may take.
const MOST_XZ_KIB: u32 = 256 << 10;

/// RFC 1952.
pub(super) fn gzip<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    joined("gzip", octets, room, |rest, most| {
        let data = rest.get(gzip_header(rest)?..)?;
        let stream = inflate(data, most);
        // A checksum and a length.
        let next = data.get(stream.read + 8..).unwrap_or_default();
        Some(Stream { octets: stream.octets, is_cut: stream.is_cut, next })
    })
}

pub(super) fn bzip2<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    joined("bzip2", octets, room, |rest, most| {
        if !rest.starts_with(b"BZh") {
            return None;
        }
        let mut decoder = BzDecoder::new(rest);
        let (octets, is_cut) = read_within(&mut decoder, most);
        Some(Stream { octets, is_cut, next: decoder.into_inner() })
    })
}

/// All streams are one to the library.
pub(super) fn xz<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    let (file, is_cut) = read_within(XzReader::new_mem_limit(octets, true, MOST_XZ_KIB), room);
    let is_hidden = memmem::find_iter(octets, b"\xfd7zXZ\0").nth(1).is_some();
    Unpacked {
        members: vec![Member { kind: "xz", octets: Cow::Owned(file), is_hidden }],
        doubts: is_cut.then(budget::exhausted).into_iter().collect(),
    }
}

struct Stream<'o> {
    octets: Vec<u8>,
    is_cut: bool,
    /// What stands behind it.
    next: &'o [u8],
}

/// What all streams make together; where there are several, the first ones alone too.
fn joined<'o, 'i>(
    kind: &'static str,
    mut rest: &'i [u8],
    room: usize,
    stream: impl Fn(&'i [u8], usize) -> Option<Stream<'i>>,
) -> Unpacked<'o> {
    let (mut all, mut ends, mut is_cut) = (Vec::new(), Vec::new(), false);
    while let Some(next) = stream(rest, room - all.len()) {
        is_cut |= next.is_cut;
        all.extend(next.octets);
        ends.push(all.len());
        if is_cut || next.next.len() >= rest.len() {
            break;
        }
        rest = next.next;
    }
    let is_hidden = ends.len() > 1;
    let alone = ends.windows(2).take(MOST_ALONE).map(|pair| all[pair[0]..pair[1]].to_vec());
    let mut members: Vec<Member<'o>> = alone
        .filter(|stream| !stream.is_empty())
        .map(|stream| Member { kind, octets: Cow::Owned(stream), is_hidden })
        .collect();
    members.push(Member { kind, octets: Cow::Owned(all), is_hidden });
    Unpacked { members, doubts: is_cut.then(budget::exhausted).into_iter().collect() }
}

/// How long a member's header is (RFC 1952, section 2.3).
fn gzip_header(octets: &[u8]) -> Option<usize> {
    const FIXED: usize = 10;
    if !octets.starts_with(&[0x1f, 0x8b, 8]) {
        return None;
    }
    let flags = *octets.get(3)?;
    let mut at = FIXED;
    if flags & 4 != 0 {
        at += 2 + usize::from(u16::from_le_bytes(octets.get(at..at + 2)?.try_into().ok()?));
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            at += 1 + memchr::memchr(0, octets.get(at..)?)?;
        }
    }
    at += if flags & 2 == 0 { 0 } else { 2 };
    (at < octets.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1 << 20;

    fn stored(text: &[u8]) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap();
        let block = [&[1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), text].concat();
        [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &block, &[0; 8]].concat()
    }

    fn bzipped(text: &[u8]) -> Vec<u8> {
        read_within(bzip2::read::BzEncoder::new(text, bzip2::Compression::fast()), ROOM).0
    }

    fn texts(unpacked: &Unpacked<'_>) -> Vec<(Vec<u8>, bool)> {
        unpacked.members.iter().map(|member| (member.octets.to_vec(), member.is_hidden)).collect()
    }

    #[test]
    fn streams_behind_the_first_are_hidden_from_the_scanner() {
        for (pack, unpack) in [(stored as fn(&[u8]) -> _, gzip as fn(&[u8], _) -> _), (bzipped, bzip2)] {
            assert_eq!(texts(&unpack(&pack(b"one"), ROOM)), [(b"one".to_vec(), false)]);
            let both = texts(&unpack(&[pack(b"one"), pack(b"two")].concat(), ROOM));
            assert_eq!(both, [(b"two".to_vec(), true), (b"onetwo".to_vec(), true)]);
        }
    }

    #[test]
    fn what_is_longer_than_there_is_room_for_is_told() {
        for packed in [stored(b"hello"), bzipped(b"hello")] {
            let unpack = if packed[0] == b'B' { bzip2 } else { gzip };
            assert!(unpack(&packed, 5).doubts.is_empty());
            assert_eq!(unpack(&packed, 4).doubts.len(), 1);
        }
    }
}
