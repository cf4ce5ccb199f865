//! The folder of a backup: laid out as an archive's, and changed all at once or not at all.
//!
//! Whatever the backup that lies there has, is left alone while the next one is made: files that are new to it go where
//! they belong, since they mean nothing to the older catalog; those that would replace one, the catalog and the journal's
//! checkpoint among them, go into `next/`. Once everything is durable, `next` is renamed to `ready`: before that the older
//! backup is whole, behind it the newer one. What is left is to rename the files of `ready` into their places, and whoever
//! opens the folder next does it again from the beginning. Only then is removed what the older one needed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::super::{marks, owner};
use crate::files::{self, Lock};

const NEXT: &str = "next";
const READY: &str = "ready";
const CATALOG: &str = "catalog.db";
/// What a folder may hold that is to take a first backup: what a crash leaves of the first steps, and what a file system
/// has by itself.
const HARMLESS: [&str; 4] = ["lock", "FORMAT.tmp", NEXT, "lost+found"];
/// Only a process that works with an archive makes this.
const OF_AN_OWNER: &str = "spool";

/// A folder that a backup, or a restore, cannot be made with, whatever is tried again: another must be given.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .folder.display())]
pub struct Refused {
    pub folder: PathBuf,
    pub problem: String,
}

pub(in crate::daemon) fn refused(folder: &Path, problem: impl Into<String>) -> anyhow::Error {
    Refused { folder: folder.to_owned(), problem: problem.into() }.into()
}

/// An I/O error with what failed on what, and advice where the disk is full.
pub(in crate::daemon) fn failed(action: &str, path: &Path) -> impl Fn(io::Error) -> anyhow::Error {
    move |error| {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let advice = if full { ". Make room on this disk, and try again" } else { "" };
        anyhow::anyhow!("cannot {action} {}: {error}{advice}", path.display())
    }
}

/// One process at a time has it.
#[derive(Debug)]
pub(in crate::daemon) struct Folder {
    path: PathBuf,
    _lock: Option<Lock>,
}

impl Folder {
    /// Opens or makes the folder for backups of the archive `id` in the folder `source`.
    pub(super) fn for_backup(path: &Path, source: &Path, id: &str) -> anyhow::Result<Self> {
        apart(path, source)?;
        if path.exists() && !path.is_dir() {
            return Err(refused(path, "this is not a folder"));
        }
        let marked = marks::archive(path)?;
        match &marked {
            Some(other) if other != id => {
                return Err(refused(path, format!("it holds a backup of archive {other}, and this is {id}")));
            }
            Some(_) if path.join(OF_AN_OWNER).exists() => {
                return Err(refused(path, "poplar works with the archive in this folder; a backup goes elsewhere"));
            }
            Some(_) => {}
            None => only_harmless(path)?,
        }
        files::create_private_dir(path).map_err(failed("use", path))?;
        let folder = Self { path: path.to_owned(), _lock: Some(owner::lock(path)?) };
        marks::mark_archive(path, marked, id)?;
        folder.settle()?;
        Ok(folder)
    }

    /// Opens the folder of a backup to read it, maybe from a medium that cannot be written to.
    pub(in crate::daemon) fn of_backup(path: &Path) -> anyhow::Result<Self> {
        if marks::archive(path)?.is_none() {
            return Err(refused(path, "there is no backup in this folder"));
        }
        let lock = match owner::lock(path) {
            Err(error @ owner::Error::Owned { .. }) => return Err(error.into()),
            outcome => outcome.ok(),
        };
        let folder = Self { path: path.to_owned(), _lock: lock };
        if folder.path.join(READY).exists() {
            folder.settle()?;
        }
        if !folder.has_backup() {
            return Err(refused(path, "the first backup into this folder never came to its end"));
        }
        Ok(folder)
    }

    pub(in crate::daemon) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has_backup(&self) -> bool {
        self.path.join(CATALOG).exists()
    }

    /// Where what replaces something is written.
    pub(super) fn next(&self) -> PathBuf {
        self.path.join(NEXT)
    }

    /// Where a file of this name is to be written.
    pub(super) fn place(&self, name: &Path) -> PathBuf {
        let taken = self.path.join(name).exists();
        if taken { self.next().join(name) } else { self.path.join(name) }
    }

    /// Begins a backup. What an earlier one left that did not come to its end is gone.
    pub(super) fn begin(&self) -> anyhow::Result<()> {
        remove(&self.next())?;
        for folder in ["", "packs", "journal", "secrets"].map(|name| self.next().join(name)) {
            files::create_private_dir(&folder).map_err(failed("make", &folder))?;
        }
        for folder in ["packs", "journal", "secrets"].map(|name| self.path.join(name)) {
            files::create_private_dir(&folder).map_err(failed("make", &folder))?;
        }
        Ok(())
    }

    /// Gives back the room of a backup that does not come to its end.
    pub(super) fn give_up(&self) {
        drop(remove(&self.next()));
    }

    /// The moment at which the newer backup takes the place of the older. All of it is durable.
    pub(super) fn commit(&self) -> anyhow::Result<()> {
        let ready = self.path.join(READY);
        files::move_in(&self.next(), &ready).map_err(failed("rename", &self.next()))?;
        self.settle()
    }

    fn settle(&self) -> anyhow::Result<()> {
        let ready = self.path.join(READY);
        if ready.exists() {
            self.put_in_place(Path::new(""))?;
            remove(&ready)?;
            files::sync_dir(&self.path).map_err(failed("use", &self.path))?;
        }
        Ok(())
    }

    fn put_in_place(&self, name: &Path) -> anyhow::Result<()> {
        let from = self.path.join(READY).join(name);
        for entry in fs::read_dir(&from).map_err(failed("list", &from))? {
            let entry = entry.map_err(failed("list", &from))?;
            let name = name.join(entry.file_name());
            if entry.path().is_dir() {
                self.put_in_place(&name)?;
                continue;
            }
            if name == Path::new(CATALOG) {
                // A log that somebody's look at the older one left must not be taken for one of this.
                for suffix in ["-wal", "-shm"] {
                    remove(&self.path.join(format!("{CATALOG}{suffix}")))?;
                }
            }
            let to = self.path.join(&name);
            files::move_in(&entry.path(), &to).map_err(failed("rename to", &to))?;
        }
        Ok(())
    }
}

/// A file or a folder with all in it, if it is there.
pub(in crate::daemon) fn remove(path: &Path) -> anyhow::Result<()> {
    let outcome = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match outcome {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

/// A backup inside the archive would go with it, and one around it would be no backup.
pub(in crate::daemon) fn apart(path: &Path, archive: &Path) -> anyhow::Result<()> {
    let (Some(one), Some(other)) = (whole(path), whole(archive)) else { return Ok(()) };
    if one.starts_with(&other) || other.starts_with(&one) {
        return Err(refused(path, format!("the archive is in {}; a backup needs a folder apart", archive.display())));
    }
    Ok(())
}

/// The path without links, as far as it is there.
fn whole(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|above| {
        let there = above.canonicalize().ok()?;
        Some(there.join(path.strip_prefix(above).ok()?))
    })
}

fn only_harmless(path: &Path) -> anyhow::Result<()> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(failed("list", path))?,
    };
    for entry in entries {
        let name = entry.map_err(failed("list", path))?.file_name();
        if !HARMLESS.iter().any(|harmless| name == *harmless) {
            let problem = format!("it holds {}, and no backup; give an empty folder", name.display());
            return Err(refused(path, problem));
        }
    }
    Ok(())
}
