use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::format::{Codec, FRAME_LIMIT_BYTES, FrameHeader, FrameKind, PackHeader};
use super::table::{ROW_BYTES, Row, TABLE_FRAME_ROWS, Trailer};
use crate::mail::{BlobId, Hasher};

/// A sealed pack while it is written, from front to back.
pub(super) struct Blocks<'a> {
    path: PathBuf,
    file: &'a File,
    /// Where the next frame will stand.
    end: u64,
    hasher: Hasher,
    compressor: zstd::bulk::Compressor<'static>,
    plain: Vec<u8>,
    /// The record that was begun last.
    ordinal: u32,
    /// Records that begin in the present block, and the first of them.
    begun: u32,
    first_ordinal: u32,
}

/// Less than this hardly shrinks.
const WORTH_PACKING: usize = 256;

impl<'a> Blocks<'a> {
    pub(super) fn begin(path: &Path, file: &'a File, level: i32, header: &PackHeader) -> Result<Self, Error> {
        let compressor = zstd::bulk::Compressor::new(level).map_err(Error::io("prepare packing for", path))?;
        let mut blocks = Self {
            path: path.to_owned(),
            file,
            end: 0,
            hasher: Hasher::new(),
            compressor,
            plain: Vec::with_capacity(FRAME_LIMIT_BYTES),
            ordinal: 0,
            begun: 0,
            first_ordinal: 0,
        };
        blocks.write(&header.encode())?;
        Ok(blocks)
    }

    /// Begins a record of `bytes` octets; where it begins: the block and the octet in it. One that would have to be split
    /// begins a new block if the present one is at least half full; what is longer than half a block follows at once.
    pub(super) fn record(&mut self, ordinal: u32, bytes: u64) -> Result<(u64, u32), Error> {
        let room = (FRAME_LIMIT_BYTES - self.plain.len()) as u64;
        let half_full = self.plain.len() >= FRAME_LIMIT_BYTES / 2;
        if bytes > room && (room == 0 || half_full && bytes <= FRAME_LIMIT_BYTES as u64) {
            self.close_block()?;
        }
        self.ordinal = ordinal;
        if bytes == 0 {
            return Ok((0, 0));
        }
        if self.begun == 0 {
            self.first_ordinal = ordinal;
        }
        self.begun += 1;
        Ok((self.end, u32::try_from(self.plain.len()).unwrap_or(u32::MAX)))
    }

    /// Octets of the record that was begun last.
    pub(super) fn push(&mut self, mut octets: &[u8]) -> Result<(), Error> {
        while !octets.is_empty() {
            if self.plain.len() == FRAME_LIMIT_BYTES {
                self.close_block()?;
            }
            let (here, rest) = octets.split_at(octets.len().min(FRAME_LIMIT_BYTES - self.plain.len()));
            self.plain.extend_from_slice(here);
            octets = rest;
        }
        Ok(())
    }

    /// Writes the present block: what comes next goes to another.
    pub(super) fn close_block(&mut self) -> Result<(), Error> {
        if self.plain.is_empty() {
            return Ok(());
        }
        let plain = std::mem::take(&mut self.plain);
        let first_ordinal = if self.begun > 0 { self.first_ordinal } else { self.ordinal };
        self.frame(FrameKind::Block, &plain, self.begun, first_ordinal)?;
        self.plain = plain;
        self.plain.clear();
        self.begun = 0;
        Ok(())
    }

    /// Writes the table and the trailer, which `trailer` makes from where it stands, where the table stands, and a hash.
    /// The length of the file.
    pub(super) fn finish(mut self, rows: &[Row], mut trailer: Trailer) -> Result<(), Error> {
        self.close_block()?;
        trailer.table = self.end;
        for rows in rows.chunks(TABLE_FRAME_ROWS) {
            let plain: Vec<u8> = rows.iter().flat_map(Row::encode).collect();
            debug_assert_eq!(plain.len(), rows.len() * ROW_BYTES);
            self.frame(FrameKind::Table, &plain, u32::try_from(rows.len()).unwrap_or(u32::MAX), rows[0].ordinal)?;
        }
        trailer.offset = self.end;
        self.hasher.update(&trailer.hashed());
        trailer.hash = self.hasher.clone().finish();
        self.file.write_all_at(&trailer.encode(), self.end).map_err(Error::io("write", &self.path))
    }

    fn frame(&mut self, kind: FrameKind, plain: &[u8], records: u32, first_ordinal: u32) -> Result<(), Error> {
        let packed = (plain.len() >= WORTH_PACKING).then(|| self.compressor.compress(plain).ok()).flatten();
        let packed = packed.filter(|packed| packed.len() < plain.len());
        let (codec, stored) = packed.as_ref().map_or((Codec::None, plain), |packed| (Codec::Zstd, &packed[..]));
        let header = FrameHeader {
            kind,
            codec,
            records,
            first_ordinal,
            plain_bytes: u32::try_from(plain.len()).unwrap_or(u32::MAX),
            stored_bytes: u32::try_from(stored.len()).unwrap_or(u32::MAX),
            offset: self.end,
            checksum: crc32c::crc32c(stored),
        };
        self.write(&header.encode())?;
        self.write(stored)
    }

    fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.file.write_all_at(octets, self.end).map_err(Error::io("write", &self.path))?;
        self.hasher.update(octets);
        self.end += octets.len() as u64;
        Ok(())
    }
}

/// A hash that is not known yet.
pub(super) const NO_HASH: BlobId = BlobId::from_bytes([0; 32]);
