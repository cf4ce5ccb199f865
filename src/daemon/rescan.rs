//! Has messages scanned again, or tried again where they are stuck; here or in the process that owns the archive.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::fetch::{Context, Left};
use super::owner::{Options, Owner};
use super::requests::{self, Ask, Serving};
use crate::archive::Archive;
use crate::config::Config;
use crate::mail::event::Rescanned;
use crate::mail::{Clock, Event, Timestamp, Verdict};

/// What is to be done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Scan every message that the query finds, or every one there is.
    Rescan { query: Option<String>, wait_ms: u64 },
    /// Try again what failed, of these messages (ids in hex, or their beginnings) or of all.
    Requeue { ids: Vec<String> },
}

/// What became of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// Messages that were scanned again, or are tried again now.
    pub messages: u64,
    /// Messages with another verdict than before.
    pub changed: u64,
    /// Of those, infected now.
    pub infected: u64,
    /// Still to be scanned.
    pub waiting: u64,
    /// Why they wait.
    pub scanner: Option<String>,
    /// How the query was read, where that may surprise.
    pub notes: Vec<String>,
}

pub async fn again(
    config: &Config,
    job: Job,
    options: &Options,
    clock: Clock,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<Outcome> {
    let ask = Ask::Again(job.clone());
    requests::own_or_ask(config, options, &clock, &ask, &stop, async |owner: &Owner| {
        let serving = Serving::start(owner, std::sync::Arc::new(config.clone()), stop.clone())?;
        let outcome = Context::of(owner).again(&job, stop.clone()).await;
        serving.finish().await;
        outcome
    })
    .await
}

/// Rows that are made due in one transaction.
const AT_ONCE: usize = 10_000;

impl Context {
    pub(super) async fn again(&self, job: &Job, stop: watch::Receiver<bool>) -> anyhow::Result<Outcome> {
        match job {
            Job::Rescan { query, wait_ms } => {
                self.rescan(query.as_deref(), Duration::from_millis(*wait_ms), stop).await
            }
            Job::Requeue { ids } => self.requeue(ids),
        }
    }

    async fn rescan(
        &self,
        query: Option<&str>,
        wait: Duration,
        stop: watch::Receiver<bool>,
    ) -> anyhow::Result<Outcome> {
        let holds = &self.door.holds;
        let (began, before) = (holds.clock.now(), self.verdicts()?);
        let matching = self.archive().matching(query.unwrap_or_default())?;
        let mut outcome = Outcome { notes: matching.notes, ..Outcome::default() };
        for numbers in matching.numbers.chunks(AT_ONCE) {
            outcome.messages += holds.catalog.scan_again(numbers, began)?;
        }
        holds.wake.scan.notify_one();
        let Left { unscanned, scanner, .. } = self.settled(wait, stop).await?;
        (outcome.waiting, outcome.scanner) = (unscanned, scanner);
        let after = self.verdicts()?;
        (outcome.changed, outcome.infected) = compared(&matching.numbers, &before, &after);
        self.told(query, began, &outcome)?;
        Ok(outcome)
    }

    fn told(&self, query: Option<&str>, began: Timestamp, outcome: &Outcome) -> anyhow::Result<()> {
        let why = query.map_or_else(|| "asked for: all".to_owned(), |query| format!("asked for: {query}"));
        let Outcome { messages, changed, infected, .. } = *outcome;
        let rescanned = Rescanned { why, signature_set: String::new(), began, messages, parts: 0, changed, infected };
        Ok(self.door.holds.tell(vec![Event::Rescanned(rescanned)])?)
    }

    fn requeue(&self, ids: &[String]) -> anyhow::Result<Outcome> {
        let (holds, archive) = (&self.door.holds, self.archive());
        let found: Result<Vec<u64>, _> = ids.iter().map(|id| archive.find(id).map(|row| row.number)).collect();
        let found = found?;
        let messages = holds.catalog.requeue(&found, holds.clock.now())?;
        let documents = holds.catalog.retry_documents(&found)?;
        for stage in [&holds.wake.scan, &holds.wake.index, &holds.wake.extract] {
            stage.notify_one();
        }
        let messages = messages.union(&documents).count() as u64;
        Ok(Outcome { messages, ..Outcome::default() })
    }

    fn archive(&self) -> Archive {
        let holds = &self.door.holds;
        Archive::of(&holds.folder, holds.catalog.clone(), holds.reader.clone(), holds.clock.clone())
    }

    /// The verdict of each message that is not clean, by number.
    fn verdicts(&self) -> anyhow::Result<Vec<(Verdict, Vec<u64>)>> {
        let not_clean = Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Clean);
        let numbers = |verdict| Ok((verdict, self.door.holds.catalog.numbers_with_verdict(&[verdict])?));
        not_clean.map(numbers).collect()
    }
}

/// How many of the messages have another verdict now, and how many of those are infected.
fn compared(numbers: &[u64], before: &[(Verdict, Vec<u64>)], after: &[(Verdict, Vec<u64>)]) -> (u64, u64) {
    let of = |verdicts: &[(Verdict, Vec<u64>)], number: &u64| {
        let found = verdicts.iter().find(|(_, numbers)| numbers.binary_search(number).is_ok());
        found.map_or(Verdict::Clean, |(verdict, _)| *verdict)
    };
    let changed = numbers.iter().filter(|number| of(before, number) != of(after, number));
    changed.fold((0, 0), |(changed, infected), number| {
        (changed + 1, infected + u64::from(of(after, number) == Verdict::Infected))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_told_by_the_verdicts_before_and_after() {
        let before = [(Verdict::Suspicious, vec![2]), (Verdict::Infected, vec![3])];
        let after = [(Verdict::Infected, vec![1, 2, 9])];
        assert_eq!(compared(&[1, 2, 3, 4], &before, &after), (3, 2));
        assert_eq!(compared(&[], &before, &after), (0, 0));
    }
}
