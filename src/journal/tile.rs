use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::hash::HASH_BYTES;
use super::{Error, Hash};

/// Hashes of a full tile, entries of a full bundle (C2SP tlog-tiles).
pub(super) const TILE_WIDTH: usize = 256;
pub(super) const TILE: &str = "tile";
const ENTRIES: &str = "entries";
/// Times that a partial file is looked for again, which its owner replaces by a wider one meanwhile.
const LOOKS: u32 = 16;

/// What a file under `tile/` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Entries,
    /// Hashes of this level: each the top of 256 of the level below, leaf hashes at level 0.
    Hashes(u32),
}

impl Kind {
    /// By the name of its folder.
    pub(super) fn named(name: &str) -> Option<Self> {
        if name == ENTRIES {
            Some(Self::Entries)
        } else {
            name.parse::<u8>().ok().map(|level| Self::Hashes(level.into()))
        }
    }
}

/// One file under `tile/`: the `number`th of its kind, with `width` hashes or entries, 1 to 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Tile {
    pub(super) kind: Kind,
    pub(super) number: u64,
    pub(super) width: usize,
}

impl Tile {
    /// The tile `number` of `kind` in a tree of `size` leaves; `None` where the tree has nothing there.
    pub(super) fn of(kind: Kind, number: u64, size: u64) -> Option<Self> {
        let nodes = match kind {
            Kind::Entries => size,
            Kind::Hashes(level) => size.checked_shr(8 * level).unwrap_or(0),
        };
        let beyond = nodes.checked_sub(number.checked_mul(TILE_WIDTH as u64)?)?;
        let width = usize::try_from(beyond.min(TILE_WIDTH as u64)).unwrap_or(TILE_WIDTH);
        (width > 0).then_some(Self { kind, number, width })
    }

    pub(super) const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Under the journal's folder, as C2SP tlog-tiles names it: `tile/0/x001/234.p/5`.
    pub(super) fn path(&self) -> PathBuf {
        if self.is_full() { self.full_path() } else { self.partials().join(self.width.to_string()) }
    }

    fn full_path(&self) -> PathBuf {
        let mut path = PathBuf::from(TILE);
        path.push(match self.kind {
            Kind::Entries => ENTRIES.to_owned(),
            Kind::Hashes(level) => level.to_string(),
        });
        let mut groups = vec![format!("{:03}", self.number % 1000)];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        path.extend(groups.iter().rev());
        path
    }

    /// The folder of the partial files of this number.
    pub(super) fn partials(&self) -> PathBuf {
        let mut path = self.full_path().into_os_string();
        path.push(".p");
        path.into()
    }

    /// The hashes of a tile: those of the file itself, or the first of a wider one that took its place.
    pub(super) fn hashes(&self, journal: &Path) -> Result<Vec<Hash>, Error> {
        self.read(journal, |octets, exact| {
            let length = self.width * HASH_BYTES;
            if octets.len() < length || exact && octets.len() > length {
                return Err(format!("it has {} octets instead of {length}", octets.len()));
            }
            let (hashes, _) = octets[..length].as_chunks::<HASH_BYTES>();
            Ok(hashes.iter().copied().map(Hash::from_bytes).collect())
        })
    }

    /// The entries of a bundle: those of the file itself, or the first of a wider one that took its place.
    pub(super) fn entries(&self, journal: &Path) -> Result<Vec<Vec<u8>>, Error> {
        self.read(journal, |octets, exact| split_entries(octets, self.width, exact))
    }

    /// The narrowest file goes first: a wider one may still be being written, and takes over only after that.
    fn read<T>(&self, journal: &Path, parse: impl Fn(&[u8], bool) -> Result<T, String>) -> Result<T, Error> {
        let path = journal.join(self.path());
        for _ in 0..LOOKS {
            if let Some(octets) = read_if_there(&path)? {
                return parse(&octets, true).map_err(|problem| Error::damaged(&path, problem));
            }
            for wider in self.wider(journal)? {
                let found = read_if_there(&journal.join(wider.path()))?;
                if let Some(Ok(parsed)) = found.map(|octets| parse(&octets, false)) {
                    return Ok(parsed);
                }
            }
        }
        Err(Error::damaged(&path, "it is not there"))
    }

    /// Files that begin with this one's content, narrowest first.
    fn wider(&self, journal: &Path) -> Result<Vec<Self>, Error> {
        let folder = journal.join(self.partials());
        let mut widths: Vec<usize> =
            names(&folder)?.iter().filter_map(|name| name.parse().ok()).filter(|width| *width > self.width).collect();
        widths.sort_unstable();
        if !self.is_full() {
            widths.push(TILE_WIDTH);
        }
        Ok(widths.into_iter().map(|width| Self { width, ..*self }).collect())
    }
}

/// Each entry behind its length in two octets, the high one first.
pub(super) fn push_entry(bundle: &mut Vec<u8>, entry: &[u8]) -> Result<(), Error> {
    let length = u16::try_from(entry.len()).ok().filter(|length| *length < u16::MAX);
    let length = length.ok_or(Error::TooLong(entry.len()))?;
    bundle.extend(length.to_be_bytes());
    bundle.extend(entry);
    Ok(())
}

fn split_entries(mut octets: &[u8], width: usize, exact: bool) -> Result<Vec<Vec<u8>>, String> {
    let mut entries = Vec::with_capacity(width);
    while entries.len() < width {
        let cut = || format!("it ends in entry {} of its {width}", entries.len());
        let (length, rest) = octets.split_first_chunk().ok_or_else(cut)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(cut)?;
        entries.push(entry.to_vec());
        octets = rest;
    }
    if exact && !octets.is_empty() {
        return Err(format!("{} octets follow its {width} entries", octets.len()));
    }
    Ok(entries)
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    match fs::read(path) {
        Ok(octets) => Ok(Some(octets)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// The names in `folder`, none where it is not there.
pub(super) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", folder)(error)),
    };
    let names = listed.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(Error::io("list", folder))
}
