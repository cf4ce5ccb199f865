//! The files of packs in their folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::format::{FRAME_HEADER_BYTES, FrameHeader, FrameKind, PACK_HEADER_BYTES, PackKind};
use super::frames::{PackFile, record_header};
use super::packs::Pack;
use super::sealed::SealedPack;
use super::{Error, Extent, Sealed};
use crate::files;

const OPEN: &str = "open";
const SEALED: &str = "pack";
/// What a sealing leaves that was cut off before its end.
pub(super) const DRAFT: &str = ".pack.tmp";

/// `00000001.open`: a pack while it grows, and until it is sealed.
pub fn open_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.{OPEN}"))
}

/// `00000001.pack`: a sealed one.
pub fn sealed_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.{SEALED}"))
}

/// The files of one pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackFiles {
    pub pack: u64,
    /// Whether `NNNNNNNN.open` is there.
    pub open: bool,
    /// Whether `NNNNNNNN.pack` is there.
    pub sealed: bool,
}

/// What packs there are, by number.
pub fn packs(folder: &Path) -> Result<Vec<PackFiles>, Error> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let path = entry.map_err(Error::io("list", folder))?.path();
        let Some((pack, kind)) = pack_of(&path) else { continue };
        let files = found.entry(pack).or_insert(PackFiles { pack, open: false, sealed: false });
        match kind {
            PackKind::Open => files.open = true,
            PackKind::Sealed => files.sealed = true,
        }
    }
    Ok(found.into_values().collect())
}

/// What pack a file is by its name, if it is one.
fn pack_of(path: &Path) -> Option<(u64, PackKind)> {
    let kind = match path.extension()?.to_str()? {
        OPEN => PackKind::Open,
        SEALED => PackKind::Sealed,
        _ => return None,
    };
    Some((path.file_stem()?.to_str()?.parse().ok()?, kind))
}

/// How far an open pack counts, for a catalog that is made anew: as far as `signed`, which a checkpoint says, whatever is
/// damaged there; and behind it as far as every frame is whole, and the last record. Beyond, the torn end of a batch and
/// damage look alike.
pub fn whole_extent(folder: &Path, number: u64, signed: Option<&Extent>) -> Result<Extent, Error> {
    let pack = PackFile::open(open_path(folder, number), number, PackKind::Open)?;
    let empty = Extent { pack: number, bytes: PACK_HEADER_BYTES as u64, records: 0 };
    let mut whole = signed.copied().unwrap_or(empty);
    let (mut at, mut records, mut missing) = (whole.bytes, whole.records, 0);
    while let Some((frame, plain)) = pack.whole_frame(at)? {
        missing = match frame.kind {
            FrameKind::Records if missing == 0 && frame.first_ordinal == records => {
                records = frame.next_ordinal();
                let Ok(missing) = missing_behind(&plain, frame.records) else { break };
                missing
            }
            FrameKind::Continuation if (1..=missing).contains(&(plain.len() as u64)) => missing - plain.len() as u64,
            _ => break,
        };
        at = frame.end();
        if missing == 0 {
            whole = Extent { pack: number, bytes: at, records };
        }
    }
    Ok(whole)
}

/// How many octets of a frame's last record the frames behind it must hold.
fn missing_behind(plain: &[u8], records: u32) -> Result<u64, String> {
    let mut at = 0;
    for _ in 0..records {
        let header = record_header(plain, usize::try_from(at).unwrap_or(usize::MAX))?;
        at = (at + super::format::RECORD_HEADER_BYTES as u64).saturating_add(header.size_bytes);
    }
    at.checked_sub(plain.len() as u64).ok_or_else(|| "octets behind the last record".to_owned())
}

/// Whether an open pack has no whole frame, or ends octet for octet before its first record does: as a kill leaves it within
/// a long message. No catalog ever named anything in it, not even one that is newer than ours: a batch is whole on the
/// disk before it is committed. Where it looks otherwise, it may be damage of what was, and the answer is no.
pub(super) fn ends_before_a_record(folder: &Path, number: u64) -> bool {
    let path = open_path(folder, number);
    let pack = match PackFile::open(path.clone(), number, PackKind::Open) {
        Ok(pack) => pack,
        // Before there is a frame, the header is durable.
        Err(Error::Damaged { .. }) => return path.metadata().is_ok_and(|file| file.len() <= PACK_HEADER_BYTES as u64),
        Err(_) => return false,
    };
    match pack.whole_frame(PACK_HEADER_BYTES as u64) {
        Ok(Some((first, plain))) if first.records == 1 => {
            missing_behind(&plain, 1).is_ok_and(|missing| ends_within(&pack, &first, missing).unwrap_or(false))
        }
        Ok(None) => matches!(pack.search(PACK_HEADER_BYTES as u64, u64::MAX), Ok(None)),
        Ok(Some(_)) | Err(_) => false,
    }
}

/// Whether the file ends before the `missing` octets of the record that begins in `first` do.
fn ends_within(pack: &PackFile, first: &FrameHeader, mut missing: u64) -> Result<bool, Error> {
    let (length, mut at) = (pack.length()?, first.end());
    while missing > 0 {
        if at + FRAME_HEADER_BYTES as u64 > length {
            return Ok(true);
        }
        let frame = pack.frame_at(at)?;
        let plain_bytes = u64::from(frame.plain_bytes);
        if frame.kind != FrameKind::Continuation || plain_bytes == 0 || plain_bytes > missing {
            return Ok(false);
        }
        at = frame.end();
        if at > length {
            return Ok(true);
        }
        missing -= plain_bytes;
    }
    Ok(false)
}

/// What is known of a sealed pack from its own table and trailer: for a catalog that does not know of it yet.
pub fn read_sealed(folder: &Path, number: u64) -> Result<Sealed, Error> {
    SealedPack::open(sealed_path(folder, number), number)?.summary()
}

/// The same of a pack that may be damaged, as far as trailer and table can be read: for a catalog that is made anew. What
/// is wrong with them, listing its records says.
pub fn readable_sealed(folder: &Path, number: u64) -> Result<Sealed, Error> {
    Ok(SealedPack::open(sealed_path(folder, number), number)?.readable()?.0)
}

/// The id of the archive that a pack was written for, as its header says.
pub fn archive_of(folder: &Path, files: &PackFiles) -> Result<[u8; 16], Error> {
    let number = files.pack;
    let pack = if files.sealed { Pack::sealed(folder, number)? } else { Pack::open(folder, number)? };
    Ok(pack.file().header.archive)
}

/// Whether a sealed pack is whole: its table, its trailer, and the hash over all of it.
pub fn check_sealed(folder: &Path, number: u64) -> Result<(), Error> {
    SealedPack::open(sealed_path(folder, number), number)?.check_whole()
}

/// Removes the open pack whose sealed one the catalog knows by now. Does nothing where there is none.
///
/// # Errors
///
/// [`Error::Damaged`] or [`Error::Missing`] where the sealed pack is not there whole; the open one stays then.
pub fn remove_open(folder: &Path, number: u64) -> Result<(), Error> {
    let path = open_path(folder, number);
    if !path.exists() {
        return Ok(());
    }
    check_sealed(folder, number)?;
    fs::remove_file(&path).map_err(Error::io("remove", &path))?;
    files::sync_dir(folder).map_err(Error::io("open", folder))
}

/// Removes what sealings left that were cut off.
pub(super) fn sweep_drafts(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("list", folder))? {
        let entry = entry.map_err(Error::io("list", folder))?;
        if entry.file_name().as_encoded_bytes().ends_with(DRAFT.as_bytes()) {
            fs::remove_file(entry.path()).map_err(Error::io("remove", &entry.path()))?;
        }
    }
    Ok(())
}
