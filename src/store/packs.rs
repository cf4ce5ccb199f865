//! The packs of a folder, held open and found by number, whether they grow or are sealed.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::blob::Blob;
use super::folder::{open_path, sealed_path};
use super::format::{FrameHeader, FrameKind, PACK_HEADER_BYTES, PackKind, RECORD_HEADER_BYTES, RecordHeader};
use super::frames::{Frame, PackFile, record_header};
use super::recent::Recent;
use super::recipe::{Rebuilt, Reference};
use super::sealed::SealedPack;
use super::stretch::Stretch;
use super::table::{Form, Row};
use super::{Error, Location, RecordKind, Stored};

/// Frames of records: up to 1 MiB each.
const RECENT_FRAMES: usize = 8;
/// Frames of tables: much smaller ones.
const RECENT_TABLES: usize = 32;
/// Packs held open at one time: an archive may have more than a process may have files.
const OPEN_PACKS: usize = 64;

#[derive(Debug)]
pub(super) struct Packs {
    pub(super) folder: PathBuf,
    held: Mutex<HashMap<u64, Pack>>,
    frames: Recent,
    tables: Recent,
}

#[derive(Clone, Debug)]
pub(super) enum Pack {
    Open(Arc<OpenPack>),
    Sealed(Arc<SealedPack>),
}

#[derive(Debug)]
pub(super) struct OpenPack {
    pub(super) file: Arc<PackFile>,
    known: Mutex<KnownFrames>,
}

/// Frames whose headers have been read. Only as far as some committed record needed: behind that, a frame may be the
/// torn end of a batch, and another may stand there tomorrow.
#[derive(Debug)]
struct KnownFrames {
    frames: Vec<Frame>,
    end: u64,
    /// The ordinal that has to follow.
    next: u32,
    /// Records whose frames could not be found: their ordinals, and where they should stand.
    lost: Vec<(Range<u32>, u64)>,
    /// By the offsets of frames: where in them their records begin, as far as anybody asked.
    begins: HashMap<u64, Vec<usize>>,
}

impl Packs {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: Mutex::default(),
            frames: Recent::new(RECENT_FRAMES),
            tables: Recent::new(RECENT_TABLES),
        }
    }

    /// With one pack chosen beforehand: the open one beside a sealed one, or one that has no name yet.
    pub(super) fn with(folder: &Path, pack: Pack) -> Arc<Self> {
        let packs = Self::new(folder);
        let held = HashMap::from([(pack.file().number(), pack)]);
        Arc::new(Self { held: Mutex::new(held), ..packs })
    }

    /// The record at a location that the catalog gave.
    pub(super) fn blob(self: &Arc<Self>, location: Location) -> Result<Blob, Error> {
        match self.pack(location)? {
            Pack::Open(pack) => self.open_record(&pack, location),
            Pack::Sealed(pack) => {
                let row = pack.find(location.ordinal, &self.tables)?.ok_or(Error::NoRecord(location))?;
                self.sealed_record(&pack, &row)
            }
        }
    }

    fn open_record(&self, pack: &OpenPack, location: Location) -> Result<Blob, Error> {
        let frame = pack.find(location)?;
        let plain = match self.frames.recall(&pack.file, frame.offset) {
            Some(plain) => plain,
            None => self.frames.payload(&pack.file, &pack.file.frame_at(frame.offset)?)?,
        };
        let (at, record) = pack
            .record(frame, &plain, location.ordinal)
            .map_err(|problem| Error::damaged(&pack.file.path, frame.offset, problem))?;
        let place = (frame.offset, frame.end);
        let octets = Stretch::new(pack.file.clone(), FrameKind::Continuation, place, (plain, at), record.size_bytes);
        let stored = Stored { kind: record.kind, id: record.id, size_bytes: record.size_bytes, location };
        Ok(Blob::whole(stored, octets))
    }

    pub(super) fn sealed_record(self: &Arc<Self>, pack: &SealedPack, row: &Row) -> Result<Blob, Error> {
        let stored = row.stored(pack.file.number());
        let octets = self.stretch(pack, row)?;
        match row.form {
            Form::Whole => Ok(Blob::whole(stored, octets)),
            Form::Recipe => Ok(Blob::rebuilt(stored, Rebuilt::new(self.clone(), octets)?)),
        }
    }

    /// The octets of a row as they are stored.
    pub(super) fn stretch(&self, pack: &SealedPack, row: &Row) -> Result<Stretch, Error> {
        if row.stored_bytes == 0 {
            return Ok(Stretch::new(pack.file.clone(), FrameKind::Block, (row.block, 0), (Arc::default(), 0), 0));
        }
        let damaged = |problem: &str| Error::damaged(&pack.file.path, row.block, problem);
        if !row.is_placed() {
            return Err(damaged("no block can stand here"));
        }
        let header = pack.file.frame_at(row.block)?;
        if header.kind != FrameKind::Block {
            return Err(damaged("not the block that belongs here"));
        }
        let at = row.within as usize;
        if at > header.plain_bytes as usize {
            return Err(damaged("a record that begins behind the end of its block"));
        }
        let end = at.saturating_add(usize::try_from(row.stored_bytes).unwrap_or(usize::MAX));
        let octets = self.frames.excerpt(&pack.file, &header, at..end)?;
        let place = (header.offset, header.end());
        Ok(Stretch::new(pack.file.clone(), FrameKind::Block, place, octets, row.stored_bytes))
    }

    /// The decoded octets of a part that a recipe refers to.
    pub(super) fn part(&self, reference: &Reference) -> Result<Stretch, Error> {
        let sealed = match self.pack(reference.part)? {
            Pack::Sealed(sealed) => sealed,
            // Parts lie in the sealed one beside it.
            Pack::Open(open) => Arc::new(self.sealed_beside(&open)?),
        };
        let path = &sealed.file.path;
        let row = sealed.find(reference.part.ordinal, &self.tables)?.ok_or(Error::NoRecord(reference.part))?;
        if (row.kind, row.id, row.size_bytes) != (RecordKind::Part, reference.id, reference.size_bytes) {
            let problem = format!("record {} is not the part that a recipe refers to", row.ordinal);
            return Err(Error::damaged(path, row.block, problem));
        }
        self.stretch(&sealed, &row)
    }

    fn sealed_beside(&self, open: &OpenPack) -> Result<SealedPack, Error> {
        let number = open.file.number();
        SealedPack::open(sealed_path(&self.folder, number), number).map_err(|error| match error {
            Error::Missing { .. } => {
                Error::damaged(&open.file.path, 0, "a recipe refers to a part in this pack, which has none")
            }
            error => error,
        })
    }

    pub(super) fn let_go(&self, number: u64) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(&number);
        self.frames.forget_pack(number);
        self.tables.forget_pack(number);
    }

    fn pack(&self, location: Location) -> Result<Pack, Error> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pack) = held.get(&location.pack) {
            if pack.file().is_current() {
                return Ok(pack.clone());
            }
            // Sealed or compacted meanwhile. Whoever reads from it right now keeps it.
            self.frames.forget(pack.file());
            self.tables.forget(pack.file());
            held.remove(&location.pack);
        }
        if held.len() >= OPEN_PACKS {
            held.clear();
        }
        let pack = find_pack(&self.folder, location)?;
        held.insert(location.pack, pack.clone());
        Ok(pack)
    }
}

impl KnownFrames {
    fn take(&mut self, header: &FrameHeader) {
        self.end = header.end();
        if header.kind == FrameKind::Records && header.first_ordinal >= self.next {
            let FrameHeader { offset, first_ordinal, records, .. } = *header;
            self.frames.push(Frame { offset, end: header.end(), first_ordinal, records });
            self.next = header.next_ordinal();
        }
    }
}

/// As long as the open pack is there, it is the one to read: the sealed one beside it may be damaged, and is not what it
/// was made of. Sealing gives a pack its new name before it takes the old one away.
fn find_pack(folder: &Path, location: Location) -> Result<Pack, Error> {
    let number = location.pack;
    for open in [Pack::open, Pack::sealed] {
        match open(folder, number) {
            Err(Error::Missing { .. }) => {}
            outcome => return outcome,
        }
    }
    Err(Error::Missing { location, path: open_path(folder, number) })
}

impl Pack {
    pub(super) fn sealed(folder: &Path, number: u64) -> Result<Self, Error> {
        Ok(Self::Sealed(Arc::new(SealedPack::open(sealed_path(folder, number), number)?)))
    }

    pub(super) fn open(folder: &Path, number: u64) -> Result<Self, Error> {
        let file = Arc::new(PackFile::open(open_path(folder, number), number, PackKind::Open)?);
        let end = PACK_HEADER_BYTES as u64;
        let known = KnownFrames { frames: Vec::new(), end, next: 0, lost: Vec::new(), begins: HashMap::new() };
        Ok(Self::Open(Arc::new(OpenPack { file, known: Mutex::new(known) })))
    }

    pub(super) fn file(&self) -> &Arc<PackFile> {
        match self {
            Self::Open(pack) => &pack.file,
            Self::Sealed(pack) => &pack.file,
        }
    }
}

impl OpenPack {
    /// The frame in which a record begins, reading headers onward as far as needed.
    fn find(&self, location: Location) -> Result<Frame, Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        while known.next <= location.ordinal {
            match self.file.frame_at(known.end) {
                Ok(header) => known.take(&header),
                Err(Error::Damaged { .. }) if self.ends_at(known.end) => return Err(Error::NoRecord(location)),
                Err(damage @ Error::Damaged { .. }) => self.skip(&mut known, location, damage)?,
                Err(error) => return Err(error),
            }
        }
        let after = known.frames.partition_point(|frame| frame.first_ordinal <= location.ordinal);
        let frame = after.checked_sub(1).and_then(|at| known.frames.get(at)).copied();
        frame.filter(|frame| location.ordinal - frame.first_ordinal < frame.records).ok_or_else(|| {
            match known.lost.iter().find(|(ordinals, _)| ordinals.contains(&location.ordinal)) {
                Some((_, offset)) => self.file.frame_at(*offset).err().unwrap_or(Error::NoRecord(location)),
                None => Error::NoRecord(location),
            }
        })
    }

    /// Where the octets of a frame's record begin, and its header. Who reads one record after the other goes over each
    /// header once.
    fn record(&self, frame: Frame, plain: &[u8], ordinal: u32) -> Result<(usize, RecordHeader), String> {
        let nth = (ordinal - frame.first_ordinal) as usize;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = known.begins.entry(frame.offset).or_insert_with(|| vec![0]);
        while begins.len() <= nth {
            let at = begins.last().copied().unwrap_or(0);
            let size = usize::try_from(record_header(plain, at)?.size_bytes).ok();
            let next = size.and_then(|size| at.checked_add(RECORD_HEADER_BYTES)?.checked_add(size));
            begins.push(next.ok_or("a record with an impossible length")?);
        }
        Ok((begins[nth] + RECORD_HEADER_BYTES, record_header(plain, begins[nth])?))
    }

    /// Goes on behind a damaged header, if the record can lie there. A frame behind it, with nothing committed in it, is
    /// not kept in mind.
    fn skip(&self, known: &mut KnownFrames, location: Location, damage: Error) -> Result<(), Error> {
        match self.file.resume(known.end, u64::MAX, known.next)? {
            Some(header) if header.first_ordinal <= location.ordinal => {
                known.lost.push((known.next..header.first_ordinal, known.end));
                known.take(&header);
                Ok(())
            }
            _ => Err(damage),
        }
    }

    fn ends_at(&self, offset: u64) -> bool {
        self.file.length().is_ok_and(|length| length == offset)
    }
}
