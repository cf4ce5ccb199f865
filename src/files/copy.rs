use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::ioctl_ficlone;

use super::{Draft, sync_dir};

/// How a file came to its second place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Another name of the same file.
    Linked,
    /// A file of its own that shares its blocks until one of the two is changed.
    Cloned,
    /// Octet for octet.
    Copied,
}

/// What a copy came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    pub way: Way,
    /// Length of the copy.
    pub bytes: u64,
    /// Octets that the disk did not give; they are zeros in the copy.
    pub unreadable_bytes: u64,
}

const PIECE_BYTES: usize = 1 << 20;
/// What is given up at once where the disk gives nothing.
const BLOCK_BYTES: usize = 4096;

/// Publishes at `to`, where nothing is, a file that is never changed in place: by a hard link where both places are on
/// one file system, else as [`copy`] does.
pub fn link_or_copy(from: &Path, to: &Path) -> io::Result<Copied> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_file() && fs::hard_link(from, to).is_ok() {
        sync_dir(to.parent().unwrap_or(Path::new(".")))?;
        return Ok(Copied { way: Way::Linked, bytes: metadata.len(), unreadable_bytes: 0 });
    }
    copy(from, to, u64::MAX)
}

/// Publishes at `to` the first `most_bytes` octets of `from`, which may grow meanwhile; all where it has fewer.
pub fn copy(from: &Path, to: &Path, most_bytes: u64) -> io::Result<Copied> {
    let source = File::open(from)?;
    let bytes = source.metadata()?.len().min(most_bytes);
    let draft = Draft::create(to)?;
    let (way, unreadable_bytes) = match ioctl_ficlone(draft.file(), &source) {
        Ok(()) => {
            draft.file().set_len(bytes)?;
            (Way::Cloned, 0)
        }
        Err(_) => (Way::Copied, fill(&source, draft.file(), bytes)?),
    };
    draft.publish()?;
    Ok(Copied { way, bytes, unreadable_bytes })
}

/// How many octets could not be read.
fn fill(source: &File, copy: &File, bytes: u64) -> io::Result<u64> {
    let mut octets = vec![0; PIECE_BYTES];
    let (mut at, mut unreadable) = (0, 0);
    while at < bytes {
        let piece = usize::try_from(bytes - at).unwrap_or(usize::MAX).min(PIECE_BYTES);
        unreadable += read_around(source, &mut octets[..piece], at)?;
        copy.write_all_at(&octets[..piece], at)?;
        at += piece as u64;
    }
    Ok(unreadable)
}

/// Reads what can be read; a bad block is not the end of what lies behind it.
fn read_around(source: &File, octets: &mut [u8], at: u64) -> io::Result<u64> {
    match source.read_exact_at(octets, at) {
        Err(error) if is_bad_block(&error) => {}
        outcome => return outcome.map(|()| 0),
    }
    let mut unreadable = 0;
    for (nth, block) in octets.chunks_mut(BLOCK_BYTES).enumerate() {
        match source.read_exact_at(block, at + (nth * BLOCK_BYTES) as u64) {
            Err(error) if is_bad_block(&error) => {
                block.fill(0);
                unreadable += block.len() as u64;
            }
            outcome => outcome?,
        }
    }
    Ok(unreadable)
}

fn is_bad_block(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_ends_where_it_should_and_a_link_is_the_same_file() {
        use std::os::unix::fs::MetadataExt;

        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let octets: Vec<u8> = (0..2_500_000_u32).map(|n| (n % 251) as u8).collect();
        super::super::publish(&at("first"), &octets).unwrap();
        for (most, length) in [(0, 0), (1 << 20, 1 << 20), (1_500_000, 1_500_000), (u64::MAX, octets.len())] {
            let copied = copy(&at("first"), &at("copy"), most).unwrap();
            assert_eq!((copied.bytes, copied.unreadable_bytes), (length as u64, 0));
            assert!(fs::read(at("copy")).unwrap() == octets[..length]);
        }
        assert_eq!(link_or_copy(&at("first"), &at("link")).unwrap().way, Way::Linked);
        assert_eq!(at("link").metadata().unwrap().ino(), at("first").metadata().unwrap().ino());
        assert_ne!(at("copy").metadata().unwrap().ino(), at("first").metadata().unwrap().ino());
        assert_eq!(copy(&at("nothing"), &at("copy"), 1).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
