use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Depth, Report};
use crate::archive::Archive;
use crate::catalog::{self, PackRow};
use crate::mail::Timestamp;
use crate::store;

const LONGEST_WRITE: Duration = Duration::from_secs(3600);

/// An open pack that nothing in the catalog names. What it holds is not of the archive, and nobody removes it: a newer
/// catalog, which this one was put in the place of, may have known it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LeftOver {
    pub pack: u64,
    pub bytes: u64,
}

impl fmt::Display for LeftOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pack, bytes } = self;
        write!(
            f,
            "pack {pack} ({bytes} octets) is of no account: a crash left it, or another catalog knew it; `poplar rebuild` \
             takes in what mail it has"
        )
    }
}

impl Archive {
    /// Sealed packs of numbers that the catalog does not know.
    pub(super) fn check_strays(&self, packs: &[PackRow], depth: Depth, report: &mut Report) {
        let there = store::packs(&self.folder.join("packs")).unwrap_or_default();
        for stray in there.iter().filter(|files| packs.iter().all(|pack| pack.number != files.pack)) {
            self.check_stray(stray.pack, depth, report);
        }
    }

    /// A sealed pack that the catalog does not go by. One that has just been made is whole.
    pub(super) fn check_stray(&self, number: u64, depth: Depth, report: &mut Report) {
        let folder = self.folder.join("packs");
        let checked = match depth {
            Depth::Quick => store::read_sealed(&folder, number).map(drop),
            Depth::Full => store::check_sealed(&folder, number),
        };
        match checked {
            Ok(()) | Err(store::Error::Missing { .. }) => {}
            Err(error) => report.found(&format!("pack {number}"), error.to_string()),
        }
    }

    /// One that the owner has just begun, and is writing to, is none.
    pub(in crate::archive) fn left_over(&self) -> Result<Vec<LeftOver>, catalog::Error> {
        let known = self.catalog.packs()?;
        let last = known.iter().map(|row| row.number).max().unwrap_or(0);
        let there = store::packs(&self.folder.join("packs")).unwrap_or_default();
        let nameless = there.iter().filter(|files| files.open && known.iter().all(|row| row.number != files.pack));
        let left = nameless.filter(|files| files.pack < last || self.is_old(files.pack));
        Ok(left
            .filter_map(|files| Some(LeftOver { pack: files.pack, bytes: self.reader.length(files.pack)? }))
            .collect())
    }

    /// Whether nobody has written to an open pack for longer than a message takes.
    fn is_old(&self, pack: u64) -> bool {
        let written =
            store::open_path(&self.folder.join("packs"), pack).metadata().and_then(|file| file.modified()).ok();
        let since_1970 = written.and_then(|written| written.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
        Timestamp::from_millis(0).after(since_1970 + LONGEST_WRITE) < self.clock.now()
    }
}
