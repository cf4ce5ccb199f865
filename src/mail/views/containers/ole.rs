//! Streams of compound files: older Office documents, messages of Outlook with what is attached to them.

use std::borrow::Cow;
use std::io::Cursor;

use cfb::CompoundFile;

use super::budget;
use super::source::{Member, Unpacked, read_within, unopened};

/// Streams looked at, and how long the path to one may be: storages can lie in each other.
const MOST: usize = 4096;
const LONGEST_PATH: usize = 1024;

pub(super) fn streams<'o>(octets: &[u8], mut room: usize) -> Unpacked<'o> {
    let Ok(mut file) = CompoundFile::open(Cursor::new(octets)) else {
        return unopened("all of this compound file".to_owned());
    };
    let mut unpacked = Unpacked::default();
    let (mut paths, mut is_cut, mut is_broken) = (Vec::new(), false, false);
    for entry in file.walk() {
        is_cut |= paths.len() == MOST || entry.path().as_os_str().len() > LONGEST_PATH;
        if is_cut {
            break;
        }
        paths.extend(entry.is_stream().then(|| entry.path().to_owned()));
    }
    for path in paths {
        let Ok(stream) = file.open_stream(path) else {
            is_broken = true;
            continue;
        };
        let stream = read_within(stream, room);
        room -= stream.octets.len();
        is_cut |= stream.is_cut;
        is_broken |= stream.is_broken;
        unpacked.members.push(Member { kind: "ole", octets: Cow::Owned(stream.octets), is_hidden: false });
        if stream.is_cut {
            break;
        }
    }
    unpacked.doubts.extend(is_cut.then_some(budget::EXHAUSTED));
    unpacked
        .doubts
        .extend(is_broken.then(|| unopened("all of this compound file".to_owned()).doubts).into_iter().flatten());
    unpacked
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(storages: usize) -> Vec<u8> {
        let mut file = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
        let mut path = std::path::PathBuf::from("/");
        for _ in 0..storages {
            path.push("storage");
            file.create_storage(&path).unwrap();
        }
        file.create_stream(path.join("stream")).unwrap().write_all(b"hello").unwrap();
        file.into_inner().into_inner()
    }

    #[test]
    fn streams_are_read_unless_they_lie_too_deep() {
        let found = streams(&file(9), 99);
        assert_eq!((&*found.members[0].octets, found.doubts), (&b"hello"[..], vec![]));
        assert_eq!(streams(&file(200), 99).doubts, [budget::EXHAUSTED]);
        assert_eq!(streams(&file(0), 4).doubts, [budget::EXHAUSTED]);
        assert_eq!(streams(&file(0)[..600], 99).doubts.len(), 1);
    }
}
