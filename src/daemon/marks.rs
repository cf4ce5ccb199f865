//! The small file beside the catalog that says which archive the folder is, looked at before anything is written or cut.
//! Knows nothing about what a catalog that belongs here says.

use std::io::ErrorKind;
use std::path::Path;

use super::owner::Error;
use crate::files;

const FORMAT_FILE: &str = "FORMAT";
const FORMAT: &str = "poplar archive, format 1\nid ";

/// The archive's id, where the folder has one. Another format is for another poplar.
pub(super) fn archive(folder: &Path) -> Result<Option<String>, Error> {
    let path = folder.join(FORMAT_FILE);
    let Some(text) = read(&path)? else { return Ok(None) };
    match text.strip_prefix(FORMAT) {
        Some(id) => Ok(Some(id.trim_end().to_owned())),
        None => Err(refused(&path, "not format 1 of an archive; the poplar that wrote it can read it")),
    }
}

/// Says which archive the folder is, or refuses one that is another.
pub(super) fn mark_archive(folder: &Path, marked: Option<String>, id: &str) -> Result<(), Error> {
    let path = folder.join(FORMAT_FILE);
    match marked {
        None => publish(&path, &format!("{FORMAT}{id}\n")),
        Some(marked) if marked == id => Ok(()),
        Some(marked) => {
            Err(refused(&path, &format!("this folder is archive {marked}, but its catalog.db is of archive {id}")))
        }
    }
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(refused(path, &error.to_string())),
    }
}

fn publish(path: &Path, text: &str) -> Result<(), Error> {
    files::publish(path, text.as_bytes()).map_err(|error| refused(path, &error.to_string()))
}

fn refused(path: &Path, problem: &str) -> Error {
    Error::Folder { path: path.to_owned(), problem: problem.to_owned() }
}
