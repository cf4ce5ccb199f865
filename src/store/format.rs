//! The octets of pack, frame and record headers, as `schemas/store.md` lays them down. All numbers little-endian.

use std::path::Path;

use crate::mail::BlobId;

use super::Error;

pub(super) const VERSION: u16 = 1;
/// A pack is closed before it grows beyond this many stored bytes.
pub(super) const PACK_LIMIT_BYTES: u64 = 64 << 20;
/// A frame's plain octets. A record that is longer goes on in continuation frames.
pub(super) const FRAME_LIMIT_BYTES: usize = 1 << 20;

pub(super) const PACK_HEADER_BYTES: usize = 64;
pub(super) const FRAME_HEADER_BYTES: usize = 56;
pub(super) const RECORD_HEADER_BYTES: usize = 48;

const OPEN_MAGIC: &[u8; 8] = b"POPLARPK";
const SEALED_MAGIC: &[u8; 8] = b"POPLARSP";
pub(super) const FRAME_MAGIC: &[u8; 4] = b"PFRM";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackKind {
    Open,
    Sealed,
}

impl PackKind {
    const fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Open => OPEN_MAGIC,
            Self::Sealed => SEALED_MAGIC,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackHeader {
    pub(super) kind: PackKind,
    /// Packs of different retention classes are never mixed; 0 now.
    pub(super) class: u16,
    pub(super) number: u64,
    pub(super) archive: [u8; 16],
    pub(super) created_ms: i64,
}

impl PackHeader {
    pub(super) fn encode(&self) -> [u8; PACK_HEADER_BYTES] {
        let mut octets = [0; PACK_HEADER_BYTES];
        octets[..8].copy_from_slice(self.kind.magic());
        octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
        octets[10..12].copy_from_slice(&self.class.to_le_bytes());
        octets[16..24].copy_from_slice(&self.number.to_le_bytes());
        octets[24..40].copy_from_slice(&self.archive);
        octets[40..48].copy_from_slice(&self.created_ms.to_le_bytes());
        seal_checksum(&mut octets);
        octets
    }

    pub(super) fn decode(octets: &[u8; PACK_HEADER_BYTES], path: &Path) -> Result<Self, Error> {
        let kind = [PackKind::Open, PackKind::Sealed].into_iter().find(|kind| octets[..8] == kind.magic()[..]);
        let kind = kind.ok_or_else(|| Error::damaged(path, 0, "not a pack: its first bytes are wrong"))?;
        let version = u16::from_le_bytes(array(octets, 8));
        if version > VERSION {
            return Err(Error::Newer { path: path.to_owned(), version });
        }
        if !checksum_holds(octets) {
            return Err(Error::damaged(path, 0, "the pack header's checksum is wrong"));
        }
        Ok(Self {
            kind,
            class: u16::from_le_bytes(array(octets, 10)),
            number: u64::from_le_bytes(array(octets, 16)),
            archive: array(octets, 24),
            created_ms: i64::from_le_bytes(array(octets, 40)),
        })
    }
}

/// What a frame's plain octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FrameKind {
    /// Records, one behind the other; the last may go on in continuation frames.
    Records = 1,
    /// More octets of the record that the frame before did not finish.
    Continuation = 2,
    /// Of a sealed pack: octets of records, one behind the other; the last may go on in the blocks that follow.
    Block = 3,
    /// Of a sealed pack: rows of its table.
    Table = 4,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Codec {
    None = 0,
    Zstd = 1,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) kind: FrameKind,
    pub(super) codec: Codec,
    /// Records that begin in this frame.
    pub(super) records: u32,
    /// The ordinal, in the pack, of the first record that begins here; of a continuation, of the record it continues.
    pub(super) first_ordinal: u32,
    pub(super) plain_bytes: u32,
    pub(super) stored_bytes: u32,
    /// Where the frame stands: guards against a frame found in a place it was not written to.
    pub(super) offset: u64,
    /// CRC-32C of the stored octets.
    pub(super) checksum: u32,
}

impl FrameHeader {
    pub(super) fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut octets = [0; FRAME_HEADER_BYTES];
        octets[..4].copy_from_slice(FRAME_MAGIC);
        octets[4..6].copy_from_slice(&VERSION.to_le_bytes());
        octets[6] = self.kind as u8;
        octets[7] = self.codec as u8;
        octets[8] = CIPHER_NONE;
        octets[12..16].copy_from_slice(&self.records.to_le_bytes());
        octets[16..20].copy_from_slice(&self.first_ordinal.to_le_bytes());
        octets[20..24].copy_from_slice(&self.plain_bytes.to_le_bytes());
        octets[24..28].copy_from_slice(&self.stored_bytes.to_le_bytes());
        octets[28..36].copy_from_slice(&self.offset.to_le_bytes());
        octets[36..40].copy_from_slice(&self.checksum.to_le_bytes());
        seal_checksum(&mut octets);
        octets
    }

    /// A header that was read at `offset`. The reserved octets are covered by the checksum, so no bit may differ.
    pub(super) fn decode(octets: &[u8; FRAME_HEADER_BYTES], path: &Path, offset: u64) -> Result<Self, Error> {
        let damaged = |problem: &str| Err(Error::damaged(path, offset, problem));
        if &octets[..4] != FRAME_MAGIC || !checksum_holds(octets) {
            return damaged("no frame begins here, or its header is damaged");
        }
        let version = u16::from_le_bytes(array(octets, 4));
        if version > VERSION {
            return Err(Error::Newer { path: path.to_owned(), version });
        }
        let kind = match octets[6] {
            1 => FrameKind::Records,
            2 => FrameKind::Continuation,
            3 => FrameKind::Block,
            4 => FrameKind::Table,
            other => return damaged(&format!("unknown kind of frame {other}")),
        };
        let codec = match octets[7] {
            0 => Codec::None,
            1 => Codec::Zstd,
            other => return damaged(&format!("unknown codec {other}")),
        };
        if octets[8] != CIPHER_NONE {
            return damaged(&format!("unknown cipher {}", octets[8]));
        }
        let header = Self {
            kind,
            codec,
            records: u32::from_le_bytes(array(octets, 12)),
            first_ordinal: u32::from_le_bytes(array(octets, 16)),
            plain_bytes: u32::from_le_bytes(array(octets, 20)),
            stored_bytes: u32::from_le_bytes(array(octets, 24)),
            offset: u64::from_le_bytes(array(octets, 28)),
            checksum: u32::from_le_bytes(array(octets, 36)),
        };
        if header.offset != offset {
            return damaged(&format!("a frame that was written at byte {}", header.offset));
        }
        if header.plain_bytes as usize > FRAME_LIMIT_BYTES || header.stored_bytes > header.plain_bytes {
            return damaged("a frame with impossible lengths");
        }
        Ok(header)
    }
}

const CIPHER_NONE: u8 = 0;

/// What a record's octets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// A message, exactly as it was received.
    Message = 1,
    /// The private half of a journal entry.
    Private = 2,
    /// Octets that messages share: an attachment, decoded. In sealed packs only.
    Part = 3,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: RecordKind,
    pub(super) size_bytes: u64,
    pub(super) id: BlobId,
}

impl RecordHeader {
    pub(super) fn encode(&self) -> [u8; RECORD_HEADER_BYTES] {
        let mut octets = [0; RECORD_HEADER_BYTES];
        octets[0] = self.kind as u8;
        octets[8..16].copy_from_slice(&self.size_bytes.to_le_bytes());
        octets[16..].copy_from_slice(self.id.as_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8; RECORD_HEADER_BYTES]) -> Result<Self, String> {
        let kind = match octets[0] {
            1 => RecordKind::Message,
            2 => RecordKind::Private,
            other => return Err(format!("unknown kind of record {other}")),
        };
        Ok(Self { kind, size_bytes: u64::from_le_bytes(array(octets, 8)), id: BlobId::from_bytes(array(octets, 16)) })
    }
}

/// The last four octets of a header are the CRC-32C of those before.
pub(super) fn seal_checksum(octets: &mut [u8]) {
    let (body, checksum) = octets.split_at_mut(octets.len() - 4);
    checksum.copy_from_slice(&crc32c::crc32c(body).to_le_bytes());
}

pub(super) fn checksum_holds(octets: &[u8]) -> bool {
    let (body, checksum) = octets.split_at(octets.len() - 4);
    crc32c::crc32c(body).to_le_bytes() == *checksum
}

pub(super) fn array<const N: usize>(octets: &[u8], at: usize) -> [u8; N] {
    let mut taken = [0; N];
    taken.copy_from_slice(&octets[at..at + N]);
    taken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEADER: FrameHeader = FrameHeader {
        kind: FrameKind::Records,
        codec: Codec::Zstd,
        records: 3,
        first_ordinal: 17,
        plain_bytes: 900,
        stored_bytes: 300,
        offset: 4096,
        checksum: 0xDEAD_BEEF,
    };

    #[test]
    fn headers_read_back() {
        let path = Path::new("pack");
        assert_eq!(FrameHeader::decode(&HEADER.encode(), path, 4096).unwrap(), HEADER);
        let pack = PackHeader { kind: PackKind::Sealed, class: 0, number: 9, archive: [3; 16], created_ms: 12 };
        assert_eq!(PackHeader::decode(&pack.encode(), path).unwrap(), pack);
        let record = RecordHeader { kind: RecordKind::Private, size_bytes: 77, id: BlobId::of(b"x") };
        assert_eq!(RecordHeader::decode(&record.encode()).unwrap(), record);
    }

    #[test]
    fn a_frame_in_the_wrong_place_is_damage() {
        assert!(FrameHeader::decode(&HEADER.encode(), Path::new("pack"), 4097).is_err());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_of_a_header_is_found(bit in 0..FRAME_HEADER_BYTES * 8) {
            let mut octets = HEADER.encode();
            octets[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(FrameHeader::decode(&octets, Path::new("pack"), 4096).is_err());
        }

        #[test]
        fn any_octets_are_taken_without_a_panic(octets: [u8; FRAME_HEADER_BYTES]) {
            drop(FrameHeader::decode(&octets, Path::new("pack"), 0));
        }
    }
}
