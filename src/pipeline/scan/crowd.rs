//! Messages that are looked at side by side.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::look::{Looking, Seen};
use crate::catalog::{MessageRow, Task};
use crate::net::clamd::Error as Clamd;
use crate::pipeline::error::guarded;
use crate::pipeline::worker::stopping;

/// Messages that are looked at at a time.
const AT_A_TIME: usize = 24;
/// So many are begun one behind the other: who takes them apart is woken less often.
const BEGUN_TOGETHER: usize = 8;
/// Within which one of them should end.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to be looked at.
pub(super) trait Row: Send + 'static {
    fn row(&self) -> &MessageRow;
}

impl Row for MessageRow {
    fn row(&self) -> &MessageRow {
        self
    }
}

impl Row for Task {
    fn row(&self) -> &MessageRow {
        &self.message
    }
}

pub(super) struct Crowd<'a, T> {
    looking: &'a Arc<Looking>,
    waiting: std::vec::IntoIter<T>,
    at_work: AtWork<T>,
    /// That the scanner went away meanwhile: nobody else is sent to it.
    away: Option<Clamd>,
}

struct AtWork<T> {
    numbers: HashSet<u64>,
    tasks: JoinSet<(T, Seen)>,
}

pub(super) enum Next<T> {
    /// In the order of ending.
    Seen(T, Seen),
    /// For a while, none has ended.
    Waiting,
    /// All have, or it is time to stop.
    End,
}

impl<'a, T: Row> Crowd<'a, T> {
    pub(super) fn new(looking: &'a Arc<Looking>, rows: Vec<T>) -> Self {
        let at_work = AtWork { numbers: HashSet::new(), tasks: JoinSet::new() };
        Self { looking, waiting: rows.into_iter(), at_work, away: None }
    }

    pub(super) async fn next(&mut self, stop: &mut watch::Receiver<bool>) -> Next<T> {
        let is_room = self.at_work.tasks.len() <= AT_A_TIME - BEGUN_TOGETHER && self.away.is_none();
        let room = if is_room { AT_A_TIME - self.at_work.tasks.len() } else { 0 };
        for row in self.waiting.by_ref().take(room) {
            let looking = Arc::clone(self.looking);
            self.at_work.numbers.insert(row.row().number);
            self.at_work.tasks.spawn(async move {
                let seen = looked_at(&looking, row.row()).await;
                (row, seen)
            });
        }
        let joined = tokio::select! {
            joined = timeout(PATIENCE, self.at_work.tasks.join_next()) => joined,
            () = stopping(stop) => return Next::End,
        };
        let Ok(joined) = joined else { return Next::Waiting };
        let Some(Ok((row, seen))) = joined else { return Next::End };
        self.at_work.numbers.remove(&row.row().number);
        if let Seen::Away(error) = &seen {
            self.away = Some(error.clone());
        }
        Next::Seen(row, seen)
    }

    /// Whether none is left that has not been begun.
    pub(super) fn is_all_at_work(&self) -> bool {
        self.waiting.len() == 0
    }

    pub(super) const fn away(&self) -> Option<&Clamd> {
        self.away.as_ref()
    }
}

/// Messages that the scanner takes long over, while it goes on with others. They are due all the time.
#[derive(Default)]
pub(super) struct Slow(Vec<AtWork<Task>>);

impl Slow {
    pub(super) fn take(&mut self, crowd: Crowd<'_, Task>) {
        if !crowd.at_work.tasks.is_empty() {
            self.0.push(crowd.at_work);
        }
    }

    /// Those that have ended meanwhile.
    pub(super) fn seen(&mut self) -> Vec<(Task, Seen)> {
        let mut seen = Vec::new();
        for at_work in &mut self.0 {
            while let Some(joined) = at_work.tasks.try_join_next() {
                let Ok((task, outcome)) = joined else { continue };
                at_work.numbers.remove(&task.message.number);
                seen.push((task, outcome));
            }
        }
        self.0.retain(|at_work| !at_work.tasks.is_empty());
        seen
    }

    pub(super) fn has(&self, task: &Task) -> bool {
        self.0.iter().any(|at_work| at_work.numbers.contains(&task.message.number))
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|at_work| at_work.numbers.len()).sum()
    }
}

async fn looked_at(looking: &Arc<Looking>, row: &MessageRow) -> Seen {
    match guarded(looking.message(row)).await {
        Some(Ok(seen)) => seen,
        Some(Err(error)) => Seen::Unanswered(error.to_string()),
        None => Seen::Unanswered("reading it failed in an unforeseen way".to_owned()),
    }
}
