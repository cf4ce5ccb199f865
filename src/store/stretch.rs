use std::sync::Arc;

use super::Error;
use super::format::FrameKind;
use super::frames::PackFile;

/// Octets that begin in one frame and go on in those behind it, taken from front to back. Holds one frame at a time.
#[derive(Debug)]
pub(super) struct Stretch {
    pack: Arc<PackFile>,
    /// What the frames behind the first one must be.
    kind: FrameKind,
    /// Where the present frame stands, and the next one.
    frame: (u64, u64),
    plain: Arc<Vec<u8>>,
    at: usize,
    left: u64,
}

impl Stretch {
    /// `left` octets from `at` on of `plain`, which is what the frame between the offsets `frame` holds.
    pub(super) fn new(
        pack: Arc<PackFile>,
        kind: FrameKind,
        frame: (u64, u64),
        (plain, at): (Arc<Vec<u8>>, usize),
        left: u64,
    ) -> Self {
        Self { pack, kind, frame, plain, at, left }
    }

    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn place(&self) -> (Arc<PackFile>, u64) {
        (self.pack.clone(), self.frame.0)
    }

    /// Damage in the present frame.
    pub(super) fn damaged(&self, problem: impl Into<String>) -> Error {
        Error::damaged(&self.pack.path, self.frame.0, problem)
    }

    /// The next octets, at most `limit`; none only where none are left.
    pub(super) fn take(&mut self, limit: u64) -> Result<&[u8], Error> {
        if self.left > 0 && self.at == self.plain.len() {
            self.next_frame()?;
        }
        let from = self.at;
        let here = (self.plain.len() - from) as u64;
        let taken = here.min(self.left).min(limit);
        self.left -= taken;
        self.at += usize::try_from(taken).unwrap_or(0);
        Ok(&self.plain[from..self.at])
    }

    /// The next octets, filling `octets`; too few are damage.
    pub(super) fn fill(&mut self, octets: &mut [u8]) -> Result<(), Error> {
        let mut done = 0;
        while done < octets.len() {
            let piece = self.take((octets.len() - done) as u64)?;
            if piece.is_empty() {
                return Err(self.damaged("a record that is shorter than it says"));
            }
            octets[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        }
        Ok(())
    }

    fn next_frame(&mut self) -> Result<(), Error> {
        let frame = self.pack.frame_at(self.frame.1)?;
        let plain = self.pack.payload(&frame)?;
        let alone = self.kind != FrameKind::Continuation || plain.len() as u64 <= self.left;
        if frame.kind != self.kind || plain.is_empty() || !alone {
            return Err(Error::damaged(&self.pack.path, frame.offset, "not the continuation that belongs here"));
        }
        self.frame = (frame.offset, frame.end());
        self.plain = Arc::new(plain);
        self.at = 0;
        Ok(())
    }
}
