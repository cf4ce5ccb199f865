//! Has the scanner look at every view of every message: the octets as they came, each decoded part, each further reading.

mod again;
mod judge;
mod look;
mod record;
mod scanner;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::again::Again;
use self::look::{Looking, Seen};
use self::record::{Outcome, Recording};
use self::scanner::Desk;
use super::error::{blocking, guarded};
use super::holds::Holds;
use super::worker::stopping;
use super::{Error, Step, Work};
use crate::catalog::{MessageRow, Stage, Task};
use crate::mail::{SignatureFamilies, Timestamp};
use crate::net::clamd::Pool;

pub use scanner::{Engine, Scanner, ScannerState};

/// Messages of one step.
const BATCH: u32 = 256;
/// Of those, looked at at a time, …
const AT_A_TIME: usize = 24;
/// … and recorded together.
const RECORDED: usize = 64;

/// The stage.
pub struct Scanning {
    holds: Holds,
    desk: Desk,
    families: Arc<SignatureFamilies>,
    looking: Option<Looking>,
    failures: u32,
}

impl Scanning {
    pub fn new(
        holds: Holds,
        scanner: Scanner,
        pool: Pool,
        families: SignatureFamilies,
        engine: impl Engine + 'static,
    ) -> Self {
        let desk = Desk::new(pool, scanner, Arc::new(engine));
        Self { holds, desk, families: Arc::new(families), looking: None, failures: 0 }
    }

    /// Asks who scans now, and with what. `None` while nobody does.
    async fn ready(&mut self) -> Result<Option<Looking>, Error> {
        let Some(standing) = self.desk.standing().await else {
            self.failures += 1;
            return Ok(None);
        };
        self.failures = 0;
        match &self.looking {
            Some(looking) if *looking.standing == standing => {}
            _ => {
                Again::begin(&self.holds, &standing).await?;
                let (holds, desk) = (self.holds.clone(), self.desk.clone());
                self.looking = Some(Looking::new(holds, desk, self.families.clone(), standing));
            }
        }
        Ok(self.looking.clone())
    }

    /// Half a second, doubling up to half a minute.
    fn next_attempt(&self) -> Timestamp {
        self.holds.clock.now().after(Duration::from_millis(500 << self.failures.min(6)))
    }

    /// Keeps the answers on parts where they were given with the signatures that are still loaded.
    async fn remember(&self, looking: &Looking) -> Result<(), Error> {
        let answers = looking.answers();
        let Some(set) = looking.standing.set.clone().filter(|_| !answers.is_empty()) else { return Ok(()) };
        if self.desk.standing().await.as_ref() != Some(&*looking.standing) {
            return Ok(());
        }
        let catalog = self.holds.catalog.clone();
        blocking(move || Ok(catalog.keep_answers(&answers, &set)?)).await
    }

    /// Looks at messages that are due, and records what was seen while others are still being looked at.
    async fn due(&self, looking: &Looking, tasks: Vec<Task>, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
        let recording = Recording { holds: self.holds.clone() };
        let mut seen = Vec::new();
        let mut writing = JoinSet::new();
        let rows = tasks.iter().map(|task| task.message.clone()).collect();
        let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(Some).collect();
        let mut crowd = Crowd::new(looking, rows);
        while let Some((at, outcome)) = crowd.next(stop).await {
            seen.extend(tasks[at].take().map(|task| (task, outcome)));
            if seen.len() >= RECORDED {
                let (recording, seen) = (recording.clone(), std::mem::take(&mut seen));
                writing.spawn(blocking(move || recording.due(seen)));
            }
        }
        writing.spawn(blocking(move || recording.due(seen)));
        while let Some(written) = writing.join_next().await {
            written.map_err(|_| Error::Closing)??;
        }
        if let Some(away) = &crowd.away {
            self.desk.went_away(away);
        }
        Ok(())
    }

    async fn again(&self, looking: &Looking, again: Again, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
        let (rows, before) = (again.messages.clone(), looking.questions());
        let mut crowd = Crowd::new(looking, rows.clone());
        let mut seen = Vec::new();
        while let Some((at, outcome)) = crowd.next(stop).await {
            seen.push((rows[at].clone(), outcome));
        }
        // What was cut short is begun again.
        if crowd.away.is_some() || *stop.borrow() || seen.len() < rows.len() {
            return Ok(());
        }
        let recording = Recording { holds: self.holds.clone() };
        let questions = looking.questions() - before;
        blocking(move || again.record(&recording, seen, questions)).await
    }
}

/// Messages that are looked at side by side.
struct Crowd<'a> {
    looking: &'a Looking,
    waiting: std::vec::IntoIter<(usize, MessageRow)>,
    at_work: JoinSet<(usize, Seen)>,
    /// That the scanner went away meanwhile: nobody else is sent to it.
    away: Option<crate::net::clamd::Error>,
}

impl<'a> Crowd<'a> {
    fn new(looking: &'a Looking, rows: Vec<MessageRow>) -> Self {
        let waiting = rows.into_iter().enumerate().collect::<Vec<_>>().into_iter();
        Self { looking, waiting, at_work: JoinSet::new(), away: None }
    }

    /// The next message that was looked at, in the order of ending. `None` at the end, or when it is time to stop.
    async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Option<(usize, Seen)> {
        while self.at_work.len() < AT_A_TIME && self.away.is_none() {
            let Some((at, row)) = self.waiting.next() else { break };
            let looking = self.looking.clone();
            self.at_work.spawn(async move { (at, looked_at(&looking, &row).await) });
        }
        let joined = tokio::select! {
            joined = self.at_work.join_next() => joined?,
            () = stopping(stop) => return None,
        };
        let (at, seen) = joined.ok()?;
        if let Seen::Away(error) = &seen {
            self.away = Some(error.clone());
        }
        Some((at, seen))
    }
}

async fn looked_at(looking: &Looking, row: &MessageRow) -> Seen {
    match guarded(looking.message(row)).await {
        Some(Ok(seen)) => seen,
        Some(Err(error)) => Seen::Unanswered(error.to_string()),
        None => Seen::Unanswered("reading it failed in an unforeseen way".to_owned()),
    }
}

impl Work for Scanning {
    fn name(&self) -> &'static str {
        "scan"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let looking = tokio::select! {
            looking = self.ready() => looking,
            () = stopping(stop) => return Ok(Step::Idle(None)),
        };
        let Some(looking) = looking? else { return Ok(Step::Idle(Some(self.next_attempt()))) };
        let (catalog, now) = (self.holds.catalog.clone(), self.holds.clock.now());
        let (tasks, next_due) =
            blocking(move || Ok((catalog.due(Stage::Scan, now, BATCH)?, catalog.next_due(Stage::Scan)?))).await?;
        if !tasks.is_empty() {
            self.due(&looking, tasks, stop).await?;
        } else if let Some(again) = Again::next(&self.holds, &looking.standing).await? {
            self.again(&looking, again, stop).await?;
        } else {
            return Ok(Step::Idle(next_due));
        }
        self.remember(&looking).await?;
        Ok(Step::Worked)
    }
}
