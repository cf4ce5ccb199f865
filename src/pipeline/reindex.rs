//! The index as its owner finds it: made anew where it is lost, damaged or of another version. Everything in it can be read
//! again.

use super::{Error, Holds};
use crate::index::{self, Index};
use crate::telemetry;

/// What came of a look at the whole index.
pub(super) enum Examined {
    /// It is what was written, as it was opened for that.
    Sound(Box<Index>),
    /// Why not.
    Damaged(String),
}

/// The index of an archive, with everything that is missing in it due to be indexed.
pub(super) fn open(holds: &Holds) -> Result<Index, Error> {
    let folder = holds.index_folder();
    let opened = Index::create_or_open(&folder).and_then(|index| Ok((index.reader()?.count()?, index)));
    let index = match opened {
        Ok((count, index)) => match miscounted(holds, count)? {
            None => index,
            Some(why) => {
                telemetry::index_rebuilding(&why);
                holds.catalog.index_lost(holds.clock.now())?;
                index
            }
        },
        Err(error) if error.wants_rebuild() => anew(holds, &error.to_string())?,
        Err(error) => return Err(error.into()),
    };
    // What ended it may have been the index, or may have harmed it.
    if holds.catalog.owner()?.is_some() {
        index::suspect_of(&folder, "the last process that wrote to it did not end in good order");
    }
    Ok(index)
}

/// Reads the whole index, as it lies on the disk.
pub(super) fn examined(holds: &Holds, stop: &dyn Fn() -> bool) -> Result<Examined, Error> {
    let outcome = Index::open(&holds.index_folder()).and_then(|index| {
        let problems = index.verify(stop)?;
        Ok((problems, index.reader()?.count()?, index))
    });
    match outcome {
        _ if stop() => Err(Error::Closing),
        Ok((problems, count, index)) => Ok(match problems.first() {
            Some((file, problem)) => Examined::Damaged(format!("{}: {problem}", file.display())),
            None => miscounted(holds, count)?.map_or(Examined::Sound(Box::new(index)), Examined::Damaged),
        }),
        Err(error) if error.wants_rebuild() => Ok(Examined::Damaged(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// An empty index in place of whatever stands there, and every message due for it. Nobody may be writing to the old one.
pub(super) fn anew(holds: &Holds, why: &str) -> Result<Index, Error> {
    telemetry::index_rebuilding(&why);
    // In this order: whatever ends it between the two, nothing counts as indexed that is not in there.
    holds.catalog.index_lost(holds.clock.now())?;
    Ok(Index::anew(&holds.index_folder())?)
}

/// Why the index cannot be complete, or has what it should not.
fn miscounted(holds: &Holds, count: u64) -> Result<Option<String>, Error> {
    let least = holds.catalog.indexed_count()?;
    if count <= least {
        return Ok((count < least).then(|| format!("it holds {count} messages of {least}")));
    }
    let most = holds.catalog.indexable_count()?;
    Ok((count > most).then(|| format!("it holds {count} messages, and there are {most}")))
}
