//! Looks after what is kept, while nothing asks for it: every pack, the journal, the catalog and the index are read and
//! checked again at least as often as the settings say; and, where they ask for it, a rebuild is rehearsed.
//! Repairs nothing: what it finds is on record, and in `status`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::archive::{Archive, Pace, Report};
use crate::catalog::{self, Catalog, Check, Compared, PackRow};
use crate::config;
use crate::mail::event::Drilled;
use crate::mail::{Event, Timestamp};
use crate::pipeline::{self, Error, Holds, Keeper, Progress, Step, Work};
use crate::{files, telemetry};

/// Catalog, journal and index are small and change all the time: they are looked at more often than packs.
const BOOKS_EVERY: Duration = Duration::from_secs(24 * 3600);
/// An index that was found damaged is being made anew: soon there is good news to tell.
const INDEX_AGAIN: Duration = Duration::from_secs(600);
/// Something is due so long before it would be too late.
const MARGIN: u32 = 10;

/// The stage.
pub(super) struct Scrub {
    holds: Holds,
    keeper: Keeper,
    settings: config::Verify,
    stopped: Arc<AtomicBool>,
}

/// What is due.
enum Due {
    Pack(PackRow),
    Books,
    Drill,
    Nothing(Option<Timestamp>),
}

impl Scrub {
    pub(super) fn new(holds: Holds, keeper: Keeper, settings: config::Verify) -> Self {
        Self { holds, keeper, settings, stopped: Arc::default() }
    }

    fn due(&self) -> Result<Due, Error> {
        let (catalog, now) = (&self.holds.catalog, self.holds.clock.now());
        // What was done in the future was done while the clock was ahead: nobody knows when.
        let past = |last: Option<Timestamp>| last.filter(|last| *last <= now);
        let next = |last, every: Duration| past(last).map(|last| last.after(every - every / MARGIN));
        let is_due = |when: Option<Timestamp>| when.is_none_or(|when| when <= now);
        let mut waits = Vec::new();
        if let Some(every) = self.settings.every {
            let oldest = catalog.packs()?.into_iter().min_by_key(|pack| past(pack.checked).map(Timestamp::as_millis));
            if let Some(pack) = oldest {
                let when = next(pack.checked, every);
                if is_due(when) {
                    return Ok(Due::Pack(pack));
                }
                waits.extend(when);
            }
            let last = catalog.last_check("books")?;
            let when = next(last.as_ref().map(|last| last.at), every.min(books_every(last.as_ref())));
            if is_due(when) {
                return Ok(Due::Books);
            }
            waits.extend(when);
        }
        if let Some(every) = self.settings.drill_every {
            let when = next(catalog.drilled()?, every);
            if is_due(when) {
                return Ok(Due::Drill);
            }
            waits.extend(when);
        }
        Ok(Due::Nothing(waits.into_iter().min()))
    }

    /// Over a connection of its own: nothing that is kept waits for a check of the whole catalog.
    fn archive(&self) -> Result<Archive, Error> {
        let Holds { folder, catalog, reader, clock, .. } = &self.holds;
        Ok(Archive::of(folder, Arc::new(catalog.another()?), reader.clone(), clock.clone()))
    }

    async fn check(&self, pack: Option<PackRow>) -> Result<(), Error> {
        let (archive, rate, stopped) = (self.archive()?, self.settings.rate, self.stopped.clone());
        let catalog = self.holds.catalog.clone();
        let now = self.holds.clock.now();
        let checked = tokio::task::spawn_blocking(move || -> Result<Report, catalog::Error> {
            let Some(pack) = pack else { return Ok(archive.verify_books()) };
            let stop = || stopped.load(Ordering::Relaxed);
            let report = archive.verify_pack(&pack, &mut Pace::new(Some(rate), &mut |_, _| {}).until(&stop));
            // Also a damaged one: it has been told, and the others want to be looked at too.
            catalog.pack_checked(pack.number, now)?;
            Ok(report)
        });
        let report = checked.await.map_err(|_| Error::Closing)??;
        report.damage.iter().for_each(|damage| telemetry::damage_found(&damage.object, &damage.problem));
        Ok(())
    }

    /// Rebuilds the catalog beside the archive, compares it with a copy of the living one, and throws both away.
    async fn drill(&self) -> Result<(), Error> {
        let (holds, keeper) = (self.holds.clone(), self.keeper.clone());
        let place = Place(self.holds.folder.join("drill"));
        let living = place.begin(&holds.catalog)?;
        // What the copy knows is signed by now.
        keeper.sign().await?;
        let folder = holds.folder.clone();
        let drilled = tokio::task::spawn_blocking(move || place.rehearse(&living, &folder)).await;
        let drilled = drilled.map_err(|_| Error::Closing)??;
        drilled.differences.iter().for_each(|difference| telemetry::damage_found("drill", difference));
        Ok(self.holds.tell(vec![Event::Drilled(drilled)])?)
    }
}

fn books_every(last: Option<&Check>) -> Duration {
    let is_mended =
        |last: &Check| !last.damage.is_empty() && last.damage.iter().all(|found| found.starts_with("index"));
    if last.is_some_and(is_mended) { INDEX_AGAIN } else { BOOKS_EVERY }
}

impl Work for Scrub {
    fn name(&self) -> &'static str {
        "scrub"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let stopped = self.stopped.clone();
        let work = async {
            match self.due()? {
                Due::Pack(pack) => self.check(Some(pack)).await?,
                Due::Books => self.check(None).await?,
                Due::Drill => self.drill().await?,
                Due::Nothing(when) => return Ok(Step::Idle(when)),
            }
            Ok(Step::Worked)
        };
        tokio::pin!(work);
        tokio::select! {
            outcome = &mut work => outcome,
            () = pipeline::stopping(stop) => {
                // It reads on at full speed, to the end of the pack at the most.
                stopped.store(true, Ordering::Relaxed);
                Err(Error::Closing)
            }
        }
    }
}

/// The folder of a rehearsal; gone when it is dropped.
struct Place(PathBuf);

impl Place {
    /// A copy of the living catalog, in a folder that a crash may have left something in.
    fn begin(&self, catalog: &Catalog) -> Result<Catalog, Error> {
        let trouble = |error: std::io::Error| Error::Setup(format!("{}: {error}", self.0.display()));
        drop(fs::remove_dir_all(&self.0));
        files::create_private_dir(&self.0).map_err(trouble)?;
        files::create_private_dir(&self.made()).map_err(trouble)?;
        catalog.another()?.snapshot(&self.0)?;
        Catalog::beside(&self.0)?.ok_or_else(|| Error::Setup("the copy of the catalog is empty".to_owned()))
    }

    fn made(&self) -> PathBuf {
        self.0.join("made")
    }

    fn rehearse(&self, living: &Catalog, archive: &Path) -> Result<Drilled, Error> {
        let upto = living.entry_count()?;
        let rebuilt = pipeline::rebuild_upto(archive, &self.made(), upto, &Progress::default())?;
        let damage = rebuilt.damage.into_iter().map(|(object, problem)| format!("{object}: {problem}"));
        let differences = living.differences(&self.made().join("catalog.db"), Compared::Facts)?;
        Ok(Drilled { entries: rebuilt.entries, differences: damage.chain(differences).collect() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed before the next rehearsal.
        drop(fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_index_alone_is_looked_at_again_soon() {
        let check = |damage: &[&str]| Check {
            at: Timestamp::from_millis(0),
            damage: damage.iter().copied().map(str::to_owned).collect(),
        };
        assert_eq!(books_every(None), BOOKS_EVERY);
        assert_eq!(books_every(Some(&check(&[]))), BOOKS_EVERY);
        assert_eq!(
            books_every(Some(&check(&["index/ab.term: its checksum is wrong", "index: it is gone"]))),
            INDEX_AGAIN
        );
        assert_eq!(books_every(Some(&check(&["index: it is gone", "catalog.db: no table"]))), BOOKS_EVERY);
    }
}
