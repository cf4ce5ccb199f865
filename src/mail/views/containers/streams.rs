//! Formats that pack one file, perhaps in several streams behind each other. The scanner reads the first of them.

use std::borrow::Cow;

use bzip2::bufread::BzDecoder;
use lzma_rust2::XzReader;
use memchr::memmem;

use super::budget;
use super::inflate::inflate;
use super::source::{Content, Member, Unpacked, read_within};
use crate::mail::views::Doubt;

/// Streams that are shown by themselves as well.
const MOST_ALONE: usize = 4;
/// Streams that are read: each costs as much as a small file.
const MOST_GZIP_STREAMS: usize = 100_000;
const MOST_BZIP2_STREAMS: usize = 10_000;
/// What reading XZ may take.
const MOST_XZ_KIB: u32 = 256 << 10;

/// RFC 1952.
pub(super) fn gzip<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    joined("gzip", octets, (room, MOST_GZIP_STREAMS), |rest, most| {
        let data = rest.get(gzip_header(rest)?..)?;
        let stream = inflate(data, most);
        // A checksum and a length, and NULs that fill up a block of a tape.
        let next = data.get(stream.read + 8..).unwrap_or_default();
        let next = &next[next.iter().position(|octet| *octet != 0).unwrap_or(next.len())..];
        Some(Stream { octets: stream.octets, is_cut: stream.is_cut, is_broken: false, next })
    })
}

pub(super) fn bzip2<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    joined("bzip2", octets, (room, MOST_BZIP2_STREAMS), |rest, most| {
        if !rest.starts_with(b"BZh") {
            return None;
        }
        let mut decoder = BzDecoder::new(rest);
        let Content { octets, is_cut, is_broken } = read_within(&mut decoder, most);
        Some(Stream { octets, is_cut, is_broken, next: decoder.into_inner() })
    })
}

/// All streams are one to the library. What lies behind filters for the code of some processors clamd does not undo.
pub(super) fn xz<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    /// Of the first block: behind the header of the stream and the length of its own.
    const FLAGS: usize = 13;
    let file = read_within(XzReader::new_mem_limit(octets, true, MOST_XZ_KIB), room);
    let has_filters = octets.get(FLAGS).is_some_and(|flags| flags & 3 > 0);
    let is_hidden = has_filters || memmem::find_iter(octets, b"\xfd7zXZ\0").nth(1).is_some();
    Unpacked {
        members: vec![Member { kind: "xz", octets: Cow::Owned(file.octets), is_hidden }],
        doubts: doubts(file.is_cut, file.is_broken),
    }
}

/// Whether octets begin as RFC 1950, section 2.2 has it: deflated, a window of up to 32 KiB, no dictionary, a check.
pub(super) fn is_zlib(octets: &[u8]) -> bool {
    let [method, flags, ..] = octets else { return false };
    method & 15 == 8 && method >> 4 < 8 && flags & 0x20 == 0 && u16::from_be_bytes([*method, *flags]).is_multiple_of(31)
}

/// RFC 1950, by itself: nobody takes it for a file but who expects one.
pub(super) fn zlib<'o>(octets: &[u8], room: usize) -> Unpacked<'o> {
    let stream = inflate(octets.get(2..).unwrap_or_default(), room);
    let member = Member { kind: "zlib", octets: Cow::Owned(stream.octets), is_hidden: true };
    Unpacked {
        members: Some(member).filter(|member| !member.octets.is_empty()).into_iter().collect(),
        doubts: doubts(stream.is_cut, false),
    }
}

struct Stream<'o> {
    octets: Vec<u8>,
    is_cut: bool,
    is_broken: bool,
    /// What stands behind it.
    next: &'o [u8],
}

/// What there is to say of streams that are longer than there is room for, or cannot be read.
fn doubts(is_cut: bool, is_broken: bool) -> Vec<Doubt> {
    let broken = || Doubt::Unopened { what: "all of what is packed in it".to_owned() };
    is_cut.then_some(budget::EXHAUSTED).into_iter().chain(is_broken.then(broken)).collect()
}

/// What all streams make together; where there are several, a few that follow the first alone too.
fn joined<'o, 'i>(
    kind: &'static str,
    mut rest: &'i [u8],
    (room, most_streams): (usize, usize),
    stream: impl Fn(&'i [u8], usize) -> Option<Stream<'i>>,
) -> Unpacked<'o> {
    let (mut all, mut ends) = (Vec::new(), Vec::new());
    let (mut is_cut, mut is_broken) = (false, false);
    while let Some(next) = stream(rest, room - all.len()) {
        all.extend(next.octets);
        ends.push(all.len());
        is_cut |= next.is_cut || ends.len() == most_streams;
        is_broken |= next.is_broken;
        if is_cut || next.next.len() >= rest.len() {
            break;
        }
        rest = next.next;
    }
    let is_hidden = ends.len() > 1;
    let mut left = room - all.len();
    let alone = ends.windows(2).take(MOST_ALONE).map(|pair| &all[pair[0]..pair[1]]).take_while(|stream| {
        let fits = stream.len() <= left;
        left = left.saturating_sub(stream.len());
        fits
    });
    let mut members: Vec<Member<'o>> = alone
        .filter(|stream| !stream.is_empty())
        .map(|stream| Member { kind, octets: Cow::Owned(stream.to_vec()), is_hidden })
        .collect();
    members.push(Member { kind, octets: Cow::Owned(all), is_hidden });
    Unpacked { members, doubts: doubts(is_cut, is_broken) }
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
        read_within(bzip2::read::BzEncoder::new(text, bzip2::Compression::fast()), ROOM).octets
    }

    fn texts(unpacked: &Unpacked<'_>) -> Vec<(Vec<u8>, bool)> {
        unpacked.members.iter().map(|member| (member.octets.to_vec(), member.is_hidden)).collect()
    }

    #[test]
    fn streams_behind_the_first_are_hidden_from_the_scanner() {
        for (pack, unpack) in [(stored as fn(&[u8]) -> _, gzip as fn(&[u8], _) -> _), (bzipped, bzip2)] {
            assert_eq!(texts(&unpack(&pack(b"one"), ROOM)), [(b"one".to_vec(), false)]);
            let padding = if pack(b"one")[0] == b'B' { 0 } else { 9 };
            let both = texts(&unpack(&[pack(b"one"), vec![0; padding], pack(b"two")].concat(), ROOM));
            assert_eq!(both, [(b"two".to_vec(), true), (b"onetwo".to_vec(), true)]);
        }
    }

    #[test]
    fn a_bare_stream_is_hidden_from_the_scanner() {
        let packed =
            read_within(flate2::read::ZlibEncoder::new(&b"hello"[..], flate2::Compression::best()), ROOM).octets;
        assert_eq!(texts(&zlib(&packed, ROOM)), [(b"hello".to_vec(), true)]);
        assert!(is_zlib(&packed) && is_zlib(&[0x18, 0xd3]) && !is_zlib(b"x is a letter") && !is_zlib(b"x"));
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
