//! Destroys the octets of messages: first on signed record, then in the packs. What a crash leaves of it, the next owner
//! finishes.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use super::error::blocking;
use super::holds::{Holds, location};
use super::keep::Keeper;
use super::seal::{SEAL_LEVEL, unsealed};
use super::worker::stopping;
use super::{Error, Step, Work};
use crate::catalog::PackRow;
use crate::mail::event::Purged;
use crate::mail::{BlobId, Event};
use crate::store::{self, RecordKind};
use crate::telemetry;

/// A person's word that octets be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    pub messages: Vec<BlobId>,
    pub reason: String,
    pub by: String,
}

impl Holds {
    /// Puts on record that messages are destroyed; those that are already, or not here, are left out. From now on nobody is
    /// given their octets, and [`Purging`] removes them. The ids of those that were not destroyed before.
    pub fn destroy(&self, purge: &Purge) -> Result<Vec<BlobId>, Error> {
        let mut events = Vec::with_capacity(purge.messages.len());
        for id in &purge.messages {
            let Some(row) = self.catalog.message(id)?.filter(|row| row.purged.is_none()) else { continue };
            let (pack, ordinal) = row.place;
            let (reason, by) = (purge.reason.clone(), purge.by.clone());
            events.push(Purged { message: row.message, pack, ordinal, reason, by });
        }
        let ids: Vec<BlobId> = events.iter().map(|purged| purged.message.id).collect();
        self.tell(events.into_iter().map(Event::Purged).collect())?;
        ids.iter().for_each(telemetry::message_destroyed);
        Ok(ids)
    }

    /// Notes whether a pack that was just written, or found, holds octets of destroyed messages. Lets go of its old file.
    pub(super) fn look_for_destroyed(&self, pack: u64) -> Result<(), Error> {
        let destroyed = self.catalog.destroyed_in(pack)?;
        if destroyed.is_empty() {
            return Ok(());
        }
        self.reader.let_go(pack);
        let is_there = |ordinal| match self.reader.open(location((pack, ordinal))) {
            Err(store::Error::NoRecord(_) | store::Error::Missing { .. }) => false,
            Ok(_) | Err(_) => true,
        };
        match destroyed.iter().any(|record| is_there(record.ordinal)) {
            true => self.catalog.note_purging(pack)?,
            false => self.catalog.purged(pack, destroyed.len())?,
        }
        Ok(())
    }

    /// Open packs in which a batch that did not come to its end left octets of a message that is destroyed.
    fn with_leftovers(&self) -> Result<Vec<PackRow>, Error> {
        let mut destroyed = HashSet::new();
        for pack in self.catalog.packs()? {
            let records = self.catalog.destroyed_in(pack.number)?;
            destroyed.extend(records.iter().filter(|record| record.may_go).map(|record| record.id));
        }
        let mut found = Vec::new();
        for pack in unsealed(self)? {
            let mut holds_some = false;
            self.reader.list(&super::seal::packed(&pack), &mut |stored, _| {
                holds_some |= stored.kind == RecordKind::Message && destroyed.contains(&stored.id);
            })?;
            found.extend(holds_some.then_some(pack));
        }
        Ok(found)
    }
}

/// Writes packs anew without what is destroyed on record.
#[derive(Debug)]
pub struct Purging {
    holds: Holds,
    keeper: Keeper,
    /// The pack that was written anew last, and how often in a row.
    last: (u64, u32),
}

/// More may be destroyed while a pack is written anew; but not without end.
const ROUNDS: u32 = 8;

impl Purging {
    /// What failed before is tried again. A catalog that was made anew notes every pack that ever had to be purged.
    pub fn new(holds: Holds, keeper: Keeper) -> Result<Self, Error> {
        holds.catalog.retry_purging()?;
        for noted in holds.catalog.purging()? {
            holds.look_for_destroyed(noted.pack)?;
        }
        Ok(Self { holds, keeper, last: (0, 0) })
    }

    /// The first pack that is noted, and has not failed.
    fn next(&self) -> Result<Option<u64>, Error> {
        let noted = self.holds.catalog.purging()?;
        Ok(noted.into_iter().find(|noted| noted.error.is_none()).map(|noted| noted.pack))
    }

    async fn rewrite(&self, pack: u64, stopped: Arc<AtomicBool>) -> Result<(), Error> {
        // On signed record first: until then the octets count as wanted.
        self.keeper.sign().await?;
        let holds = self.holds.clone();
        let mut open: Vec<u64> = blocking(move || holds.with_leftovers()).await?.iter().map(|row| row.number).collect();
        open.extend(unsealed(&self.holds)?.iter().map(|row| row.number).filter(|number| *number == pack));
        if unsealed(&self.holds)?.last().is_some_and(|last| open.contains(&last.number)) {
            self.keeper.close_pack().await?;
        }
        let holds = self.holds.clone();
        open.retain(|number| *number != pack);
        blocking(move || {
            let mut rewriter = holds.rewriter();
            // The noted one last: until it is written anew, the next start knows that something is left to do.
            for number in open.into_iter().chain([pack]) {
                let row = holds.catalog.packs()?.into_iter().find(|row| row.number == number);
                row.map(|row| rewriter.seal(&row, SEAL_LEVEL, &stopped)).transpose()?;
            }
            Ok(())
        })
        .await
    }
}

impl Work for Purging {
    fn name(&self) -> &'static str {
        "purge"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let Some(pack) = self.next()? else {
            self.last = (0, 0);
            return Ok(Step::Idle(None));
        };
        self.last = (pack, if self.last.0 == pack { self.last.1 + 1 } else { 1 });
        let stopped = Arc::new(AtomicBool::new(false));
        let rewriting = self.rewrite(pack, stopped.clone());
        tokio::pin!(rewriting);
        let outcome = tokio::select! {
            outcome = &mut rewriting => outcome,
            () = stopping(stop) => {
                stopped.store(true, Ordering::Relaxed);
                rewriting.await
            }
        };
        match outcome {
            Ok(()) if self.last.1 >= ROUNDS && self.next()? == Some(pack) => {
                let why = "it was written anew, and the octets are still there; see `poplar verify`";
                self.holds.catalog.purging_failed(pack, why)?;
            }
            Ok(()) | Err(Error::Closing) => {}
            Err(error) => {
                telemetry::pack_not_purged(pack, &error);
                self.holds.catalog.purging_failed(pack, &error.to_string())?;
            }
        }
        Ok(Step::Worked)
    }
}
