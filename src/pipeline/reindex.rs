//! The index as its owner finds it: made anew where it is lost, damaged or of another version. Everything in it can be read
//! again.

use super::{Error, Holds};
use crate::index::Index;
use crate::telemetry;

/// The index of an archive, with everything that is missing in it due to be indexed.
pub(super) fn open(holds: &Holds) -> Result<Index, Error> {
    let opened = Index::create_or_open(&holds.index_folder()).and_then(|index| Ok((index.reader()?.count()?, index)));
    match opened {
        Ok((count, index)) => match missing(holds, count)? {
            None => Ok(index),
            Some(why) => {
                telemetry::index_rebuilding(&why);
                holds.catalog.index_lost(holds.clock.now())?;
                Ok(index)
            }
        },
        Err(error) if error.wants_rebuild() => anew(holds, &error.to_string()),
        Err(error) => Err(error.into()),
    }
}

/// Whether it is what was written. `None` if so; else why not.
pub(super) fn examined(holds: &Holds, index: &Index) -> Result<Option<String>, Error> {
    let counted = index.verify().and_then(|problems| Ok((problems, index.reader()?.count()?)));
    match counted {
        Ok((problems, count)) => match problems.first() {
            Some((file, problem)) => Ok(Some(format!("{}: {problem}", file.display()))),
            None => missing(holds, count),
        },
        Err(error) if error.wants_rebuild() => Ok(Some(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// An empty index in place of whatever stands there, and every message due for it. Nobody may be writing to the old one.
pub(super) fn anew(holds: &Holds, why: &str) -> Result<Index, Error> {
    telemetry::index_rebuilding(&why);
    let index = Index::anew(&holds.index_folder())?;
    holds.catalog.index_lost(holds.clock.now())?;
    Ok(index)
}

fn missing(holds: &Holds, count: u64) -> Result<Option<String>, Error> {
    let indexed = holds.catalog.indexed_count()?;
    Ok((count < indexed).then(|| format!("it holds {count} messages of {indexed}")))
}
