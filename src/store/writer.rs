use std::fmt;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::folder::{ends_before_a_record, open_path, packs, remove_open, sealed_path, sweep_drafts};
use super::format::{
    Codec, FRAME_HEADER_BYTES, FRAME_LIMIT_BYTES, FrameHeader, FrameKind, PACK_HEADER_BYTES, PACK_LIMIT_BYTES,
    PackHeader, PackKind, RECORD_HEADER_BYTES, RecordHeader, RecordKind,
};
use super::frames::{Frames, PackFile};
use super::{Error, Extent, Location, Received, Stored};
use crate::files::{self, Mutant};
use crate::mail::{BlobId, Timestamp};

/// One thing to append.
#[derive(Clone, Copy, Debug)]
pub enum Append<'a> {
    Message(&'a Received),
    Private(&'a [u8]),
}

/// Proof that a record was fsynced, read back and found to have its hash. Only the store makes one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durable(Stored);

impl Durable {
    pub(super) const fn new(stored: Stored) -> Self {
        Self(stored)
    }

    pub const fn id(&self) -> BlobId {
        self.0.id
    }

    pub const fn location(&self) -> Location {
        self.0.location
    }

    pub const fn size_bytes(&self) -> u64 {
        self.0.size_bytes
    }
}

/// Appends to the open pack. There is one in the process that owns the archive.
pub struct Writer {
    folder: PathBuf,
    archive: [u8; 16],
    last_number: u64,
    open: Option<OpenPack>,
    compressor: zstd::bulk::Compressor<'static>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("folder", &self.folder).field("open", &self.open).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct OpenPack {
    pack: PackFile,
    end: u64,
    records: u32,
}

impl OpenPack {
    const fn extent(&self) -> Extent {
        Extent { pack: self.pack.number(), bytes: self.end, records: self.records }
    }
}

/// Fast enough to be free beside hashing; sealing packs more tightly.
const OPEN_PACK_LEVEL: i32 = 1;

impl Writer {
    /// Opens the packs of `folder` for appending. `committed` says how far each open pack counts. What lies behind is the
    /// end of a batch that was never acknowledged: if it is torn, it is cut; if it is whole, the catalog may be an older
    /// one than these packs have known, so nothing is cut, and a new pack is begun. A pack that is shorter than committed,
    /// or whose header is bad, is damage: it is left alone, for `verify` to name, and a new pack is begun.
    ///
    /// `sealed` are the numbers of the sealed packs that the catalog knows. What is left of the open ones is removed; a
    /// sealed pack that is not among them stays, and the open one beside it does not grow any more.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`] where there is a pack of another archive: nothing is cut or removed then.
    pub fn open(folder: &Path, archive: [u8; 16], committed: &[Extent], sealed: &[u64]) -> Result<Self, Error> {
        files::create_private_dir(folder).map_err(Error::io("create", folder))?;
        let known = |number| sealed.contains(&number) || committed.iter().any(|extent| extent.pack == number);
        let beside = sealed_packs(folder, &archive, &known)?;
        let uncommitted = sweep_uncommitted(folder, &archive, &known)?;
        sweep_drafts(folder)?;
        for number in sealed.iter().filter(|number| beside.contains(number)) {
            leave_to_damage(remove_open(folder, *number))?;
        }
        let mut open = None;
        for extent in committed.iter().filter(|extent| !sealed.contains(&extent.pack)) {
            open = cut_torn_tail(folder, extent)?.filter(|_| !beside.contains(&extent.pack));
        }
        let compressor =
            zstd::bulk::Compressor::new(OPEN_PACK_LEVEL).map_err(Error::io("prepare packing in", folder))?;
        let numbers = committed.iter().map(|extent| extent.pack).chain(uncommitted);
        let last_number = numbers.chain(beside).chain(sealed.iter().copied()).max().unwrap_or(0);
        Ok(Self { folder: folder.to_owned(), archive, last_number, open, compressor })
    }

    /// The next append begins a new pack: the present one may be sealed once its extent is committed.
    pub fn close_pack(&mut self) {
        self.open = None;
    }

    /// The pack that grows; none before the first append, and after one was closed.
    pub fn current(&self) -> Option<u64> {
        self.open.as_ref().map(|open| open.pack.number())
    }

    /// Appends all of `records`, or none: on an error, nothing of them counts. Returns once everything is on the
    /// disk and has been read back; the extents are for the catalog to commit together with what it says of the
    /// records.
    pub fn append(&mut self, records: &[Append<'_>], now: Timestamp) -> Result<(Vec<Durable>, Vec<Extent>), Error> {
        let good = self.open.as_ref().map(OpenPack::extent);
        let outcome = Batch { writer: self, touched: Vec::new(), placed: Vec::new(), now }.run(records);
        if outcome.is_err() {
            self.abandon(good);
        }
        outcome
    }

    /// After a failed write the end of the pack is uncertain: it is cut back where it can be, and a new pack begun.
    fn abandon(&mut self, good: Option<Extent>) {
        let Some(open) = self.open.take() else { return };
        match good {
            Some(extent) if extent.pack == open.pack.number() => drop(open.pack.file.set_len(extent.bytes)),
            _ => drop(fs::remove_file(&open.pack.path)),
        }
    }

    /// The open pack, with room for `bytes` more; a new one where that would pass the limit.
    fn pack_for(&mut self, bytes: u64, now: Timestamp) -> Result<&mut OpenPack, Error> {
        let full = self.open.as_ref().is_some_and(|open| open.records > 0 && open.end + bytes > PACK_LIMIT_BYTES);
        let open = match self.open.take() {
            Some(open) if !full => open,
            _ => self.new_pack(now)?,
        };
        Ok(self.open.insert(open))
    }

    fn new_pack(&mut self, now: Timestamp) -> Result<OpenPack, Error> {
        let number = self.last_number + 1;
        let path = open_path(&self.folder, number);
        let file = files::create_private_file(&path).map_err(Error::io("create", &path))?;
        self.last_number = number;
        let header =
            PackHeader { kind: PackKind::Open, class: 0, number, archive: self.archive, created_ms: now.as_millis() };
        if let Err(error) = file.write_all_at(&header.encode(), 0) {
            // Or a disk that stays full would fill with empty packs.
            drop(fs::remove_file(&path));
            return Err(Error::io("write", &path)(error));
        }
        files::sync_data(&file, &path);
        if !files::mutant(Mutant::PackNameUnsynced) {
            files::sync_dir(&self.folder).map_err(Error::io("open", &self.folder))?;
        }
        Ok(OpenPack { pack: PackFile::new(path, file, header)?, end: PACK_HEADER_BYTES as u64, records: 0 })
    }
}

/// The numbers of the sealed packs that are there. One of another archive is not for this one to touch.
fn sealed_packs(folder: &Path, archive: &[u8; 16], known: &dyn Fn(u64) -> bool) -> Result<Vec<u64>, Error> {
    let mut numbers = Vec::new();
    for number in packs(folder)?.iter().filter(|files| files.sealed).map(|files| files.pack) {
        let path = sealed_path(folder, number);
        if !known(number) && is_foreign(&path, archive)? {
            return Err(Error::Foreign(path));
        }
        numbers.push(number);
    }
    Ok(numbers)
}

/// A sealed pack that is damaged keeps its open one: for `verify` to name.
fn leave_to_damage(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(Error::Damaged { .. } | Error::Newer { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// Removes files of open packs that no commit ever named; the numbers of those that hold whole records, or did, which stay.
/// One that another archive's id stands in is mail whose catalog was lost: it is not for this archive to touch.
fn sweep_uncommitted(folder: &Path, archive: &[u8; 16], known: &dyn Fn(u64) -> bool) -> Result<Vec<u64>, Error> {
    let mut kept = Vec::new();
    let mut torn = Vec::new();
    for number in packs(folder)?.iter().filter(|files| files.open && !known(files.pack)).map(|files| files.pack) {
        let path = open_path(folder, number);
        if is_foreign(&path, archive)? {
            return Err(Error::Foreign(path));
        }
        if ends_before_a_record(folder, number) { torn.push(path) } else { kept.push(number) }
    }
    torn.iter().try_for_each(|path| fs::remove_file(path).map_err(Error::io("remove", path)))?;
    Ok(kept)
}

/// A pack whose header was not written yet is nobody's.
fn is_foreign(path: &Path, archive: &[u8; 16]) -> Result<bool, Error> {
    let mut octets = [0; PACK_HEADER_BYTES];
    let file = File::open(path).map_err(Error::io("open", path))?;
    match file.read_exact_at(&mut octets, 0) {
        Ok(()) => Ok(PackHeader::decode(&octets, path).is_ok_and(|header| header.archive != *archive)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

fn cut_torn_tail(folder: &Path, extent: &Extent) -> Result<Option<OpenPack>, Error> {
    let path = open_path(folder, extent.pack);
    let Ok(file) = File::options().read(true).write(true).open(&path) else { return Ok(None) };
    let length = file.metadata().map_err(Error::io("examine", &path))?.len();
    if length < extent.bytes {
        return Ok(None);
    }
    let Ok(pack) = PackFile::checked(path, file, extent.pack, PackKind::Open) else { return Ok(None) };
    if length > extent.bytes && pack.has_frame_at(extent.bytes) {
        return Ok(None);
    }
    if length > extent.bytes && files::mutant(Mutant::TornFrameAccepted) {
        return Ok(Some(OpenPack { pack, end: length, records: extent.records }));
    }
    if length > extent.bytes {
        pack.file.set_len(extent.bytes).map_err(Error::io("cut the torn end of", &pack.path))?;
        files::sync_data(&pack.file, &pack.path);
    }
    Ok(Some(OpenPack { pack, end: extent.bytes, records: extent.records }))
}

/// One append on its way to the disk.
struct Batch<'a> {
    writer: &'a mut Writer,
    /// Packs written to, each with the offset where this batch begins in it.
    touched: Vec<(PackFile, u64, Extent)>,
    placed: Vec<Stored>,
    now: Timestamp,
}

impl Batch<'_> {
    fn run(mut self, records: &[Append<'_>]) -> Result<(Vec<Durable>, Vec<Extent>), Error> {
        let mut plain = Vec::with_capacity(FRAME_LIMIT_BYTES);
        let mut waiting = Vec::new();
        for record in records {
            let header = record.header();
            let needed = RECORD_HEADER_BYTES as u64 + header.size_bytes;
            if plain.len() as u64 + needed > FRAME_LIMIT_BYTES as u64 {
                self.frame(&mut plain, &mut waiting)?;
            }
            if needed > FRAME_LIMIT_BYTES as u64 {
                self.long_record(record, &header)?;
                continue;
            }
            plain.extend_from_slice(&header.encode());
            record.octets_into(&mut plain, 0, header.size_bytes)?;
            waiting.push(header);
        }
        self.frame(&mut plain, &mut waiting)?;
        self.make_durable()
    }

    /// Writes the waiting records as one frame.
    fn frame(&mut self, plain: &mut Vec<u8>, waiting: &mut Vec<RecordHeader>) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        self.write_frame(FrameKind::Records, plain, waiting, plain.len() as u64)?;
        plain.clear();
        waiting.clear();
        Ok(())
    }

    /// A record longer than a frame: its beginning in a frame of its own, the rest in continuations, all in one pack.
    fn long_record(&mut self, record: &Append<'_>, header: &RecordHeader) -> Result<(), Error> {
        let mut plain = header.encode().to_vec();
        let mut done = (FRAME_LIMIT_BYTES - RECORD_HEADER_BYTES) as u64;
        record.octets_into(&mut plain, 0, done)?;
        let frames = header.size_bytes / FRAME_LIMIT_BYTES as u64 + 2;
        let room = header.size_bytes + frames * (FRAME_HEADER_BYTES + RECORD_HEADER_BYTES) as u64;
        self.write_frame(FrameKind::Records, &plain, &[*header], room)?;
        while done < header.size_bytes {
            plain.clear();
            let piece = (header.size_bytes - done).min(FRAME_LIMIT_BYTES as u64);
            record.octets_into(&mut plain, done, piece)?;
            self.write_frame(FrameKind::Continuation, &plain, &[], 0)?;
            done += piece;
        }
        Ok(())
    }

    /// `room`: what must still fit into the pack; a continuation goes behind its beginning whatever the limit says.
    fn write_frame(&mut self, kind: FrameKind, plain: &[u8], begins: &[RecordHeader], room: u64) -> Result<(), Error> {
        let packed = self.writer.compressor.compress(plain).ok().filter(|packed| packed.len() < plain.len());
        let (codec, stored) = packed.as_ref().map_or((Codec::None, plain), |packed| (Codec::Zstd, &packed[..]));
        let open = match (kind, &mut self.writer.open) {
            (FrameKind::Continuation, Some(open)) => open,
            _ => self.writer.pack_for(room + FRAME_HEADER_BYTES as u64, self.now)?,
        };
        let first_ordinal = if kind == FrameKind::Continuation { open.records - 1 } else { open.records };
        let header = FrameHeader {
            kind,
            codec,
            records: u32::try_from(begins.len()).unwrap_or(u32::MAX),
            first_ordinal,
            plain_bytes: u32::try_from(plain.len()).unwrap_or(u32::MAX),
            stored_bytes: u32::try_from(stored.len()).unwrap_or(u32::MAX),
            offset: open.end,
            checksum: crc32c::crc32c(stored),
        };
        let octets = [&header.encode()[..], stored].concat();
        open.pack.file.write_all_at(&octets, open.end).map_err(Error::io("write", &open.pack.path))?;
        touch(&mut self.touched, open)?;
        for record in begins {
            let location = Location { pack: open.pack.number(), ordinal: open.records };
            self.placed.push(Stored { kind: record.kind, id: record.id, size_bytes: record.size_bytes, location });
            open.records += 1;
        }
        open.end += octets.len() as u64;
        if let Some((_, _, extent)) = self.touched.last_mut() {
            *extent = open.extent();
        }
        Ok(())
    }

    fn make_durable(self) -> Result<(Vec<Durable>, Vec<Extent>), Error> {
        for (pack, _, _) in &self.touched {
            if !files::mutant(Mutant::PackUnsynced) {
                files::sync_data(&pack.file, &pack.path);
            }
        }
        let mut read_back = self.placed.iter();
        for (pack, from, extent) in self.touched.iter().filter(|_| !files::mutant(Mutant::ReadBackLeftOut)) {
            let mut wrong = None;
            Frames::new(pack, *from, extent.bytes).walk(&mut |walked| {
                if !walked.intact || read_back.next() != Some(&walked.stored) {
                    wrong = Some(walked.stored);
                }
            })?;
            if let Some(stored) = wrong {
                let problem = format!("record {} of pack {} differs", stored.location.ordinal, stored.location.pack);
                return Err(Error::ReadBack { path: pack.path.clone(), problem });
            }
        }
        let extents = self.touched.iter().map(|(_, _, extent)| *extent).collect();
        Ok((self.placed.into_iter().map(Durable::new).collect(), extents))
    }
}

/// Notes where this batch begins in the pack, the first time the batch comes to it.
fn touch(touched: &mut Vec<(PackFile, u64, Extent)>, open: &OpenPack) -> Result<(), Error> {
    if touched.last().is_none_or(|(pack, _, _)| pack.number() != open.pack.number()) {
        let file = open.pack.file.try_clone().map_err(Error::io("open", &open.pack.path))?;
        let pack = PackFile::new(open.pack.path.clone(), file, open.pack.header)?;
        touched.push((pack, open.end, open.extent()));
    }
    Ok(())
}

impl Append<'_> {
    fn header(&self) -> RecordHeader {
        match self {
            Self::Message(received) => {
                RecordHeader { kind: RecordKind::Message, size_bytes: received.size_bytes(), id: received.id() }
            }
            Self::Private(octets) => {
                RecordHeader { kind: RecordKind::Private, size_bytes: octets.len() as u64, id: BlobId::of(octets) }
            }
        }
    }

    /// Appends `length` octets from `offset` on to `plain`.
    fn octets_into(&self, plain: &mut Vec<u8>, offset: u64, length: u64) -> Result<(), Error> {
        let held = match self {
            Self::Message(received) => received.octets(),
            Self::Private(octets) => Some(*octets),
        };
        let (from, length) = (usize::try_from(offset).unwrap_or(usize::MAX), usize::try_from(length).unwrap_or(0));
        match (held, self) {
            (Some(octets), _) => plain.extend_from_slice(&octets[from..from + length]),
            (None, Self::Message(received)) => {
                let end = plain.len();
                plain.resize(end + length, 0);
                received.read_at(&mut plain[end..], offset)?;
            }
            (None, Self::Private(_)) => {}
        }
        Ok(())
    }
}
