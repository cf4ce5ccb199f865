//! Streams of compound files: older Office documents, messages of Outlook with what is attached to them.

use std::borrow::Cow;
use std::io::Cursor;

use cfb::CompoundFile;

use super::budget;
use super::source::{Member, Unpacked, read_within};

/// Streams looked at.
const MOST: usize = 4096;

/// What cannot be read here is looked at as it is.
pub(super) fn streams<'o>(octets: &[u8], mut room: usize) -> Unpacked<'o> {
    let mut unpacked = Unpacked::default();
    let Ok(mut file) = CompoundFile::open(Cursor::new(octets)) else { return unpacked };
    let paths: Vec<_> = file.walk().filter(cfb::Entry::is_stream).map(|entry| entry.path().to_owned()).collect();
    let mut is_cut = paths.len() > MOST;
    for path in paths.into_iter().take(MOST) {
        let Ok(stream) = file.open_stream(path) else { continue };
        let (octets, is_longer) = read_within(stream, room);
        room -= octets.len();
        is_cut |= is_longer;
        unpacked.members.push(Member { kind: "ole", octets: Cow::Owned(octets), is_hidden: false });
        if is_cut {
            break;
        }
    }
    unpacked.doubts.extend(is_cut.then(budget::exhausted));
    unpacked
}
