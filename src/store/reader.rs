use std::path::Path;
use std::sync::Arc;

use super::folder::{open_path, sealed_path};
use super::packs::{Pack, Packs};
use super::walk::{self, Walked};
use super::{Blob, Durable, Error, Location, Packed, Stored};
use crate::mail::BlobId;

/// A record met on a walk over a pack.
pub type WalkedRecord<'a> = Walked<'a>;

/// Reads records of any process's packs, also while they grow, are sealed or compacted.
#[derive(Debug)]
pub struct Reader {
    packs: Arc<Packs>,
}

impl Reader {
    pub fn new(folder: &Path) -> Self {
        Self { packs: Arc::new(Packs::new(folder)) }
    }

    /// The record at a location that the catalog gave.
    pub fn open(&self, location: Location) -> Result<Blob, Error> {
        self.packs.blob(location)
    }

    /// Reads a record and checks its hash: the proof of durability for what an earlier process wrote.
    pub fn prove(&self, location: Location, id: BlobId) -> Result<Durable, Error> {
        let blob = self.open(location)?;
        let stored = blob.stored();
        if stored.id != id {
            let problem = format!("record {} is {}, not {id}", location.ordinal, stored.id);
            return Err(blob.damaged(problem));
        }
        blob.each_piece(|_| Ok(()))?;
        Ok(Durable::new(stored))
    }

    /// Reads and hashes every record of a pack, and shows each to `visit`: of an open pack those that are committed, by
    /// ordinal; of a sealed one all, in the order in which they lie, also those that cannot be read.
    ///
    /// # Errors
    ///
    /// Damage that cannot be told of single records. An open pack cannot be read behind it. Of a sealed one, the
    /// records whose places are known have been shown when this returns; no bit of the file may differ.
    pub fn walk(&self, packed: impl Into<Packed>, visit: &mut dyn FnMut(WalkedRecord<'_>)) -> Result<(), Error> {
        let packed = packed.into();
        let pack = self.choose(&packed)?;
        walk::every_record(&self.packs, &pack, &packed, visit)
    }

    /// Shows every record of a pack by ordinal; with its octets, hash-checked, where it is private. Unpacks of a sealed
    /// pack only what it must.
    ///
    /// # Errors
    ///
    /// As those of [`Reader::walk`]; a private record that cannot be read is shown without octets, and the first such
    /// is the error at the end.
    pub fn list(&self, packed: &Packed, visit: &mut dyn FnMut(&Stored, Option<&[u8]>)) -> Result<(), Error> {
        let pack = self.choose(packed)?;
        walk::private_records(&self.packs, &pack, packed, visit)
    }

    /// Shows every message of a sealed pack that refers to parts, and where those lie: for deciding which parts of other
    /// packs are still wanted. An open pack has none.
    pub fn parts_used(&self, packed: &Packed, visit: &mut dyn FnMut(&Stored, &[Location])) -> Result<(), Error> {
        match self.choose(packed)? {
            Pack::Open(_) => Ok(()),
            Pack::Sealed(pack) => walk::parts_used(&self.packs, &pack, visit),
        }
    }

    /// Lets go of what is held of a pack: its file, which may have lost its name, and what was unpacked from it. Whoever
    /// reads from it right now keeps it until the end of that.
    pub fn let_go(&self, pack: u64) {
        self.packs.let_go(pack);
    }

    /// The length of an open pack's file, if there is one.
    pub fn length(&self, pack: u64) -> Option<u64> {
        open_path(&self.packs.folder, pack).metadata().ok().map(|metadata| metadata.len())
    }

    /// The length of a sealed pack's file, if there is one.
    pub fn sealed_length(&self, pack: u64) -> Option<u64> {
        sealed_path(&self.packs.folder, pack).metadata().ok().map(|metadata| metadata.len())
    }

    /// The file that `packed` means. An open pack that has been sealed since the catalog was asked is the sealed one.
    fn choose(&self, packed: &Packed) -> Result<Pack, Error> {
        let (folder, number) = (&self.packs.folder, packed.number());
        match packed {
            Packed::Sealed(_) => Pack::sealed(folder, number),
            Packed::Open(_) => match Pack::open(folder, number) {
                Err(missing @ Error::Missing { .. }) => Pack::sealed(folder, number).map_err(|error| match error {
                    Error::Missing { .. } => missing,
                    error => error,
                }),
                outcome => outcome,
            },
        }
    }
}
