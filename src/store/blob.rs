use std::io::Write;
use std::sync::Arc;

use super::format::{FrameKind, RECORD_HEADER_BYTES};
use super::frames::{PackFile, record_header};
use super::{Error, Location, Stored};
use crate::mail::Hasher;

/// The octets of one record, frame by frame, so that a large one costs no more memory than a frame.
#[derive(Debug)]
pub struct Blob {
    pack: Arc<PackFile>,
    stored: Stored,
    frame_offset: u64,
    plain: Arc<Vec<u8>>,
    from: usize,
    /// Octets that the frames behind this one hold.
    missing: u64,
    next_offset: u64,
}

impl Blob {
    /// `plain` is the frame at `frame_offset`, in which record `location` begins as the `nth`.
    pub(super) fn new(
        pack: Arc<PackFile>,
        plain: Arc<Vec<u8>>,
        (frame_offset, next_offset): (u64, u64),
        (location, nth): (Location, u32),
    ) -> Result<Self, Error> {
        let damaged = |problem: String| Error::damaged(&pack.path, frame_offset, problem);
        let mut at = 0;
        let mut header = record_header(&plain, at).map_err(damaged)?;
        for _ in 0..nth {
            at = usize::try_from(header.size_bytes)
                .ok()
                .and_then(|size| at.checked_add(RECORD_HEADER_BYTES)?.checked_add(size))
                .ok_or_else(|| damaged("a record with an impossible length".to_owned()))?;
            header = record_header(&plain, at).map_err(damaged)?;
        }
        let from = at + RECORD_HEADER_BYTES;
        let missing = header.size_bytes.saturating_sub((plain.len() - from) as u64);
        let stored = Stored { kind: header.kind, id: header.id, size_bytes: header.size_bytes, location };
        Ok(Self { pack, stored, frame_offset, plain, from, missing, next_offset })
    }

    pub const fn stored(&self) -> Stored {
        self.stored
    }

    /// All octets, checked against their hash.
    pub fn octets(self) -> Result<Vec<u8>, Error> {
        let mut octets = Vec::with_capacity(usize::try_from(self.stored.size_bytes).unwrap_or(0));
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
        Pieces { blob: self, hasher: Hasher::new(), begun: false }
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

/// The octets of a blob as they come out of one frame after the other.
#[derive(Debug)]
pub struct Pieces {
    blob: Blob,
    hasher: Hasher,
    begun: bool,
}

impl Pieces {
    /// The next octets; `None` when all have been given and have their hash.
    pub fn next_piece(&mut self) -> Result<Option<&[u8]>, Error> {
        if self.begun && self.blob.missing == 0 {
            return self.check().map(|()| None);
        }
        let blob = &mut self.blob;
        let piece = if self.begun {
            blob.advance()?;
            &blob.plain[..]
        } else {
            self.begun = true;
            let size = usize::try_from(blob.stored.size_bytes).unwrap_or(usize::MAX);
            let upto = blob.from.saturating_add(size).min(blob.plain.len());
            &blob.plain[blob.from..upto]
        };
        self.hasher.update(piece);
        Ok(Some(piece))
    }

    fn check(&self) -> Result<(), Error> {
        let Blob { stored, pack, frame_offset, .. } = &self.blob;
        if self.hasher.clone().finish() == stored.id {
            return Ok(());
        }
        let problem = format!("message {} does not have its hash any more", stored.id);
        Err(Error::damaged(&pack.path, *frame_offset, problem))
    }
}

impl Blob {
    /// On to the continuation.
    fn advance(&mut self) -> Result<(), Error> {
        let frame = self.pack.frame_at(self.next_offset)?;
        let plain = self.pack.payload(&frame)?;
        if frame.kind != FrameKind::Continuation || plain.is_empty() || plain.len() as u64 > self.missing {
            return Err(Error::damaged(&self.pack.path, frame.offset, "not the continuation that belongs here"));
        }
        self.missing -= plain.len() as u64;
        self.next_offset = frame.end();
        self.plain = Arc::new(plain);
        Ok(())
    }
}
