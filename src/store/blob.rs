use std::io::Write;
use std::sync::Arc;

use super::frames::PackFile;
use super::recipe::Rebuilt;
use super::stretch::Stretch;
use super::{Error, Stored};
use crate::mail::Hasher;

/// The octets of one record, piece by piece, so that a large one costs no more memory than a few frames.
#[derive(Debug)]
pub struct Blob {
    stored: Stored,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Whole(Stretch),
    Rebuilt(Box<Rebuilt>),
}

impl Source {
    fn next_piece(&mut self) -> Result<Option<&[u8]>, Error> {
        match self {
            Self::Whole(octets) if octets.left() == 0 => Ok(None),
            Self::Whole(octets) => octets.take(u64::MAX).map(Some),
            Self::Rebuilt(message) => message.next_piece(),
        }
    }

    /// The file, and the frame in it, where the record begins.
    fn place(&self) -> (Arc<PackFile>, u64) {
        match self {
            Self::Whole(octets) => octets.place(),
            Self::Rebuilt(message) => message.place(),
        }
    }
}

impl Blob {
    pub(super) const fn whole(stored: Stored, octets: Stretch) -> Self {
        Self { stored, source: Source::Whole(octets) }
    }

    pub(super) fn rebuilt(stored: Stored, message: Rebuilt) -> Self {
        Self { stored, source: Source::Rebuilt(Box::new(message)) }
    }

    pub const fn stored(&self) -> Stored {
        self.stored
    }

    pub(super) fn damaged(&self, problem: String) -> Error {
        let (pack, offset) = self.source.place();
        Error::damaged(&pack.path, offset, problem)
    }

    /// All octets, checked against their hash.
    pub fn octets(self) -> Result<Vec<u8>, Error> {
        // The size is what a table says: not to be trusted with memory before octets come.
        let expected = usize::try_from(self.stored.size_bytes).unwrap_or(0).min(EXPECTED_LIMIT_BYTES);
        let mut octets = Vec::with_capacity(expected);
        self.each_piece(|piece| {
            octets.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(octets)
    }

    /// The first octets, at most `limit` of them. Their hash cannot be checked without the rest.
    pub fn prefix(self, limit: usize) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::new();
        let mut pieces = self.pieces();
        while octets.len() < limit {
            let Some(piece) = pieces.next_piece()? else { break };
            let taken = piece.len().min(limit - octets.len());
            octets.extend_from_slice(&piece[..taken]);
        }
        Ok(octets)
    }

    /// The octets piece by piece. Whoever takes all of them has their hash checked with the last.
    pub fn pieces(self) -> Pieces {
        Pieces { place: self.source.place(), blob: self, hasher: Hasher::new() }
    }

    /// Writes all octets to `sink`; damage is an error at the end, when most of them have been written.
    pub fn write_to(self, sink: &mut dyn Write) -> Result<std::io::Result<()>, Error> {
        let mut outcome = Ok(());
        self.each_piece(|piece| {
            if outcome.is_ok() {
                outcome = sink.write_all(piece);
            }
            Ok(())
        })?;
        Ok(outcome)
    }

    /// Shows the octets to `take`, piece by piece, and checks their hash at the end.
    pub fn each_piece(self, mut take: impl FnMut(&[u8]) -> Result<(), Error>) -> Result<(), Error> {
        let mut pieces = self.pieces();
        while let Some(piece) = pieces.next_piece()? {
            take(piece)?;
        }
        Ok(())
    }
}

const EXPECTED_LIMIT_BYTES: usize = 64 << 20;

/// The octets of a blob as they come out of one frame after the other.
#[derive(Debug)]
pub struct Pieces {
    blob: Blob,
    place: (Arc<PackFile>, u64),
    hasher: Hasher,
}

impl Pieces {
    /// The next octets; `None` when all have been given and have their hash.
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>, Error> {
        let id = self.blob.stored.id;
        match self.blob.source.next_piece()? {
            Some(piece) => {
                self.hasher.update(piece);
                Ok(Some(piece))
            }
            None if self.hasher.clone().finish() == id => Ok(None),
            None => {
                let (pack, offset) = &self.place;
                let problem = format!("record {id} does not have its hash any more");
                Err(Error::damaged(&pack.path, *offset, problem))
            }
        }
    }
}
