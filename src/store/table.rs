//! The octets of a sealed pack's table and trailer, as `schemas/store.md` lays them down. All numbers little-endian.

use std::path::Path;

use super::format::{RecordKind, VERSION, array, checksum_holds, seal_checksum};
use super::{Error, Location, Stored};
use crate::mail::BlobId;

pub(super) const ROW_BYTES: usize = 72;
pub(super) const TRAILER_BYTES: usize = 128;
/// Up to here a sealed pack is covered by the SHA-256 that stands here.
pub(super) const HASHED_TRAILER_BYTES: usize = 88;
/// Rows of a table frame: so few that looking up one record unpacks little, and damage hides little.
pub(super) const TABLE_FRAME_ROWS: usize = 900;

const TRAILER_MAGIC: &[u8; 8] = b"POPLAREN";

/// How a record's octets are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Whole = 0,
    Recipe = 1,
}

/// One record of a sealed pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) ordinal: u32,
    pub(super) kind: RecordKind,
    pub(super) form: Form,
    /// Where the header of the block stands in which the record begins.
    pub(super) block: u64,
    /// Where it begins among that block's plain octets.
    pub(super) within: u32,
    /// How many octets it takes there and in the blocks that follow.
    pub(super) stored_bytes: u64,
    /// How many octets it has when it is read: of a recipe, more.
    pub(super) size_bytes: u64,
    pub(super) id: BlobId,
}

impl Row {
    pub(super) fn encode(&self) -> [u8; ROW_BYTES] {
        let mut octets = [0; ROW_BYTES];
        octets[..4].copy_from_slice(&self.ordinal.to_le_bytes());
        octets[4] = self.kind as u8;
        octets[5] = self.form as u8;
        octets[8..16].copy_from_slice(&self.block.to_le_bytes());
        octets[16..20].copy_from_slice(&self.within.to_le_bytes());
        octets[24..32].copy_from_slice(&self.stored_bytes.to_le_bytes());
        octets[32..40].copy_from_slice(&self.size_bytes.to_le_bytes());
        octets[40..].copy_from_slice(self.id.as_bytes());
        octets
    }

    pub(super) fn decode(octets: &[u8; ROW_BYTES]) -> Result<Self, String> {
        let kind = match octets[4] {
            1 => RecordKind::Message,
            2 => RecordKind::Private,
            3 => RecordKind::Part,
            other => return Err(format!("unknown kind of record {other}")),
        };
        let form = match octets[5] {
            0 => Form::Whole,
            1 if kind == RecordKind::Message => Form::Recipe,
            other => return Err(format!("unknown form of record {other}")),
        };
        let row = Self {
            ordinal: u32::from_le_bytes(array(octets, 0)),
            kind,
            form,
            block: u64::from_le_bytes(array(octets, 8)),
            within: u32::from_le_bytes(array(octets, 16)),
            stored_bytes: u64::from_le_bytes(array(octets, 24)),
            size_bytes: u64::from_le_bytes(array(octets, 32)),
            id: BlobId::from_bytes(array(octets, 40)),
        };
        if form == Form::Whole && row.stored_bytes != row.size_bytes {
            return Err(format!("record {} has two lengths", row.ordinal));
        }
        Ok(row)
    }

    pub(super) const fn stored(&self, pack: u64) -> Stored {
        let location = Location { pack, ordinal: self.ordinal };
        Stored { kind: self.kind, id: self.id, size_bytes: self.size_bytes, location }
    }
}

/// The end of a sealed pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) number: u64,
    /// Where the trailer stands: nothing is missing before it.
    pub(super) offset: u64,
    /// Where the first table frame stands; the others follow, up to the trailer.
    pub(super) table: u64,
    /// Records, each with a row.
    pub(super) rows: u32,
    /// The ordinal that comes after the highest this pack has ever given.
    pub(super) next_ordinal: u32,
    pub(super) messages: u32,
    /// How many of the messages are recipes.
    pub(super) recipes: u32,
    pub(super) parts: u32,
    /// Octets of messages and private records as they are read.
    pub(super) raw_bytes: u64,
    /// SHA-256 of all octets before it.
    pub(super) hash: BlobId,
}

impl Trailer {
    /// What the hash covers.
    pub(super) fn hashed(&self) -> [u8; HASHED_TRAILER_BYTES] {
        let mut octets = [0; HASHED_TRAILER_BYTES];
        octets[..8].copy_from_slice(TRAILER_MAGIC);
        octets[8..10].copy_from_slice(&VERSION.to_le_bytes());
        octets[16..24].copy_from_slice(&self.number.to_le_bytes());
        octets[24..32].copy_from_slice(&self.offset.to_le_bytes());
        octets[32..40].copy_from_slice(&self.table.to_le_bytes());
        octets[40..44].copy_from_slice(&self.rows.to_le_bytes());
        octets[44..48].copy_from_slice(&self.next_ordinal.to_le_bytes());
        octets[48..52].copy_from_slice(&self.messages.to_le_bytes());
        octets[52..56].copy_from_slice(&self.recipes.to_le_bytes());
        octets[56..60].copy_from_slice(&self.parts.to_le_bytes());
        octets[64..72].copy_from_slice(&self.raw_bytes.to_le_bytes());
        octets
    }

    pub(super) fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut octets = [0; TRAILER_BYTES];
        octets[..HASHED_TRAILER_BYTES].copy_from_slice(&self.hashed());
        octets[HASHED_TRAILER_BYTES..120].copy_from_slice(self.hash.as_bytes());
        seal_checksum(&mut octets);
        octets
    }

    /// A trailer that was read at `offset`.
    pub(super) fn decode(octets: &[u8; TRAILER_BYTES], path: &Path, offset: u64) -> Result<Self, Error> {
        let damaged = |problem| Err(Error::damaged(path, offset, problem));
        if &octets[..8] != TRAILER_MAGIC || !checksum_holds(octets) {
            return damaged("the pack does not end in a trailer, or that is damaged");
        }
        let version = u16::from_le_bytes(array(octets, 8));
        if version > VERSION {
            return Err(Error::Newer { path: path.to_owned(), version });
        }
        let trailer = Self {
            number: u64::from_le_bytes(array(octets, 16)),
            offset: u64::from_le_bytes(array(octets, 24)),
            table: u64::from_le_bytes(array(octets, 32)),
            rows: u32::from_le_bytes(array(octets, 40)),
            next_ordinal: u32::from_le_bytes(array(octets, 44)),
            messages: u32::from_le_bytes(array(octets, 48)),
            recipes: u32::from_le_bytes(array(octets, 52)),
            parts: u32::from_le_bytes(array(octets, 56)),
            raw_bytes: u64::from_le_bytes(array(octets, 64)),
            hash: BlobId::from_bytes(array(octets, HASHED_TRAILER_BYTES)),
        };
        if trailer.offset != offset || trailer.table > offset {
            return damaged("a trailer that was written elsewhere");
        }
        Ok(trailer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_and_trailers_read_back() {
        let row = Row {
            ordinal: 7,
            kind: RecordKind::Message,
            form: Form::Recipe,
            block: 64,
            within: 11,
            stored_bytes: 70,
            size_bytes: 5000,
            id: BlobId::of(b"x"),
        };
        assert_eq!(Row::decode(&row.encode()).unwrap(), row);
        assert_eq!(Trailer::decode(&TRAILER.encode(), Path::new("pack"), 4096).unwrap(), TRAILER);
    }

    const TRAILER: Trailer = Trailer {
        number: 3,
        offset: 4096,
        table: 2048,
        rows: 12,
        next_ordinal: 15,
        messages: 6,
        recipes: 2,
        parts: 1,
        raw_bytes: 99_999,
        hash: BlobId::from_bytes([9; 32]),
    };

    proptest! {
        #[test]
        fn any_flipped_bit_of_a_trailer_is_found(bit in 0..TRAILER_BYTES * 8) {
            let mut octets = TRAILER.encode();
            octets[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(Trailer::decode(&octets, Path::new("pack"), 4096).is_err());
        }

        #[test]
        fn any_octets_are_taken_without_a_panic(octets in prop::collection::vec(any::<u8>(), TRAILER_BYTES)) {
            drop(Trailer::decode(octets[..].try_into().unwrap(), Path::new("pack"), 0));
            drop(Row::decode(octets[..ROW_BYTES].try_into().unwrap()));
        }
    }
}
