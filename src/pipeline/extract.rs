//! Reads the text of attachments, in a worker process that can do nothing else, for the index.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::documents::octets;
use super::error::blocking;
use super::holds::Holds;
use super::{Error, Room, StageTrouble, Step, Work, stopping};
use crate::catalog::{DocumentPart, DocumentState, Extraction, MessageRow};
use crate::extract::{self, Extracted, Extractor, Outcome};
use crate::mail::message;
use crate::telemetry;

/// Documents that are recorded together: at most this many, …
const BATCH: u32 = 64;
/// … and no more once it took so long, what is read is to be found soon, …
const BATCH_TIME: Duration = Duration::from_millis(500);
/// … or once there is so much text: the catalog writes it twice, and must not fill the disk between two looks at it.
const BATCH_BYTES: usize = 4 << 20;

/// How soon it is noticed that the disk has room again.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(5);

/// The stage.
pub struct Extracting {
    shared: Arc<Shared>,
    trouble: StageTrouble,
}

struct Shared {
    holds: Holds,
    room: Room,
    extractor: Extractor,
    /// What is missing in how the worker is shut in, on this kernel.
    confinement: StageTrouble,
    logged: Once,
}

impl Extracting {
    /// What an older extractor failed on is looked at again.
    pub fn new(
        holds: Holds,
        room: Room,
        extractor: Extractor,
        trouble: StageTrouble,
        confinement: StageTrouble,
    ) -> Result<Self, Error> {
        holds.catalog.extractor_is(extract::VERSION)?;
        Ok(Self { shared: Arc::new(Shared { holds, room, extractor, confinement, logged: Once::new() }), trouble })
    }
}

impl Work for Extracting {
    fn name(&self) -> &'static str {
        "extract"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        // What room there is left is for mail, and for what makes it findable.
        if let Some(shortage) = self.shared.room.shortage() {
            self.trouble.is(Some(shortage));
            return Ok(Step::Idle(Some(self.shared.holds.clock.now().after(LOOK_FOR_ROOM))));
        }
        let (shared, stopped) = (self.shared.clone(), stop.clone());
        let work = blocking(move || shared.step(&stopped));
        tokio::pin!(work);
        let outcome = tokio::select! {
            outcome = &mut work => outcome,
            () = stopping(stop) => {
                // The document in hand is read next time.
                self.shared.extractor.give_up();
                match work.await {
                    Err(Error::Extractor(_)) => Err(Error::Closing),
                    outcome => outcome,
                }
            }
        };
        self.trouble.is(outcome.as_ref().err().filter(|error| !matches!(error, Error::Closing)));
        outcome
    }
}

/// What is to be recorded together.
struct Batch<'s> {
    begun: Instant,
    room: &'s Room,
    stop: &'s watch::Receiver<bool>,
    extractions: Vec<Extraction>,
    bytes: usize,
}

impl Batch<'_> {
    fn is_full(&self) -> bool {
        self.begun.elapsed() > BATCH_TIME
            || self.bytes > BATCH_BYTES
            || *self.stop.borrow()
            || self.room.shortage().is_some()
    }
}

impl Shared {
    fn step(&self, stop: &watch::Receiver<bool>) -> Result<Step, Error> {
        let waiting = self.holds.catalog.documents_waiting(BATCH)?;
        if waiting.is_empty() {
            return Ok(Step::Idle(None));
        }
        let mut batch = Batch { begun: Instant::now(), room: &self.room, stop, extractions: Vec::new(), bytes: 0 };
        let mut outcome = Ok(Step::Worked);
        for (row, parts) in waiting {
            // A message that makes a reader panic must not stop those behind it.
            match catch_unwind(AssertUnwindSafe(|| self.documents(&row, &parts, &mut batch))) {
                Ok(Ok(())) => {}
                // Nothing is known of the document; but what was read before is worth keeping.
                Ok(Err(error)) => outcome = Err(error),
                Err(_) => self.lost(&row, &"reading it failed in an unforeseen way")?,
            }
            if outcome.is_err() || batch.is_full() {
                break;
            }
        }
        telemetry::documents_read(batch.extractions.len());
        if !batch.extractions.is_empty() {
            self.tell_confinement();
        }
        self.holds.catalog.extracted(extract::VERSION, &batch.extractions, self.holds.clock.now())?;
        self.holds.wake.index.notify_one();
        outcome
    }

    fn documents(&self, row: &MessageRow, parts: &[DocumentPart], batch: &mut Batch<'_>) -> Result<(), Error> {
        let octets = match octets(&self.holds, row) {
            Ok(octets) => octets,
            Err(error) => return self.lost(row, &error),
        };
        let message = message::read(&octets);
        for part in parts {
            if batch.extractions.iter().any(|extraction| extraction.content == part.content) {
                continue;
            }
            let Some(found) = message.part(part.part) else {
                return self.lost(row, &"it has other parts than it had");
            };
            let extracted = self.extractor.extract(&found.octets(), &found.content_type, found.filename.as_deref());
            batch.bytes += extracted.text.len();
            batch.extractions.push(recorded(part, extracted)?);
            if batch.is_full() {
                break;
            }
        }
        Ok(())
    }

    fn tell_confinement(&self) {
        // Where no worker starts, nothing is read, and that is told.
        let Ok(confinement) = self.extractor.confinement() else { return };
        let missing = (!confinement.is_full()).then_some(confinement);
        if let Some(missing) = &missing {
            self.logged.call_once(|| telemetry::extractor_less_confined(missing));
        }
        self.confinement.is(missing);
    }

    fn lost(&self, row: &MessageRow, why: &dyn Display) -> Result<(), Error> {
        telemetry::message_unreadable(&row.message.id, "extract", why);
        Ok(self.holds.catalog.documents_lost(row.number)?)
    }
}

/// Without a worker nothing is known of the document.
fn recorded(part: &DocumentPart, extracted: Extracted) -> Result<Extraction, Error> {
    let Extracted { text, outcome } = extracted;
    let state = match &outcome {
        Outcome::Read => DocumentState::Read,
        Outcome::Partial(_) => DocumentState::Partial,
        Outcome::Encrypted => DocumentState::Encrypted,
        Outcome::Unsupported => DocumentState::Unsupported,
        Outcome::Failed(_) => DocumentState::Failed,
        Outcome::Crashed(_) => DocumentState::Crashed,
        Outcome::Unavailable(why) => return Err(Error::Extractor(why.clone())),
    };
    Ok(Extraction { content: part.content, state, detail: outcome.why().map(str::to_owned), text })
}
