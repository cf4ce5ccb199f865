//! Destroys the octets of messages in which something was found, here or in the process that owns the archive.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fetch::Context;
use super::owner::{Options, Owner, Stages};
use super::requests::{self, Ask};
use super::seal::Failed;
use crate::archive;
use crate::catalog::{Catalog, ItemState, MessageRow, Stage};
use crate::config::Config;
use crate::mail::{BlobId, BlobIdPrefix, Clock, Verdict};
use crate::pipeline::{Progress, Purge};

/// What a person wants destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// A message's id, or that of octets that are sealed off, or the beginning of one.
    pub id: String,
    /// Every message that holds those octets, if there are several.
    pub all_messages: bool,
    pub reason: String,
    pub by: String,
}

/// The messages, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub messages: Vec<BlobId>,
    pub reason: String,
    pub by: String,
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Ids of the messages that are destroyed on record since now.
    #[schemars(with = "Vec<String>")]
    pub destroyed: Vec<BlobId>,
    /// Of the messages asked for, those that were before.
    #[schemars(with = "Vec<String>")]
    pub destroyed_before: Vec<BlobId>,
    /// Packs that hold their octets still, and why; the next start tries again.
    pub failed: Vec<Failed>,
    /// Why the index holds their words still; it is tried again.
    pub index: Option<String>,
    /// It was told to stop before all was done; the next start goes on.
    pub interrupted: bool,
}

/// Why nothing was destroyed. A person has to ask for it in another way.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error(
        "{} messages hold {id}. Nothing was destroyed; name one of them, or give --all-messages:\n{}",
        .messages.len(), .messages.join("\n")
    )]
    Several { id: String, messages: Vec<String> },
    #[error("{0} was released. Nothing was destroyed; to destroy it all the same, name the message that holds it")]
    Released(String),
    #[error("nothing was found in message {0}: only what is, or was, sealed off can be destroyed")]
    NothingFound(String),
    #[error("a reason is needed: it stays on record in the place of the mail")]
    NoReason,
}

/// An index that cannot be written is waited for so long.
const INDEX_WAIT: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// Destroys in this process if nobody owns the archive; else its owner does it, and this waits for the answer.
///
/// # Errors
///
/// [`Refused`], and [`archive::Error`] for an id that means nothing here: nothing has changed then.
pub async fn purge(
    config: &Config,
    wanted: Wanted,
    clock: Clock,
    progress: Arc<Progress>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let job = resolve(config, wanted)?;
    let options = Options { stages: Stages::IndexOnly, allow_freshclam: false };
    let work = async |owner: &Owner| Context::of(owner).purge(job.clone(), &progress, stop.clone()).await;
    requests::own_or_ask(config, &options, &clock, &Ask::Purge(job.clone()), &stop, work).await
}

/// The messages that are meant.
fn resolve(config: &Config, wanted: Wanted) -> anyhow::Result<Job> {
    let Wanted { id, all_messages, reason, by } = wanted;
    if reason.trim().is_empty() {
        return Err(Refused::NoReason.into());
    }
    let none = || archive::Error::NoArchive(config.data_dir.clone());
    let catalog = Catalog::beside(&config.data_dir)?.ok_or_else(none)?;
    let prefix: BlobIdPrefix = id.parse().map_err(|_| archive::Error::NotAnId(id.clone()))?;
    let items = catalog.held_with_prefix(&prefix)?;
    let rows = catalog.with_prefix(&prefix)?;
    let meant: BTreeSet<BlobId> =
        items.iter().map(|item| item.blob).chain(rows.iter().map(|row| row.message.id)).collect();
    if meant.len() > 1 {
        return Err(archive::Error::Ambiguous(id).into());
    }
    let rows = match (items.first(), rows.into_iter().next()) {
        (_, Some(row)) => vec![found_in(&catalog, row)?],
        (Some(item), None) if item.state == ItemState::Released => {
            return Err(Refused::Released(item.blob.short()).into());
        }
        (Some(item), None) => chosen(&item.blob, catalog.numbered(&catalog.occurrences(item.number)?)?, all_messages)?,
        (None, None) => return Err(archive::Error::NoMessage(id).into()),
    };
    Ok(Job { messages: rows.iter().map(|row| row.message.id).collect(), reason, by })
}

fn found_in(catalog: &Catalog, row: MessageRow) -> anyhow::Result<MessageRow> {
    if row.purged.is_some() || row.verdict == Verdict::Infected || !catalog.held_in(row.number)?.is_empty() {
        return Ok(row);
    }
    Err(Refused::NothingFound(row.message.id.short()).into())
}

/// The messages that hold an item: one, or all where that was said.
fn chosen(item: &BlobId, rows: Vec<MessageRow>, all_messages: bool) -> Result<Vec<MessageRow>, Refused> {
    let there: Vec<&MessageRow> = rows.iter().filter(|row| row.purged.is_none()).collect();
    if there.len() > 1 && !all_messages {
        let line = |row: &&MessageRow| {
            let subject = row.summary.subject.as_deref().unwrap_or("no subject");
            format!("  {} {subject}", row.message.id.short())
        };
        return Err(Refused::Several { id: item.short(), messages: there.iter().map(line).collect() });
    }
    Ok(rows)
}

impl Context {
    pub(super) async fn purge(
        &self,
        job: Job,
        progress: &Arc<Progress>,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let holds = self.door.holds.clone();
        let Job { messages, reason, by } = job;
        let purge = Purge { messages: messages.clone(), reason, by };
        let destroyed = tokio::task::spawn_blocking(move || holds.destroy(&purge)).await??;
        let holds = &self.door.holds;
        holds.catalog.retry_purging()?;
        holds.wake.purge.notify_one();
        holds.wake.index.notify_one();
        let mut rows = Vec::with_capacity(messages.len());
        for id in &messages {
            rows.extend(holds.catalog.message(id)?);
        }
        let before = messages.into_iter().filter(|id| !destroyed.contains(id)).collect();
        let outcome = Outcome { destroyed, destroyed_before: before, ..Outcome::default() };
        self.done(&rows, outcome, progress, stop).await
    }

    /// Waits until the octets are in no pack any more, and the words not in the index; or until that cannot be.
    async fn done(
        &self,
        rows: &[MessageRow],
        mut outcome: Outcome,
        progress: &Arc<Progress>,
        mut stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let catalog = &self.door.holds.catalog;
        let packs: BTreeSet<u64> = rows.iter().map(|row| row.place.0).collect();
        progress.want(packs.len() as u64);
        let mut trouble = Duration::ZERO;
        loop {
            let noted = catalog.purging()?;
            let noted: Vec<_> = noted.into_iter().filter(|noted| packs.contains(&noted.pack)).collect();
            (progress.read().1..(packs.len() - noted.len()) as u64).for_each(|_| progress.did(0));
            let mut waiting = false;
            for row in rows {
                waiting |= catalog.is_waiting(Stage::Index, row.number)?;
            }
            let why = self.index_trouble.why().filter(|_| waiting);
            trouble = if why.is_some() { trouble + LOOK } else { Duration::ZERO };
            let stopped = *stop.borrow();
            let packs_done = noted.iter().all(|noted| noted.error.is_some());
            if (packs_done && (!waiting || trouble > INDEX_WAIT)) || stopped {
                outcome.failed = noted
                    .iter()
                    .filter_map(|noted| Some(Failed { pack: noted.pack, error: noted.error.clone()? }))
                    .collect();
                outcome.index = why;
                outcome.interrupted = stopped && (!packs_done || waiting);
                return Ok(outcome);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                _ = stop.changed() => {}
            }
        }
    }
}
