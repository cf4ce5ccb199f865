//! One pack file, read frame by frame.

use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::damage::Damage;
use super::format::{
    Codec, FRAME_HEADER_BYTES, FRAME_MAGIC, FrameHeader, FrameKind, PACK_HEADER_BYTES, PackHeader, PackKind,
    RECORD_HEADER_BYTES, RecordHeader, RecordKind,
};
use super::{Error, Extent, Location, Stored};
use crate::mail::Hasher;

/// How much of a frame is read at a time where not all of it is needed.
const EXCERPT_READ_BYTES: usize = 64 << 10;
/// What a search reads at one time.
const SEARCH_BYTES: usize = 1 << 16;

#[derive(Debug)]
pub(super) struct PackFile {
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) header: PackHeader,
    /// Device and inode: whether the name stands for another file by now.
    identity: (u64, u64),
}

impl PackFile {
    pub(super) fn new(path: PathBuf, file: File, header: PackHeader) -> Result<Self, Error> {
        let metadata = file.metadata().map_err(Error::io("examine", &path))?;
        Ok(Self { path, file, header, identity: (metadata.dev(), metadata.ino()) })
    }

    /// Opens a pack for reading and checks that it is the one its name says.
    pub(super) fn open(path: PathBuf, number: u64, kind: PackKind) -> Result<Self, Error> {
        let file = File::open(&path).map_err(|source| match source.kind() {
            ErrorKind::NotFound => {
                Error::Missing { location: Location { pack: number, ordinal: 0 }, path: path.clone() }
            }
            _ => Error::io("open", &path)(source),
        })?;
        Self::checked(path, file, number, kind)
    }

    pub(super) fn checked(path: PathBuf, file: File, number: u64, kind: PackKind) -> Result<Self, Error> {
        let mut octets = [0; PACK_HEADER_BYTES];
        read_at(&path, &file, &mut octets, 0)?;
        let header = PackHeader::decode(&octets, &path)?;
        if header.number != number {
            return Err(Error::damaged(&path, 0, format!("this is pack {}, under a wrong name", header.number)));
        }
        if header.kind != kind {
            return Err(Error::damaged(
                &path,
                0,
                "an open pack under the name of a sealed one, or the other way round",
            ));
        }
        Self::new(path, file, header)
    }

    pub(super) const fn number(&self) -> u64 {
        self.header.number
    }

    /// Whether its name still stands for this very file: sealing and compaction put another in its place.
    pub(super) fn is_current(&self) -> bool {
        self.path.metadata().is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.identity)
    }

    pub(super) fn length(&self) -> Result<u64, Error> {
        Ok(self.file.metadata().map_err(Error::io("examine", &self.path))?.len())
    }

    /// The header of the frame that begins at `offset`.
    pub(super) fn frame_at(&self, offset: u64) -> Result<FrameHeader, Error> {
        let mut octets = [0; FRAME_HEADER_BYTES];
        self.read_at(&mut octets, offset)?;
        FrameHeader::decode(&octets, &self.path, offset)
    }

    /// The plain octets of a frame, checked.
    pub(super) fn payload(&self, frame: &FrameHeader) -> Result<Vec<u8>, Error> {
        let mut stored = vec![0; frame.stored_bytes as usize];
        self.read_at(&mut stored, frame.offset + FRAME_HEADER_BYTES as u64)?;
        if crc32c::crc32c(&stored) != frame.checksum {
            return Err(Error::damaged(&self.path, frame.offset, "the frame's checksum is wrong"));
        }
        let plain = match frame.codec {
            Codec::None => stored,
            Codec::Zstd => zstd::bulk::decompress(&stored, frame.plain_bytes as usize)
                .map_err(|problem| Error::damaged(&self.path, frame.offset, problem.to_string()))?,
        };
        if plain.len() != frame.plain_bytes as usize {
            return Err(Error::damaged(&self.path, frame.offset, "the frame unpacks to a wrong length"));
        }
        Ok(plain)
    }

    /// Some of the plain octets of a frame, which must be as long. Nothing behind them is read, so the frame's checksum
    /// is not looked at: whoever asks compares the hash of what they get.
    pub(super) fn excerpt(&self, frame: &FrameHeader, octets: Range<usize>) -> Result<Vec<u8>, Error> {
        let first = frame.offset + FRAME_HEADER_BYTES as u64;
        let (before, bytes) = (octets.start as u64, octets.len());
        if frame.codec == Codec::None {
            let mut plain = vec![0; bytes];
            self.read_at(&mut plain, first + before)?;
            return Ok(plain);
        }
        let mut plain = Vec::with_capacity(bytes);
        let stored = StoredOctets { file: &self.file, at: first, end: frame.end() };
        unpack_some(stored, before, bytes as u64, &mut plain).map_err(|error| match error.raw_os_error() {
            Some(_) => Error::io("read", &self.path)(error),
            None => Error::damaged(&self.path, frame.offset, error.to_string()),
        })?;
        if plain.len() < bytes {
            return Err(Error::damaged(&self.path, frame.offset, "the frame unpacks to a wrong length"));
        }
        Ok(plain)
    }

    /// The frame at `offset`, if a whole one stands there; an error only where the file cannot be read.
    pub(super) fn whole_frame(&self, offset: u64) -> Result<Option<(FrameHeader, Vec<u8>)>, Error> {
        let read = self.frame_at(offset).and_then(|frame| Ok((frame, self.payload(&frame)?)));
        match read {
            Ok(read) => Ok(Some(read)),
            Err(Error::Damaged { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Where to go on behind damage: the next frame of records from `offset` on whose ordinals begin with `ordinal` or
    /// later. Headers that are whole lead from frame to frame; behind one that is not, the next whole frame is searched.
    pub(super) fn resume(&self, offset: u64, upto: u64, ordinal: u32) -> Result<Option<FrameHeader>, Error> {
        let mut at = offset;
        while at < upto {
            let frame = match self.frame_at(at) {
                Ok(frame) => Some(frame),
                Err(Error::Damaged { .. }) => self.search(at, upto)?,
                Err(error) => return Err(error),
            };
            let Some(frame) = frame else { break };
            if frame.kind == FrameKind::Records && frame.first_ordinal >= ordinal {
                return Ok(Some(frame));
            }
            at = frame.end();
        }
        Ok(None)
    }

    /// The first whole frame between two places. Nothing but its place, and the checksums of header and octets, tell it
    /// from octets that look like one.
    pub(super) fn search(&self, from: u64, upto: u64) -> Result<Option<FrameHeader>, Error> {
        let upto = upto.min(self.length()?);
        let mut octets = vec![0; SEARCH_BYTES];
        let mut at = from;
        while at + (FRAME_HEADER_BYTES as u64) <= upto {
            let length = usize::try_from(upto - at).unwrap_or(usize::MAX).min(SEARCH_BYTES);
            self.read_at(&mut octets[..length], at)?;
            let begins = octets[..length].windows(FRAME_MAGIC.len()).enumerate();
            for (nth, _) in begins.filter(|(_, octets)| octets == FRAME_MAGIC) {
                match self.whole_frame(at + nth as u64) {
                    Ok(Some((frame, _))) if frame.end() <= upto => return Ok(Some(frame)),
                    // A version in octets that look like a frame says nothing.
                    Ok(_) | Err(Error::Newer { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            at += (length - FRAME_MAGIC.len() + 1) as u64;
        }
        Ok(None)
    }

    /// Whether a whole frame stands at `offset`.
    pub(super) fn has_frame_at(&self, offset: u64) -> bool {
        self.frame_at(offset).and_then(|frame| self.payload(&frame)).is_ok()
    }

    pub(super) fn read_at(&self, octets: &mut [u8], offset: u64) -> Result<(), Error> {
        read_at(&self.path, &self.file, octets, offset)
    }
}

/// The packed octets of a frame that have not been read yet.
struct StoredOctets<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for StoredOctets<'_> {
    fn read(&mut self, octets: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = octets.len().min(left);
        let read = self.file.read_at(&mut octets[..wanted], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Unpacks `stored`, leaves out the first `before` octets and takes `bytes` of the rest.
fn unpack_some(stored: StoredOctets<'_>, before: u64, bytes: u64, plain: &mut Vec<u8>) -> std::io::Result<()> {
    let stored = BufReader::with_capacity(EXCERPT_READ_BYTES, stored);
    let mut unpacked = zstd::Decoder::with_buffer(stored)?.single_frame();
    std::io::copy(&mut unpacked.by_ref().take(before), &mut std::io::sink())?;
    unpacked.take(bytes).read_to_end(plain).map(drop)
}

fn read_at(path: &Path, file: &File, octets: &mut [u8], offset: u64) -> Result<(), Error> {
    file.read_exact_at(octets, offset).map_err(|source| match source.kind() {
        ErrorKind::UnexpectedEof => Error::damaged(path, offset, "the file ends too early"),
        _ => Error::io("read", path)(source),
    })
}

/// Where a frame stands and which records begin in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    /// Where the next one stands.
    pub(super) end: u64,
    pub(super) first_ordinal: u32,
    pub(super) records: u32,
}

impl FrameHeader {
    pub(super) fn end(&self) -> u64 {
        self.offset + FRAME_HEADER_BYTES as u64 + u64::from(self.stored_bytes)
    }

    /// The ordinal that follows its last record.
    pub(super) const fn next_ordinal(&self) -> u32 {
        self.first_ordinal.saturating_add(self.records)
    }
}

/// Walks over all records of a part of an open pack and hashes them.
pub(super) struct Frames<'a> {
    pack: &'a PackFile,
    offset: u64,
    upto: u64,
    /// How many records there are up to there, where that is known.
    records: Option<u32>,
    /// The ordinal with which the next frame has to begin; unknown where the walk begins in the middle of a pack.
    next: Option<u32>,
    /// The ordinal of the next record to show.
    met: Option<u32>,
    only: Option<RecordKind>,
    damage: Damage,
}

/// A record met on a walk.
#[derive(Debug)]
pub struct Walked<'a> {
    pub stored: Stored,
    /// Whether the octets have the hash that names them.
    pub intact: bool,
    /// The octets of a record that fits into one frame.
    pub octets: Option<&'a [u8]>,
    /// Why they cannot be read, or what is wrong with them.
    pub problem: Option<&'a str>,
}

pub(super) const WRONG_HASH: &str = "its octets do not have their hash";

impl<'a> Frames<'a> {
    pub(super) fn new(pack: &'a PackFile, from: u64, upto: u64) -> Self {
        let first = (from == PACK_HEADER_BYTES as u64).then_some(0);
        let damage = Damage::default();
        Self { pack, offset: from, upto, records: None, next: first, met: first, only: None, damage }
    }

    /// All that counts of a pack.
    pub(super) fn committed(pack: &'a PackFile, extent: &Extent) -> Self {
        Self { records: Some(extent.records), ..Self::new(pack, PACK_HEADER_BYTES as u64, extent.bytes) }
    }

    /// Hashes the records of one kind only; the others count as intact.
    pub(super) fn hashing_only(self, kind: RecordKind) -> Self {
        Self { only: Some(kind), ..self }
    }

    /// Shows every record to `visit` whose place is known, and goes on behind damage: the error at the end names each
    /// place, and the ordinals of the records that were not shown.
    pub(super) fn walk(mut self, visit: &mut dyn FnMut(Walked<'_>)) -> Result<(), Error> {
        while self.offset < self.upto {
            match self.frame(visit) {
                Ok(()) => {}
                Err(Error::Damaged { offset, problem, .. }) => self.skip(offset, problem)?,
                Err(error) => return Err(error),
            }
        }
        self.damage.named(&self.pack.path)
    }

    fn frame(&mut self, visit: &mut dyn FnMut(Walked<'_>)) -> Result<(), Error> {
        let frame = self.pack.frame_at(self.offset)?;
        if frame.kind != FrameKind::Records || self.next.is_some_and(|next| next != frame.first_ordinal) {
            return Err(self.damaged(&frame, "not the frame that follows here"));
        }
        self.offset = frame.end();
        self.next = Some(frame.next_ordinal());
        self.met = Some(frame.first_ordinal);
        let plain = self.pack.payload(&frame)?;
        self.records(&frame, &plain, visit)
    }

    /// Finds where to go on behind damage.
    fn skip(&mut self, offset: u64, problem: String) -> Result<(), Error> {
        let found = self.pack.resume(self.offset, self.upto, self.next.unwrap_or(0))?;
        let first_ordinal = found.map(|frame| frame.first_ordinal);
        self.offset = found.map_or(self.upto, |frame| frame.offset);
        self.damage.add(offset, problem, (self.met, first_ordinal.or(self.records)));
        (self.next, self.met) = (first_ordinal, first_ordinal);
        Ok(())
    }

    fn records(&mut self, frame: &FrameHeader, plain: &[u8], visit: &mut dyn FnMut(Walked<'_>)) -> Result<(), Error> {
        let mut at = 0;
        for nth in 0..frame.records {
            let header = record_header(plain, at).map_err(|problem| self.damaged(frame, &problem))?;
            at += RECORD_HEADER_BYTES;
            let location = Location { pack: self.pack.number(), ordinal: frame.first_ordinal.saturating_add(nth) };
            let stored = Stored { kind: header.kind, id: header.id, size_bytes: header.size_bytes, location };
            let here = usize::try_from(header.size_bytes).unwrap_or(usize::MAX).min(plain.len() - at);
            let octets = &plain[at..at + here];
            at += here;
            let mut hasher = self.only.is_none_or(|only| only == header.kind).then(Hasher::new);
            hash(&mut hasher, octets);
            let whole = here as u64 == header.size_bytes;
            if !whole && nth + 1 != frame.records {
                return Err(self.damaged(frame, "a record runs over the next one"));
            }
            self.met = Some(location.ordinal.saturating_add(1));
            if let Err(error) = self.rest(&mut hasher, header.size_bytes - here as u64) {
                if let Error::Damaged { problem, .. } = &error {
                    visit(Walked { stored, intact: false, octets: None, problem: Some(problem) });
                }
                return Err(error);
            }
            let intact = hasher.is_none_or(|hasher| hasher.finish() == header.id);
            let problem = (!intact).then_some(WRONG_HASH);
            visit(Walked { stored, intact, octets: whole.then_some(octets), problem });
        }
        if at != plain.len() {
            return Err(self.damaged(frame, "octets behind the last record"));
        }
        Ok(())
    }

    fn rest(&mut self, hasher: &mut Option<Hasher>, mut missing: u64) -> Result<(), Error> {
        while missing > 0 {
            let frame = self.pack.frame_at(self.offset)?;
            let plain_bytes = u64::from(frame.plain_bytes);
            if frame.kind != FrameKind::Continuation || plain_bytes == 0 || plain_bytes > missing {
                return Err(self.damaged(&frame, "not the continuation that belongs here"));
            }
            self.offset = frame.end();
            hash(hasher, &self.pack.payload(&frame)?);
            missing -= plain_bytes;
        }
        Ok(())
    }

    fn damaged(&self, frame: &FrameHeader, problem: &str) -> Error {
        Error::damaged(&self.pack.path, frame.offset, problem)
    }
}

fn hash(hasher: &mut Option<Hasher>, octets: &[u8]) {
    if let Some(hasher) = hasher {
        hasher.update(octets);
    }
}

pub(super) fn record_header(plain: &[u8], at: usize) -> Result<RecordHeader, String> {
    let octets = plain.get(at..at + RECORD_HEADER_BYTES).and_then(|octets| octets.try_into().ok());
    RecordHeader::decode(octets.ok_or("the frame ends within a record's header")?)
}
