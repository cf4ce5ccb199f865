//! Brings in mail that lies in files: single messages, mbox files, Maildirs, and folders of them.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::fetch::introduce;
use super::holds::Holds;
use super::keep::{Answer, Keeper, Share};
use super::mbox::Mbox;
use super::{Error, Progress};
use crate::mail::event::{Listed, Sighting, Uidl};
use crate::mail::{AccountId, BlobId, Fate};
use crate::store::{Incoming, Received};

/// What an import came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Messages found.
    pub read: u64,
    /// New to the archive.
    pub kept: u64,
    /// In the archive already.
    pub duplicates: u64,
    pub failed: Vec<Failure>,
    /// It was told to stop before it had looked at everything.
    pub interrupted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub path: PathBuf,
    pub error: String,
}

/// Answers waited for together: enough to fill the batches of the keeping stage.
const IN_FLIGHT: usize = 512;
/// Folders that may lie in each other below one that a person named.
const DEEPEST: usize = 100;

impl Keeper {
    /// Imports what lies at `paths` as mail of `account`. What cannot be read is named in the answer and skipped;
    /// an error ends the import, and what was kept stays kept; `stop` ends it after the message in hand. Blocks: not
    /// for threads that serve sockets.
    pub fn import(
        &self,
        holds: &Holds,
        account: &str,
        paths: &[PathBuf],
        progress: &Progress,
        stop: &watch::Receiver<bool>,
    ) -> Result<Imported, Error> {
        let id = introduce(holds, account.to_owned(), None, None)?;
        let mut known: HashMap<(Uidl, u32), BlobId> = HashMap::new();
        for row in holds.catalog.known(&id)? {
            known.extend(row.archived.map(|archived| ((row.listed.uidl, row.listed.ordinal), archived.message.id)));
        }
        let mut import = Import {
            keeper: self,
            holds,
            account: id,
            known,
            progress,
            stop,
            outcome: Imported::default(),
            answers: Vec::new(),
            root: PathBuf::new(),
            depth: 0,
        };
        for path in paths {
            import.path(path, Named::ByUser)?;
        }
        import.settle()?;
        Ok(import.outcome)
    }
}

/// Whether a person named a path, or it was come upon in a folder.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    ByUser,
    InFolder,
    InMaildir,
}

struct Import<'a> {
    keeper: &'a Keeper,
    holds: &'a Holds,
    account: AccountId,
    /// Places in files that were imported before, and what lay there.
    known: HashMap<(Uidl, u32), BlobId>,
    progress: &'a Progress,
    stop: &'a watch::Receiver<bool>,
    outcome: Imported,
    answers: Vec<(PathBuf, Answer)>,
    /// The folder that a person named.
    root: PathBuf,
    /// Folders that were entered and not left.
    depth: usize,
}

impl Import<'_> {
    fn path(&mut self, path: &Path, named: Named) -> Result<(), Error> {
        if self.stops() {
            return Ok(());
        }
        match Found::at(path, named, &self.root) {
            Ok(Found::Folder(path)) => {
                if named == Named::ByUser {
                    self.root.clone_from(&path);
                }
                self.enter(&path)
            }
            Ok(Found::Message(path)) => self.message(&path),
            Ok(Found::Mbox(path)) => self.mbox(&path),
            Ok(Found::SomethingElse) => Ok(()),
            Err(error) => {
                self.failed(path, &error);
                Ok(())
            }
        }
    }

    fn stops(&mut self) -> bool {
        self.outcome.interrupted |= *self.stop.borrow();
        self.outcome.interrupted
    }

    fn enter(&mut self, folder: &Path) -> Result<(), Error> {
        if self.depth == DEEPEST {
            let problem = format!("folders lie deeper in each other than {DEEPEST}; name this one to import it");
            self.failed(folder, &io::Error::other(problem));
            return Ok(());
        }
        self.depth += 1;
        let outcome = self.folder(folder);
        self.depth -= 1;
        outcome
    }

    fn folder(&mut self, folder: &Path) -> Result<(), Error> {
        let entries = std::fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                self.failed(folder, &error);
                return Ok(());
            }
        };
        entries.sort_by_key(std::fs::DirEntry::file_name);
        let is_maildir = ["cur", "new"].iter().all(|name| is_own_folder(&folder.join(name)));
        for entry in entries {
            let name = entry.file_name();
            let path = entry.path();
            match name.as_bytes() {
                b"tmp" if is_maildir => {}
                b"cur" | b"new" if is_maildir => self.maildir(&path)?,
                // Maildir++ keeps its subfolders under names with a dot; other such names are not mail.
                [b'.', ..] if !is_maildir || !path.is_dir() => {}
                _ => self.path(&path, Named::InFolder)?,
            }
        }
        Ok(())
    }

    fn maildir(&mut self, folder: &Path) -> Result<(), Error> {
        let mut paths: Vec<PathBuf> = match std::fs::read_dir(folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect(),
            Err(error) => {
                self.failed(folder, &error);
                return Ok(());
            }
        };
        paths.sort();
        paths.iter().try_for_each(|path| self.path(path, Named::InMaildir))
    }

    fn message(&mut self, path: &Path) -> Result<(), Error> {
        match self.read(path) {
            Ok((message, share)) => self.keep(path, 0, message, share),
            Err(Trouble::Here(error)) => Err(error),
            Err(Trouble::There(error)) => {
                self.failed(path, &error);
                Ok(())
            }
        }
    }

    fn read(&self, path: &Path) -> Result<(Received, Share), Trouble> {
        let (mut file, size_bytes) = open(path)?;
        let (mut incoming, share) = self.incoming(size_bytes).map_err(Trouble::Here)?;
        let mut piece = vec![0; 64 << 10];
        loop {
            match file.read(&mut piece)? {
                0 => return Ok((incoming.finish(), share)),
                length => incoming.write(&piece[..length]).map_err(|error| Trouble::Here(error.into()))?,
            }
        }
    }

    fn mbox(&mut self, path: &Path) -> Result<(), Error> {
        let (mut lines, size_bytes) = match open(path) {
            Ok((file, size_bytes)) => (BufReader::with_capacity(64 << 10, file), size_bytes),
            Err(error) => {
                self.failed(path, &error);
                return Ok(());
            }
        };
        let mut mbox = Mbox::default();
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut lines).take(64 << 10).read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    self.failed(path, &error);
                    return Ok(());
                }
            }
            if mbox.begins(&line) {
                self.end(path, &mut mbox)?;
                if self.stops() {
                    return Ok(());
                }
                mbox.begin(self.incoming(size_bytes)?);
            } else {
                mbox.line(&line)?;
            }
        }
        self.end(path, &mut mbox)
    }

    fn end(&mut self, path: &Path, mbox: &mut Mbox) -> Result<(), Error> {
        let Some((place, message, mut share)) = mbox.end() else { return Ok(()) };
        share.shrink(message.size_bytes());
        self.keep(path, place, message.finish(), share)
    }

    /// Room for a message of a file of this size; waits until there is memory for it.
    fn incoming(&self, file_bytes: u64) -> Result<(Incoming, Share), Error> {
        let share = Handle::current().block_on(self.keeper.budget.share(Some(file_bytes)))?;
        Ok((Incoming::new(&self.holds.spool(), share.bytes()), share))
    }

    fn keep(&mut self, path: &Path, place: u32, message: Received, share: Share) -> Result<(), Error> {
        self.outcome.read += 1;
        self.progress.want(1);
        let uidl = Uidl::new([b"file:", path.as_os_str().as_bytes()].concat());
        let mut ordinal = place;
        while let Some(there) = self.known.get(&(uidl.clone(), ordinal)) {
            if *there == message.id() {
                self.outcome.duplicates += 1;
                self.progress.did(message.size_bytes());
                return Ok(());
            }
            // The file holds something else now than when it was imported: what it held stays, and this is another.
            ordinal += 1;
        }
        self.known.insert((uidl.clone(), ordinal), message.id());
        self.progress.did(message.size_bytes());
        let listed = Listed { uidl, ordinal, listed_bytes: Some(message.size_bytes()) };
        let sighting = Sighting { account: self.account, listed };
        let answer = Handle::current().block_on(self.keeper.keep(message, sighting, share))?;
        self.answers.push((path.to_owned(), answer));
        if self.answers.len() >= IN_FLIGHT { self.settle() } else { Ok(()) }
    }

    fn settle(&mut self) -> Result<(), Error> {
        for (path, answer) in self.answers.drain(..) {
            match answer.blocking_recv().unwrap_or(Err(Error::Closing)) {
                Ok(kept) if kept.fate == Fate::Kept => self.outcome.kept += 1,
                Ok(_) => self.outcome.duplicates += 1,
                Err(Error::Refused(error)) => {
                    self.outcome.failed.push(Failure { path, error: error.to_string() });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn failed(&mut self, path: &Path, error: &io::Error) {
        self.outcome.failed.push(Failure { path: path.to_owned(), error: error.to_string() });
    }
}

/// Where reading a file into the archive can go wrong.
enum Trouble {
    /// The archive's disk: the import ends.
    Here(Error),
    /// The file: it is named and skipped.
    There(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::There(error)
    }
}

enum Found {
    Folder(PathBuf),
    Message(PathBuf),
    Mbox(PathBuf),
    SomethingElse,
}

impl Found {
    /// A link that a person names is followed, and within folders one to a file: one to a folder could lead in a circle.
    fn at(path: &Path, named: Named, root: &Path) -> io::Result<Self> {
        let metadata = path.metadata()?;
        let real = path.canonicalize()?;
        if metadata.is_dir() {
            return match named == Named::ByUser || is_own_folder(path) {
                true => Ok(Self::Folder(real)),
                // What it leads to is come upon anyway, or was.
                false if real.starts_with(root) => Ok(Self::SomethingElse),
                false => Err(io::Error::other("a link to a folder is not followed; name it to import what lies there")),
            };
        }
        match named {
            Named::InFolder | Named::InMaildir if !metadata.is_file() => Ok(Self::SomethingElse),
            _ => Self::file(real, named),
        }
    }

    /// What a person names is mail. In a folder, only what looks like it: `.eml`, `.mbox`, or a file that begins as
    /// an mbox file does.
    fn file(path: PathBuf, named: Named) -> io::Result<Self> {
        if named == Named::InMaildir {
            return Ok(Self::Message(path));
        }
        let mut start = Vec::new();
        open(&path)?.0.take(5).read_to_end(&mut start)?;
        let ending = path.extension().map(|ending| ending.to_ascii_lowercase()).unwrap_or_default();
        Ok(match (ending.as_bytes(), &start[..]) {
            (b"eml", _) => Self::Message(path),
            (b"mbox", _) | (_, b"From ") => Self::Mbox(path),
            _ if named == Named::ByUser => Self::Message(path),
            _ => Self::SomethingElse,
        })
    }
}

/// A folder, and not a link to one.
fn is_own_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Opens a regular file, and tells its size. Pipes and devices may have no end, or no beginning.
fn open(path: &Path) -> io::Result<(File, u64)> {
    let regular = |metadata: std::fs::Metadata| match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(io::Error::other("not a regular file")),
    };
    regular(path.metadata()?)?;
    // Should a pipe have taken its place since: opening it does not block.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    let size_bytes = regular(file.metadata()?)?;
    Ok((file, size_bytes))
}
