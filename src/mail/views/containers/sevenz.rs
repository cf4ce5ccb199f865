//! Members of 7z archives.

use std::borrow::Cow;
use std::io::Cursor;

use sevenz_rust2::{Archive, ArchiveReader, EncoderMethod, EntryDecision, Password};

use super::budget;
use super::source::{Member, Unpacked, read_within, unopened};

/// Ways of packing that the scanner unpacks, and we do.
const OPENED: [&[u8]; 5] = [
    EncoderMethod::ID_COPY,
    EncoderMethod::ID_LZMA,
    EncoderMethod::ID_LZMA2,
    EncoderMethod::ID_BCJ_X86,
    EncoderMethod::ID_BCJ2,
];
/// What a dictionary may take.
const MOST_KIB: usize = 256 << 10;

pub(super) fn members<'o>(octets: &[u8], mut room: usize) -> Unpacked<'o> {
    let Ok(archive) = Archive::read_with_memory_limit(&mut Cursor::new(octets), &Password::empty(), MOST_KIB) else {
        return unopened("this 7z archive".to_owned());
    };
    let coders = archive.blocks.iter().flat_map(|block| &block.coders);
    if let Some(coder) = coders.map(|coder| coder.encoder_method_id()).find(|id| !OPENED.contains(id)) {
        let name = EncoderMethod::by_id(coder).map_or_else(|| format!("{coder:x?}"), |method| method.name().to_owned());
        return unopened(format!("7z archives packed by {name}"));
    }
    let mut unpacked = Unpacked::default();
    let mut reader = ArchiveReader::from_archive(archive, Cursor::new(octets), Password::empty());
    let read = reader.for_each_entries_with_decision(|_, file| {
        let (octets, is_cut) = read_within(file, room);
        room -= octets.len();
        unpacked.members.push(Member { kind: "7z", octets: Cow::Owned(octets), is_hidden: false });
        if is_cut {
            unpacked.doubts.push(budget::exhausted());
        }
        Ok(if is_cut { EntryDecision::Stop } else { EntryDecision::Continue })
    });
    if read.is_err() {
        unpacked.doubts.extend(unopened("all of this 7z archive".to_owned()).doubts);
    }
    unpacked
}
