//! Has the scanner look at every view of every message: the octets as they came, each decoded part, each further reading.
//! Knows nothing about who may read what: it says what was found, and where.

mod again;
mod crowd;
mod judge;
mod look;
mod record;
mod scanner;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::again::Again;
use self::crowd::{Crowd, Next, Slow};
use self::look::Looking;
use self::record::{Outcome, Recording};
use self::scanner::Desk;
use super::error::blocking;
use super::holds::Holds;
use super::worker::stopping;
use super::{Error, Step, Work};
use crate::catalog::{Stage, Task};
use crate::mail::{SignatureFamilies, Timestamp};
use crate::net::clamd::Pool;

pub use scanner::{Engine, Scanner, ScannerState};

/// Messages of one step.
const BATCH: u32 = 256;
/// Of those, recorded together.
const RECORDED: usize = 64;
/// What was given up gets another round of tries so often, and whenever the scanner or its signatures are others.
const RETRY: Duration = Duration::from_hours(24);
/// Between two looks at the messages that others do not wait for.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// The stage.
pub struct Scanning {
    holds: Holds,
    desk: Desk,
    looking: Option<Arc<Looking>>,
    slow: Slow,
    failures: u32,
    retried: Timestamp,
}

impl Scanning {
    pub fn new(
        holds: Holds,
        scanner: Scanner,
        pool: Pool,
        families: SignatureFamilies,
        engine: impl Engine + 'static,
    ) -> Self {
        let desk = Desk::new(pool, families, scanner, Arc::new(engine));
        let retried = holds.clock.now();
        Self { holds, desk, looking: None, slow: Slow::default(), failures: 0, retried }
    }

    /// Asks who scans now, and with what. `None` while nobody does.
    async fn ready(&mut self) -> Result<Option<Arc<Looking>>, Error> {
        let Some((who, standing)) = self.desk.standing().await else {
            self.failures += 1;
            return Ok(None);
        };
        let was_away = std::mem::take(&mut self.failures) > 0;
        let is_known = self.looking.as_ref().is_some_and(|looking| *looking.standing == standing);
        let now = self.holds.clock.now();
        if was_away || !is_known || now >= self.retried.after(RETRY) || now < self.retried {
            self.retried = now;
            let catalog = self.holds.catalog.clone();
            blocking(move || Ok(catalog.retry_stuck(Stage::Scan, now)?)).await?;
        }
        if !is_known {
            // What is still being looked at was begun with other signatures: it is begun anew.
            self.slow = Slow::default();
            if self.desk.is_preferred(&who) {
                Again::begin(&self.holds, &standing).await?;
            }
            self.looking = Some(Arc::new(Looking::new(self.holds.clone(), self.desk.clone(), (who, standing))));
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
        if self.desk.standing().await.is_none_or(|(_, standing)| standing != *looking.standing) {
            return Ok(());
        }
        let catalog = self.holds.catalog.clone();
        blocking(move || Ok(catalog.keep_answers(&answers, &set)?)).await
    }

    fn recording(&self) -> Recording {
        Recording { holds: self.holds.clone() }
    }

    /// Messages that are due, but for those that are still being looked at.
    async fn claim(&self) -> Result<(Vec<Task>, Option<Timestamp>), Error> {
        let (catalog, now) = (self.holds.catalog.clone(), self.holds.clock.now());
        let limit = BATCH + u32::try_from(self.slow.len()).unwrap_or(BATCH);
        let (mut tasks, next_due) =
            blocking(move || Ok((catalog.due(Stage::Scan, now, limit)?, catalog.next_due(Stage::Scan)?))).await?;
        tasks.retain(|task| !self.slow.has(task));
        let next_look = (self.slow.len() > 0).then(|| now.after(SLOW_LOOK));
        Ok((tasks, next_look.or(next_due)))
    }

    /// Looks at messages that are due, and records what was seen while others are still being looked at. Those that take
    /// long in the end are left behind: nobody waits for them.
    async fn due(
        &mut self,
        looking: &Arc<Looking>,
        tasks: Vec<Task>,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Error> {
        let mut crowd = Crowd::new(looking, tasks);
        let (mut seen, mut writing) = (Vec::new(), JoinSet::new());
        loop {
            let next = crowd.next(stop).await;
            let (is_pause, is_end) = match next {
                Next::Seen(task, outcome) => {
                    seen.push((task, outcome));
                    (false, false)
                }
                Next::Waiting => (true, crowd.is_all_at_work()),
                Next::End => (true, true),
            };
            if seen.len() >= RECORDED || is_pause {
                let (recording, seen) = (self.recording(), std::mem::take(&mut seen));
                writing.spawn(blocking(move || recording.due(seen)));
            }
            if is_end {
                break;
            }
        }
        while let Some(written) = writing.join_next().await {
            written.map_err(|_| Error::Closing)??;
        }
        if let Some(away) = crowd.away() {
            self.desk.went_away(away);
        }
        self.slow.take(crowd);
        Ok(())
    }

    async fn again(&self, looking: &Arc<Looking>, again: Again, stop: &mut watch::Receiver<bool>) -> Result<(), Error> {
        let (rows, before) = (again.messages.clone(), looking.questions());
        let all = rows.len();
        let mut crowd = Crowd::new(looking, rows);
        let mut seen = Vec::new();
        loop {
            match crowd.next(stop).await {
                Next::Seen(row, outcome) => seen.push((row, outcome)),
                Next::Waiting => {}
                Next::End => break,
            }
        }
        // What was cut short is begun again.
        if crowd.away().is_some() || *stop.borrow() || seen.len() < all {
            return Ok(());
        }
        let recording = self.recording();
        let questions = looking.questions() - before;
        blocking(move || again.record(&recording, seen, questions)).await
    }
}

impl Work for Scanning {
    fn name(&self) -> &'static str {
        "scan"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let late = self.slow.seen();
        if !late.is_empty() {
            let recording = self.recording();
            blocking(move || recording.due(late)).await?;
        }
        let looking = tokio::select! {
            looking = self.ready() => looking,
            () = stopping(stop) => return Ok(Step::Idle(None)),
        };
        let Some(looking) = looking? else { return Ok(Step::Idle(Some(self.next_attempt()))) };
        let (tasks, next) = self.claim().await?;
        if !tasks.is_empty() {
            self.due(&looking, tasks, stop).await?;
        } else if let Some(again) = Again::next(&self.holds, &looking.standing).await? {
            self.again(&looking, again, stop).await?;
        } else {
            return Ok(Step::Idle(next));
        }
        self.remember(&looking).await?;
        Ok(Step::Worked)
    }
}
