use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;
use super::format::FrameHeader;
use super::frames::PackFile;

/// Frames unpacked last, the latest in front, so that reading records one by one unpacks each frame once.
#[derive(Debug)]
pub(super) struct Recent {
    frames: Mutex<VecDeque<Unpacked>>,
    /// Held while a frame is unpacked: of several who want the same one at once, one does it.
    unpacking: Mutex<()>,
    /// Pack and offset of the frame that an excerpt was taken from last.
    glanced: Mutex<Option<(u64, u64)>>,
    limit: usize,
}

#[derive(Debug)]
struct Unpacked {
    pack: Arc<PackFile>,
    offset: u64,
    plain: Arc<Vec<u8>>,
}

impl Recent {
    pub(super) fn new(limit: usize) -> Self {
        Self { frames: Mutex::default(), unpacking: Mutex::default(), glanced: Mutex::default(), limit }
    }

    /// The plain octets of a frame, checked when they were unpacked.
    pub(super) fn payload(&self, pack: &Arc<PackFile>, frame: &FrameHeader) -> Result<Arc<Vec<u8>>, Error> {
        if let Some(plain) = self.recall(pack, frame.offset) {
            return Ok(plain);
        }
        let _turn = self.unpacking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plain) = self.recall(pack, frame.offset) {
            return Ok(plain);
        }
        let plain = Arc::new(pack.payload(frame)?);
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.truncate(self.limit - 1);
        frames.push_front(Unpacked { pack: pack.clone(), offset: frame.offset, plain: plain.clone() });
        Ok(plain)
    }

    /// Some octets of a frame: what holds them, and where they begin in it. Who asks a frame once, unpacks only as much
    /// of it as lies before their end, and checks them by their own hash; who asks it again, all of it.
    pub(super) fn excerpt(
        &self,
        pack: &Arc<PackFile>,
        frame: &FrameHeader,
        octets: Range<usize>,
    ) -> Result<(Arc<Vec<u8>>, usize), Error> {
        let whole = octets.end >= frame.plain_bytes as usize;
        if whole || self.is_wanted_again(pack, frame.offset) {
            return Ok((self.payload(pack, frame)?, octets.start));
        }
        Ok((Arc::new(pack.excerpt(frame, octets)?), 0))
    }

    fn is_wanted_again(&self, pack: &Arc<PackFile>, offset: u64) -> bool {
        let place = Some((pack.number(), offset));
        let before = std::mem::replace(&mut *self.glanced.lock().unwrap_or_else(PoisonError::into_inner), place);
        before == place || self.recall(pack, offset).is_some()
    }

    /// The same, if it is still held.
    pub(super) fn recall(&self, pack: &Arc<PackFile>, offset: u64) -> Option<Arc<Vec<u8>>> {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        let at = frames.iter().position(|frame| frame.offset == offset && Arc::ptr_eq(&frame.pack, pack))?;
        let frame = frames.remove(at)?;
        let plain = frame.plain.clone();
        frames.push_front(frame);
        Some(plain)
    }

    /// Lets go of a file that has lost its name: its octets take room on the disk as long as it is held.
    pub(super) fn forget(&self, pack: &Arc<PackFile>) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.retain(|frame| !Arc::ptr_eq(&frame.pack, pack));
    }

    /// Lets go of every file of a pack, old or new.
    pub(super) fn forget_pack(&self, number: u64) {
        let mut frames = self.frames.lock().unwrap_or_else(PoisonError::into_inner);
        frames.retain(|frame| frame.pack.number() != number);
    }
}
