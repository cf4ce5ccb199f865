use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::format::{FrameKind, PACK_HEADER_BYTES};
use super::frames::{Frame, Frames, PackFile, Walked, pack_path};
use super::{Blob, Durable, Error, Extent, Location};
use crate::mail::BlobId;

/// A record met on a walk over a pack.
pub type WalkedRecord<'a> = Walked<'a>;

/// Reads records of any process's packs, also while they grow.
#[derive(Debug)]
pub struct Reader {
    folder: PathBuf,
    packs: Mutex<HashMap<u64, Arc<Pack>>>,
    recent: Mutex<VecDeque<Decoded>>,
}

/// Frames decoded last, so that reading a batch record by record decodes each frame once.
const RECENT_FRAMES: usize = 8;
/// Packs held open at one time: an archive may have more than a process may have files.
const OPEN_PACKS: usize = 64;

#[derive(Debug)]
struct Decoded {
    pack: u64,
    offset: u64,
    plain: Arc<Vec<u8>>,
}

#[derive(Debug)]
struct Pack {
    file: Arc<PackFile>,
    known: Mutex<KnownFrames>,
}

/// Frames whose headers have been read. Only as far as some committed record needed: behind that, a frame may be the
/// torn end of a batch, and another may stand there tomorrow.
#[derive(Debug)]
struct KnownFrames {
    frames: Vec<Frame>,
    end: u64,
}

impl Reader {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), packs: Mutex::default(), recent: Mutex::default() }
    }

    /// The record at a location that the catalog gave.
    pub fn open(&self, location: Location) -> Result<Blob, Error> {
        let pack = self.pack(location)?;
        let frame = pack.find(location)?;
        let header = pack.file.frame_at(frame.offset)?;
        let plain = match self.recall(location.pack, frame.offset) {
            Some(plain) => plain,
            None => self.remember(location.pack, frame.offset, pack.file.payload(&header)?),
        };
        let nth = location.ordinal - frame.first_ordinal;
        Blob::new(pack.file.clone(), plain, (frame.offset, header.end()), (location, nth))
    }

    /// Reads a record and checks its hash: the proof of durability for what an earlier process wrote.
    pub fn prove(&self, location: Location, id: BlobId) -> Result<Durable, Error> {
        let blob = self.open(location)?;
        let stored = blob.stored();
        if stored.id != id {
            let problem = format!("record {} is {}, not {id}", location.ordinal, stored.id);
            return Err(Error::damaged(&pack_path(&self.folder, location.pack), 0, problem));
        }
        blob.each_piece(|_| Ok(()))?;
        Ok(Durable::new(stored))
    }

    /// Reads and hashes every record of a pack, as far as it is committed, and shows each to `visit`.
    pub fn walk(&self, extent: &Extent, visit: &mut dyn FnMut(WalkedRecord<'_>)) -> Result<(), Error> {
        let file = PackFile::open(pack_path(&self.folder, extent.pack), extent.pack)?;
        Frames::new(&file, PACK_HEADER_BYTES as u64, extent.bytes).walk(visit)
    }

    /// The length of a pack's file, if there is one.
    pub fn length(&self, pack: u64) -> Option<u64> {
        pack_path(&self.folder, pack).metadata().ok().map(|metadata| metadata.len())
    }

    fn pack(&self, location: Location) -> Result<Arc<Pack>, Error> {
        let mut packs = self.packs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = packs.get(&location.pack) {
            return Ok(pack.clone());
        }
        if packs.len() >= OPEN_PACKS {
            // Whoever reads from one of them right now keeps it.
            packs.clear();
        }
        let file = PackFile::open(pack_path(&self.folder, location.pack), location.pack)?;
        let known = KnownFrames { frames: Vec::new(), end: PACK_HEADER_BYTES as u64 };
        let pack = Arc::new(Pack { file: Arc::new(file), known: Mutex::new(known) });
        packs.insert(location.pack, pack.clone());
        Ok(pack)
    }

    fn recall(&self, pack: u64, offset: u64) -> Option<Arc<Vec<u8>>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent
            .iter()
            .find(|decoded| (decoded.pack, decoded.offset) == (pack, offset))
            .map(|decoded| decoded.plain.clone())
    }

    fn remember(&self, pack: u64, offset: u64, plain: Vec<u8>) -> Arc<Vec<u8>> {
        let plain = Arc::new(plain);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.truncate(RECENT_FRAMES - 1);
        recent.push_front(Decoded { pack, offset, plain: plain.clone() });
        plain
    }
}

impl Pack {
    /// The frame in which a record begins, reading headers onward as far as needed.
    fn find(&self, location: Location) -> Result<Frame, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while known.frames.last().is_none_or(|frame| frame.first_ordinal + frame.records <= location.ordinal) {
            let header = match self.file.frame_at(known.end) {
                Ok(header) => header,
                Err(Error::Damaged { .. }) if self.ends_at(known.end) => return Err(Error::NoRecord(location)),
                Err(error) => return Err(error),
            };
            known.end = header.end();
            if header.kind == FrameKind::Records {
                let (first_ordinal, records) = (header.first_ordinal, header.records);
                known.frames.push(Frame { offset: header.offset, first_ordinal, records });
            }
        }
        let after = known.frames.partition_point(|frame| frame.first_ordinal <= location.ordinal);
        let frame = after.checked_sub(1).and_then(|at| known.frames.get(at));
        frame
            .copied()
            .filter(|frame| location.ordinal < frame.first_ordinal + frame.records)
            .ok_or(Error::NoRecord(location))
    }

    fn ends_at(&self, offset: u64) -> bool {
        self.file.file.metadata().is_ok_and(|metadata| metadata.len() == offset)
    }
}
