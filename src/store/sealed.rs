//! A sealed pack, found through its trailer and table.

use std::path::PathBuf;
use std::sync::Arc;

use super::format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, PACK_HEADER_BYTES, PackKind};
use super::frames::PackFile;
use super::recent::Recent;
use super::table::{Form, HASHED_TRAILER_BYTES, ROW_BYTES, Row, TRAILER_BYTES, Trailer};
use super::{Error, RecordKind, Stored};
use crate::mail::Hasher;

/// What a sealed pack holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub pack: u64,
    /// Length of its file.
    pub bytes: u64,
    /// The ordinal that comes after the highest this pack has ever given.
    pub records: u32,
    /// The parts that lie in this pack.
    pub parts: Vec<Stored>,
    pub messages: u64,
    /// How many of the messages are recipes.
    pub recipes: u64,
    /// Ordinals without a record: what this sealing and all those before it left out.
    pub dropped: u64,
    /// Octets of messages and private records as they are read.
    pub raw_bytes: u64,
}

#[derive(Debug)]
pub(super) struct SealedPack {
    pub(super) file: Arc<PackFile>,
    trailer: Option<Trailer>,
    tables: Vec<FrameHeader>,
    /// Why trailer or table are not all there: where, and what.
    fault: Option<(u64, String)>,
}

impl SealedPack {
    /// Opens a pack by its trailer. Where that is damaged, the table is looked for from the front, so that the records
    /// can be read all the same.
    pub(super) fn open(path: PathBuf, number: u64) -> Result<Self, Error> {
        let file = Arc::new(PackFile::open(path, number, PackKind::Sealed)?);
        let mut pack = Self { file, trailer: None, tables: Vec::new(), fault: None };
        let (table, upto) = match pack.read_trailer() {
            Ok(trailer) => {
                pack.trailer = Some(trailer);
                (trailer.table, trailer.offset)
            }
            Err(error) => {
                pack.note(error)?;
                (pack.search_table(), pack.file.length()?)
            }
        };
        pack.read_table_headers(table, upto)?;
        Ok(pack)
    }

    fn read_trailer(&self) -> Result<Trailer, Error> {
        let length = self.file.length()?;
        let damaged = |at, problem: &str| Err(Error::damaged(&self.file.path, at, problem));
        let Some(at) = length.checked_sub(TRAILER_BYTES as u64) else {
            return damaged(length, "the file ends too early");
        };
        let mut octets = [0; TRAILER_BYTES];
        self.file.read_at(&mut octets, at)?;
        let trailer = Trailer::decode(&octets, &self.file.path, at)?;
        if trailer.number != self.file.number() {
            return damaged(at, "the trailer of another pack");
        }
        Ok(trailer)
    }

    /// Damage is for the walk to tell, not in the way of what can be read.
    fn note(&mut self, error: Error) -> Result<(), Error> {
        match error {
            Error::Damaged { offset, problem, .. } => {
                self.fault.get_or_insert((offset, problem));
                Ok(())
            }
            error => Err(error),
        }
    }

    fn search_table(&self) -> u64 {
        let mut at = PACK_HEADER_BYTES as u64;
        while let Some(frame) = self.file.frame_at(at).ok().filter(|frame| frame.kind == FrameKind::Block) {
            at = frame.end();
        }
        at
    }

    /// Behind a header that does not check, the next is searched: it costs the rows of its own frame alone.
    fn read_table_headers(&mut self, from: u64, upto: u64) -> Result<(), Error> {
        let mut at = from;
        while at < upto {
            let frame = match self.file.frame_at(at) {
                Ok(frame) => frame,
                Err(error) => {
                    self.note(error)?;
                    let Some(frame) = self.file.search(at, upto)? else { break };
                    frame
                }
            };
            at = frame.end();
            let follows = self.tables.last().is_none_or(|last| last.first_ordinal < frame.first_ordinal);
            if frame.kind == FrameKind::Table && follows {
                self.tables.push(frame);
            } else {
                self.note(Error::damaged(&self.file.path, frame.offset, "not a part of the table"))?;
            }
        }
        Ok(())
    }

    fn fault(&self) -> Result<(), Error> {
        let Some((offset, problem)) = &self.fault else { return Ok(()) };
        Err(Error::damaged(&self.file.path, *offset, problem.clone()))
    }

    /// The row of a record; none where the pack has none.
    pub(super) fn find(&self, ordinal: u32, recent: &Recent) -> Result<Option<Row>, Error> {
        let after = self.tables.partition_point(|frame| frame.first_ordinal <= ordinal);
        if let Some(frame) = after.checked_sub(1).and_then(|at| self.tables.get(at)) {
            let rows = recent.payload(&self.file, frame)?;
            let (rows, _) = rows.as_chunks::<ROW_BYTES>();
            if let Ok(at) = rows.binary_search_by_key(&ordinal, |row| u32::from_le_bytes(super::format::array(row, 0)))
            {
                return self.row(frame, &rows[at]).map(Some);
            }
        }
        self.fault().map(|()| None)
    }

    fn row(&self, frame: &FrameHeader, octets: &[u8; ROW_BYTES]) -> Result<Row, Error> {
        Row::decode(octets).map_err(|problem| Error::damaged(&self.file.path, frame.offset, problem))
    }

    /// All rows that can be read, by ordinal; and what is wrong with the others.
    pub(super) fn rows(&self) -> (Vec<Row>, Result<(), Error>) {
        let mut rows = Vec::new();
        let mut outcome = self.fault();
        for frame in &self.tables {
            let added = self.rows_of(frame, &mut rows);
            outcome = outcome.and(added);
        }
        if outcome.is_ok() && self.trailer.is_some_and(|trailer| trailer.rows as usize != rows.len()) {
            outcome = Err(self.damaged("the table has not the number of records that the trailer says"));
        }
        (rows, outcome)
    }

    fn rows_of(&self, frame: &FrameHeader, rows: &mut Vec<Row>) -> Result<(), Error> {
        let plain = self.file.payload(frame)?;
        let (octets, rest) = plain.as_chunks::<ROW_BYTES>();
        if !rest.is_empty() || octets.len() != frame.records as usize {
            return Err(Error::damaged(&self.file.path, frame.offset, "a table of a wrong length"));
        }
        for octets in octets {
            let row = self.row(frame, octets)?;
            if rows.last().is_some_and(|last: &Row| last.ordinal >= row.ordinal) {
                return Err(Error::damaged(&self.file.path, frame.offset, "a table out of order"));
            }
            rows.push(row);
        }
        Ok(())
    }

    /// The highest ordinal that was ever given, and one.
    pub(super) fn next_ordinal(&self) -> Result<u32, Error> {
        self.fault()?;
        self.trailer.map(|trailer| trailer.next_ordinal).ok_or_else(|| self.damaged("no trailer"))
    }

    /// Everything but the octets of the blocks.
    pub(super) fn summary(&self) -> Result<Sealed, Error> {
        let (sealed, outcome) = self.readable()?;
        outcome.map(|()| sealed)
    }

    /// The same, as far as trailer and table can be read; and what is wrong with them. What only the trailer knows, the
    /// rows stand for where it is lost: an ordinal behind the last of them is nobody's.
    pub(super) fn readable(&self) -> Result<(Sealed, Result<(), Error>), Error> {
        let (rows, outcome) = self.rows();
        let pack = self.file.number();
        let is = |kind: RecordKind| move |row: &&Row| row.kind == kind;
        let sizes = rows.iter().filter(|row| row.kind != RecordKind::Part).map(|row| row.size_bytes);
        let (bytes, records, raw_bytes) = match &self.trailer {
            Some(trailer) => (trailer.offset + TRAILER_BYTES as u64, trailer.next_ordinal, trailer.raw_bytes),
            None => (self.file.length()?, rows.last().map_or(0, |row| row.ordinal.saturating_add(1)), sizes.sum()),
        };
        let sealed = Sealed {
            pack,
            bytes,
            records,
            parts: rows.iter().filter(is(RecordKind::Part)).map(|row| row.stored(pack)).collect(),
            messages: rows.iter().filter(is(RecordKind::Message)).count() as u64,
            recipes: rows.iter().filter(|row| row.form == Form::Recipe).count() as u64,
            dropped: u64::from(records).saturating_sub(rows.len() as u64),
            raw_bytes,
        };
        Ok((sealed, outcome))
    }

    /// Trailer, table, and the hash over all.
    pub(super) fn check_whole(&self) -> Result<(), Error> {
        self.rows().1?;
        self.check_hash()
    }

    /// Whether the whole file has the hash that its trailer gives.
    pub(super) fn check_hash(&self) -> Result<(), Error> {
        self.fault()?;
        let Some(trailer) = &self.trailer else { return Ok(()) };
        let mut hasher = Hasher::new();
        let mut octets = vec![0; 1 << 20];
        let (mut at, upto) = (0, trailer.offset + HASHED_TRAILER_BYTES as u64);
        while at < upto {
            let piece = usize::try_from(upto - at).unwrap_or(usize::MAX).min(octets.len());
            self.file.read_at(&mut octets[..piece], at)?;
            hasher.update(&octets[..piece]);
            at += piece as u64;
        }
        if hasher.finish() == trailer.hash {
            return Ok(());
        }
        Err(self.damaged("the file does not have the hash that stands in its trailer"))
    }

    fn damaged(&self, problem: &str) -> Error {
        let at = self.trailer.map_or(0, |trailer| trailer.offset);
        Error::damaged(&self.file.path, at, problem)
    }
}

impl Row {
    /// Whether the header of a block can stand where the row says.
    pub(super) const fn is_placed(&self) -> bool {
        self.block >= PACK_HEADER_BYTES as u64 && self.block < u64::MAX - FRAME_HEADER_BYTES as u64
    }
}
