//! Has the scanner look at every view of a message: the octets as they came, and each decoded part.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::error::{blocking, guarded};
use super::holds::{Holds, location};
use super::worker::stopping;
use super::{Error, Step, Work};
use crate::catalog::{Stage, Task};
use crate::mail::event::Scanned;
use crate::mail::message::{self, Message, Problem, READ_LIMIT_BYTES};
use crate::mail::{BlobId, Event, Timestamp, Verdict, ViewVerdict};
use crate::net::clamd::{Address, Answer, Pieces, Pool, Settings, Source, Version};
use crate::telemetry;

/// Messages whose verdicts are recorded together.
const BATCH: u32 = 32;

/// The scanner as the outside sees it: where it is, and what became of it.
#[derive(Clone, Debug)]
pub struct Scanner {
    state: Arc<Mutex<ScannerState>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScannerState {
    /// Not asked yet.
    Starting,
    Ready {
        engine: String,
        signatures: String,
    },
    /// Messages are archived all the same, and wait for it.
    Away {
        why: String,
    },
}

impl Scanner {
    pub fn new() -> Self {
        Self { state: Arc::new(Mutex::new(ScannerState::Starting)) }
    }

    pub fn state(&self) -> ScannerState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is(&self, state: ScannerState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// What is known of the scanner from elsewhere than its socket.
pub trait Engine: Send + Sync {
    /// What to call the signatures where clamd does not number them.
    fn signatures(&self) -> String;
    /// Whether it is expected not to answer yet.
    fn is_starting(&self) -> bool;
}

/// The stage.
pub struct Scanning {
    holds: Holds,
    scanner: Scanner,
    pool: Pool,
    engine: Box<dyn Engine>,
    failures: u32,
}

impl Scanning {
    pub fn new(holds: Holds, scanner: Scanner, address: Address, engine: impl Engine + 'static) -> Self {
        let pool = Pool::new(vec![address], Settings::default());
        Self { holds, scanner, pool, engine: Box::new(engine), failures: 0 }
    }

    /// Whether a scanner answers that has shown that it finds the test file; and which signatures it has loaded.
    async fn refresh(&mut self) -> bool {
        match self.pool.version_now().await {
            Ok(who) => {
                let (engine, signatures) = self.named(&who.version);
                let state = ScannerState::Ready { engine, signatures };
                if let ScannerState::Ready { engine, signatures } = &state
                    && !matches!(self.scanner.state(), ScannerState::Ready { .. })
                {
                    telemetry::scanner_ready(engine, signatures);
                }
                self.scanner.is(state);
                self.failures = 0;
                true
            }
            Err(error) => {
                self.failures += 1;
                if self.engine.is_starting() {
                    self.scanner.is(ScannerState::Starting);
                    return false;
                }
                if !matches!(self.scanner.state(), ScannerState::Away { .. }) {
                    telemetry::scanner_away(&error);
                }
                self.scanner.is(ScannerState::Away { why: error.to_string() });
                false
            }
        }
    }

    fn named(&self, version: &Version) -> (String, String) {
        (version.engine.clone(), version.signatures.clone().unwrap_or_else(|| self.engine.signatures()))
    }

    /// Half a second, doubling up to half a minute.
    fn next_attempt(&self) -> Timestamp {
        self.holds.clock.now().after(Duration::from_millis(500 << self.failures.min(6)))
    }

    async fn message(&mut self, task: &Task) -> Result<Outcome, Error> {
        let octets = if task.message.size_bytes > READ_LIMIT_BYTES as u64 {
            None
        } else {
            let (reader, place) = (self.holds.reader.clone(), task.message.place);
            Some(blocking(move || Ok(reader.open(location(place))?.octets()?)).await?)
        };
        let mut views = Vec::new();
        match &octets {
            None => match self.large(task).await {
                Ok(view) => views.push(view),
                Err(why) => return Ok(Outcome::Unanswered(why)),
            },
            Some(octets) => {
                let message = message::read(octets);
                if let Err(why) = self.views(octets, &message, &mut views).await {
                    return Ok(Outcome::Unanswered(why));
                }
                flag(&message, views.first_mut());
            }
        }
        let verdict = worst(&views);
        Ok(Outcome::Scanned(Scanned { message: task.message.message, verdict, views }))
    }

    async fn views(
        &mut self,
        octets: &[u8],
        message: &Message<'_>,
        views: &mut Vec<ViewVerdict>,
    ) -> Result<(), String> {
        views.push(self.view("raw".to_owned(), octets).await?);
        for part in &message.parts {
            let octets = part.octets();
            views.push(self.view(format!("part {}", part.number), &octets).await?);
        }
        Ok(())
    }

    async fn view(&mut self, view: String, octets: &[u8]) -> Result<ViewVerdict, String> {
        let id = BlobId::of(octets);
        self.ask(view, (id, octets.len() as u64), octets.to_vec().into()).await
    }

    /// A message too large to be taken apart goes to the scanner as it came, frame by frame; its parts are not looked
    /// into, so it is never clean.
    async fn large(&mut self, task: &Task) -> Result<ViewVerdict, String> {
        let row = &task.message;
        let (reader, place) = (self.holds.reader.clone(), row.place);
        let source = Source::stream(row.size_bytes, move || {
            let mut pieces = reader.open(location(place)).map_err(io::Error::other)?.pieces();
            let next = move || Ok(pieces.next_piece().map_err(io::Error::other)?.map(|piece| piece.to_vec().into()));
            Ok(Box::new(next) as Pieces)
        });
        let mut view = self.ask("raw".to_owned(), (row.message.id, row.size_bytes), source).await?;
        if view.verdict == Verdict::Clean {
            view.verdict = Verdict::Partial;
            view.detail = Some(format!("larger than {} MiB: its parts were not scanned", READ_LIMIT_BYTES >> 20));
        }
        Ok(view)
    }

    /// Asks the scanner about one view. The error says why there is no answer.
    async fn ask(
        &mut self,
        view: String,
        (blob, size_bytes): (BlobId, u64),
        source: Source,
    ) -> Result<ViewVerdict, String> {
        let began = Instant::now();
        let scan = self.pool.scan(source).await.map_err(|error| error.to_string())?;
        let (verdict, detail) = match scan.answer {
            Answer::Ok => (Verdict::Clean, None),
            Answer::Found(signature) => (Verdict::of_signature(&signature), Some(signature)),
            Answer::TooLarge => (Verdict::Partial, Some("larger than the scanner takes".to_owned())),
            Answer::Error(why) => (Verdict::Error, Some(why)),
        };
        let (engine, signatures) = self.named(&scan.who.version);
        Ok(ViewVerdict {
            view,
            blob,
            size_bytes,
            verdict,
            detail,
            engine,
            signatures,
            transport: scan.transport.to_string(),
            scanned: self.holds.clock.now(),
            duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    async fn record(&self, scanned: Vec<Scanned>, failed: Vec<(Task, String)>) -> Result<(), Error> {
        for message in &scanned {
            telemetry::message_scanned(&message.message.id, message.verdict);
        }
        let holds = self.holds.clone();
        blocking(move || {
            holds.tell(scanned.into_iter().map(Event::Scanned).collect())?;
            let now = holds.clock.now();
            for (task, why) in failed {
                holds.catalog.work_failed(Stage::Scan, &task, &why, now)?;
            }
            Ok(())
        })
        .await
    }
}

/// The worst of all views; but where the scanner failed on one, only what it found elsewhere is a last word.
fn worst(views: &[ViewVerdict]) -> Verdict {
    let worst = views.iter().map(|view| view.verdict).max().unwrap_or(Verdict::Error);
    let failed = views.iter().any(|view| view.verdict == Verdict::Error);
    if failed && worst < Verdict::Suspicious { Verdict::Error } else { worst }
}

enum Outcome {
    Scanned(Scanned),
    /// The scanner gave no answer for this message.
    Unanswered(String),
}

/// What could not be taken apart, or could be in more than one way, may hold what nobody saw. The parts that were seen
/// keep their own verdicts.
fn flag(message: &Message<'_>, raw: Option<&mut ViewVerdict>) {
    let unread = message.problems.iter().find(|problem| !matches!(problem, Problem::NoHeaders));
    if let (Some(problem), Some(raw)) = (unread, raw)
        && raw.verdict == Verdict::Clean
    {
        raw.verdict = Verdict::Partial;
        raw.detail = Some(format!("not all of it could be taken apart: {problem}"));
    }
}

impl Work for Scanning {
    fn name(&self) -> &'static str {
        "scan"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let ready = tokio::select! {
            ready = self.refresh() => ready,
            () = stopping(stop) => return Ok(Step::Idle(None)),
        };
        if !ready {
            return Ok(Step::Idle(Some(self.next_attempt())));
        }
        let (catalog, now) = (self.holds.catalog.clone(), self.holds.clock.now());
        let (tasks, next_due) =
            blocking(move || Ok((catalog.due(Stage::Scan, now, BATCH)?, catalog.next_due(Stage::Scan)?))).await?;
        if tasks.is_empty() {
            return Ok(Step::Idle(next_due));
        }
        let (mut scanned, mut failed) = (Vec::new(), Vec::new());
        for task in tasks {
            let outcome = tokio::select! {
                outcome = guarded(self.message(&task)) => outcome,
                () = stopping(stop) => break,
            };
            let Some(outcome) = outcome else {
                failed.push((task, "reading it failed in an unforeseen way".to_owned()));
                continue;
            };
            match outcome {
                Ok(Outcome::Scanned(message)) if message.verdict == Verdict::Error => {
                    let why = message.views.iter().find_map(|view| view.detail.clone()).unwrap_or_default();
                    failed.push((task.clone(), format!("the scanner failed on it: {why}")));
                    if task.message.verdict != Verdict::Error {
                        scanned.push(message);
                    }
                }
                Ok(Outcome::Scanned(message)) => scanned.push(message),
                // It may have been this message that ended the scanner: others go first now.
                Ok(Outcome::Unanswered(why)) => failed.push((task, why)),
                Err(error) => failed.push((task, error.to_string())),
            }
        }
        self.record(scanned, failed).await?;
        Ok(Step::Worked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(verdict: Verdict) -> ViewVerdict {
        ViewVerdict {
            view: "raw".to_owned(),
            blob: BlobId::of(b""),
            size_bytes: 0,
            verdict,
            detail: None,
            engine: String::new(),
            signatures: String::new(),
            transport: "instream".to_owned(),
            scanned: Timestamp::from_millis(0),
            duration_ms: 0,
        }
    }

    #[test]
    fn a_failed_view_is_scanned_again_unless_another_has_found_something() {
        let of = |verdicts: &[Verdict]| worst(&verdicts.iter().map(|verdict| view(*verdict)).collect::<Vec<_>>());
        assert_eq!(of(&[Verdict::Clean, Verdict::Clean]), Verdict::Clean);
        assert_eq!(of(&[Verdict::Clean, Verdict::Partial]), Verdict::Partial);
        assert_eq!(of(&[Verdict::Error, Verdict::Partial]), Verdict::Error);
        assert_eq!(of(&[Verdict::Error, Verdict::Infected]), Verdict::Infected);
        assert_eq!(of(&[]), Verdict::Error);
    }
}
