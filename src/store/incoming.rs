use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::files;
use crate::mail::{BlobId, Hasher};

use super::Error;

/// A message while it arrives: hashed as it comes, in memory while it is small, in an unnamed file once it is not.
#[derive(Debug)]
pub struct Incoming {
    folder: PathBuf,
    memory_limit_bytes: usize,
    body: Body,
    size_bytes: u64,
    hasher: Hasher,
    header: HeaderDigest,
}

#[derive(Debug)]
enum Body {
    Memory(Vec<u8>),
    File(File),
}

impl Incoming {
    /// `folder` takes the file of a message that grows beyond `memory_limit_bytes`. Nothing with a name is left there.
    pub fn new(folder: &Path, memory_limit_bytes: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            memory_limit_bytes,
            body: Body::Memory(Vec::new()),
            size_bytes: 0,
            hasher: Hasher::new(),
            header: HeaderDigest::default(),
        }
    }

    pub fn write(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.hasher.update(octets);
        self.header.update(octets);
        self.size_bytes += octets.len() as u64;
        if let Body::Memory(held) = &mut self.body {
            if held.len() + octets.len() <= self.memory_limit_bytes {
                held.extend_from_slice(octets);
                return Ok(());
            }
            self.spill()?;
        }
        match &mut self.body {
            Body::File(file) => file.write_all(octets).map_err(Error::io("write a large message to", &self.folder)),
            Body::Memory(_) => Ok(()),
        }
    }

    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// All octets have arrived.
    pub fn finish(self) -> Received {
        Received {
            id: self.hasher.finish(),
            header: self.header.finish(),
            size_bytes: self.size_bytes,
            folder: self.folder,
            body: self.body,
        }
    }

    fn spill(&mut self) -> Result<(), Error> {
        let mut file = unnamed_file(&self.folder).map_err(Error::io("create a file in", &self.folder))?;
        if let Body::Memory(held) = &self.body {
            file.write_all(held).map_err(Error::io("write a large message to", &self.folder))?;
        }
        self.body = Body::File(file);
        Ok(())
    }
}

const SPOOL_PREFIX: &str = "incoming-";

/// Removes the files of messages that a killed process had not taken the names off yet. For the process that owns the
/// archive, before anything arrives.
pub fn sweep_spool(folder: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        if entry.file_name().as_encoded_bytes().starts_with(SPOOL_PREFIX.as_bytes()) {
            std::fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}

/// A file that has lost its name already: nothing stays behind, unless the process is killed just here
/// ([`sweep_spool`]).
fn unnamed_file(folder: &Path) -> io::Result<File> {
    let path =
        folder.join(format!("{SPOOL_PREFIX}{}", BlobId::from_bytes(*crate::mail::Nonce::random().as_bytes()).short()));
    let file = files::create_private_file(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// A whole message that is not durable yet.
#[derive(Debug)]
pub struct Received {
    id: BlobId,
    header: BlobId,
    size_bytes: u64,
    folder: PathBuf,
    body: Body,
}

impl Received {
    pub const fn id(&self) -> BlobId {
        self.id
    }

    /// SHA-256 of everything up to and including the first blank line; of all of it where there is none.
    pub const fn header(&self) -> BlobId {
        self.header
    }

    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The octets, while they are in memory.
    pub(super) fn octets(&self) -> Option<&[u8]> {
        match &self.body {
            Body::Memory(octets) => Some(octets),
            Body::File(_) => None,
        }
    }

    pub(super) fn read_at(&self, octets: &mut [u8], offset: u64) -> Result<(), Error> {
        match &self.body {
            Body::Memory(held) => {
                let from = usize::try_from(offset).unwrap_or(usize::MAX).min(held.len());
                let upto = (from + octets.len()).min(held.len());
                octets[..upto - from].copy_from_slice(&held[from..upto]);
                Ok(())
            }
            Body::File(file) => {
                file.read_exact_at(octets, offset).map_err(Error::io("read a large message back from", &self.folder))
            }
        }
    }
}

/// Hashes up to the first blank line. Lines may end in CRLF, in LF, or as one server has it in CR CR LF.
#[derive(Debug, Default)]
struct HeaderDigest {
    hasher: Hasher,
    line: Line,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    #[default]
    Blank,
    Text,
    /// The blank line has been seen.
    Over,
}

impl HeaderDigest {
    fn update(&mut self, octets: &[u8]) {
        let mut from = 0;
        while self.line != Line::Over && from < octets.len() {
            let rest = &octets[from..];
            let upto = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let piece = &rest[..upto];
            let ends = piece.ends_with(b"\n");
            let blank = self.line == Line::Blank && piece.iter().all(|octet| matches!(octet, b'\r' | b'\n'));
            self.hasher.update(piece);
            self.line = match (ends, blank) {
                (true, true) => Line::Over,
                (true, false) | (false, true) => Line::Blank,
                (false, false) => Line::Text,
            };
            from += upto;
        }
    }

    fn finish(self) -> BlobId {
        self.hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(pieces: &[&[u8]]) -> Received {
        let folder = tempfile::tempdir().unwrap();
        let mut incoming = Incoming::new(folder.path(), 1 << 20);
        for piece in pieces {
            incoming.write(piece).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing with a name is left");
        incoming.finish()
    }

    #[test]
    fn the_header_digest_covers_the_header_block_however_it_is_cut() {
        for (message, header) in [
            (&b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore"[..], &b"A: b\r\nC: d\r\n\r\n"[..]),
            (b"A: b\n\nbody\n", b"A: b\n\n"),
            (b"A: b\r\r\n\r\r\nbody", b"A: b\r\r\n\r\r\n"),
            (b"A: no blank line\r\nnothing more\r\n", b"A: no blank line\r\nnothing more\r\n"),
            (b"\r\nbody only", b"\r\n"),
            (b"", b""),
        ] {
            for size in 1..=message.len().max(1) {
                let pieces: Vec<&[u8]> = message.chunks(size).collect();
                assert_eq!(received(&pieces).header(), BlobId::of(header), "{message:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_large_message_spills_and_reads_back() {
        let piece = vec![b'x'; 700 << 10];
        let large = received(&[&piece, &piece, b"end"]);
        assert!(large.octets().is_none());
        assert_eq!(large.size_bytes(), (1400 << 10) + 3);
        let mut tail = [0; 4];
        large.read_at(&mut tail, (1400 << 10) - 1).unwrap();
        assert_eq!(&tail, b"xend");
        assert_eq!(large.id(), BlobId::of(&[&piece[..], &piece, b"end"].concat()));
    }
}
