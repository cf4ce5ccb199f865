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
const MOST_KIB: u64 = 256 << 10;
/// What the names of all files may take, or the dictionary that they are packed by: read, it is a hundred times as much.
const MOST_NAMES_KIB: usize = 2 << 10;

pub(super) fn members<'o>(octets: &[u8], mut room: usize) -> Unpacked<'o> {
    let Ok(archive) = Archive::read_with_memory_limit(&mut Cursor::new(octets), &Password::empty(), MOST_NAMES_KIB)
    else {
        return unopened("this 7z archive".to_owned());
    };
    let coders = archive.blocks.iter().flat_map(|block| &block.coders);
    if let Some(coder) = coders.map(|coder| coder.encoder_method_id()).find(|id| !OPENED.contains(id)) {
        let name = EncoderMethod::by_id(coder).map_or_else(|| format!("{coder:x?}"), |method| method.name().to_owned());
        return unopened(format!("7z archives packed by {name}"));
    }
    let mut unpacked = Unpacked::default();
    if archive.blocks.iter().flat_map(|block| &block.coders).any(|coder| dictionary_kib(coder.properties()) > MOST_KIB)
    {
        return unopened("7z archives packed by so large a dictionary".to_owned());
    }
    let mut reader = ArchiveReader::from_archive(archive, Cursor::new(octets), Password::empty());
    let read = reader.for_each_entries_with_decision(|_, file| {
        let file = read_within(file, room);
        room -= file.octets.len();
        unpacked.members.push(Member { kind: "7z", octets: Cow::Owned(file.octets), is_hidden: false });
        unpacked.doubts.extend(file.is_cut.then_some(budget::EXHAUSTED));
        Ok(if file.is_cut { EntryDecision::Stop } else { EntryDecision::Continue })
    });
    if read.is_err() {
        unpacked.doubts.extend(unopened("all of this 7z archive".to_owned()).doubts);
    }
    unpacked
}

/// How large a window LZMA or LZMA2 asks for, by what stands beside the data.
fn dictionary_kib(properties: &[u8]) -> u64 {
    match properties {
        [_, size @ ..] if size.len() == 4 => {
            size.iter().rev().fold(0, |size, octet| size << 8 | u64::from(*octet)) >> 10
        }
        [size @ ..=40] => (2 | u64::from(size & 1)) << (size / 2 + 1),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_told_by_properties() {
        assert_eq!(dictionary_kib(&[0x5d, 0, 0, 0, 4]), 64 << 10);
        assert_eq!(dictionary_kib(&[26]), 32 << 10);
        assert_eq!(dictionary_kib(&[]), 0);
    }
}
