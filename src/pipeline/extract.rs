//! Reads the text of attachments, in a worker process that can do nothing else, for the index.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::documents::octets;
use super::error::blocking;
use super::holds::Holds;
use super::{Error, StageTrouble, Step, Work};
use crate::catalog::{DocumentPart, DocumentState, Extraction, MessageRow};
use crate::extract::{self, Extracted, Extractor, Outcome};
use crate::mail::message;
use crate::telemetry;

/// Documents that are recorded together: at most this many, …
const BATCH: u32 = 64;
/// … and no more once it took so long: what is read is to be found soon.
const BATCH_TIME: Duration = Duration::from_millis(500);

/// The stage.
pub struct Extracting {
    shared: Arc<Shared>,
    trouble: StageTrouble,
}

struct Shared {
    holds: Holds,
    extractor: Extractor,
}

impl Extracting {
    /// What an older extractor failed on is looked at again.
    pub fn new(holds: Holds, extractor: Extractor, trouble: StageTrouble) -> Result<Self, Error> {
        holds.catalog.extractor_is(extract::VERSION)?;
        Ok(Self { shared: Arc::new(Shared { holds, extractor }), trouble })
    }
}

impl Work for Extracting {
    fn name(&self) -> &'static str {
        "extract"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let shared = self.shared.clone();
        let stop = stop.clone();
        let outcome = blocking(move || shared.step(&stop)).await;
        self.trouble.is(outcome.as_ref().err());
        outcome
    }
}

impl Shared {
    fn step(&self, stop: &watch::Receiver<bool>) -> Result<Step, Error> {
        let waiting = self.holds.catalog.documents_waiting(BATCH)?;
        if waiting.is_empty() {
            return Ok(Step::Idle(None));
        }
        let begun = Instant::now();
        let mut extractions = Vec::new();
        let mut outcome = Ok(Step::Worked);
        for (row, parts) in waiting {
            match self.documents(&row, &parts, &mut extractions) {
                Ok(()) => {}
                // Nothing is known of the document; but what was read before is worth keeping.
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
            if begun.elapsed() > BATCH_TIME || *stop.borrow() {
                break;
            }
        }
        telemetry::documents_read(extractions.len());
        self.holds.catalog.extracted(extract::VERSION, &extractions, self.holds.clock.now())?;
        self.holds.wake.index.notify_one();
        outcome
    }

    fn documents(
        &self,
        row: &MessageRow,
        parts: &[DocumentPart],
        extractions: &mut Vec<Extraction>,
    ) -> Result<(), Error> {
        let octets = match octets(&self.holds, row) {
            Ok(octets) => octets,
            Err(error) => {
                telemetry::message_unreadable(&row.message.id, "extract", &error);
                let failed = |part: &DocumentPart| failed(part, "the message could not be read");
                extractions.extend(parts.iter().map(failed));
                return Ok(());
            }
        };
        let message = message::read(&octets);
        for part in parts {
            let is_known = extractions.iter().any(|extraction| extraction.content == part.content);
            if is_known {
                continue;
            }
            let extraction = match message.part(part.part) {
                Some(found) => self.extractor.extract(&found.octets(), &found.content_type, found.filename.as_deref()),
                None => {
                    extractions.push(failed(part, "the message has no such part any more"));
                    continue;
                }
            };
            extractions.push(recorded(part, extraction)?);
        }
        Ok(())
    }
}

fn failed(part: &DocumentPart, why: &str) -> Extraction {
    Extraction {
        content: part.content,
        state: DocumentState::Failed,
        detail: Some(why.to_owned()),
        text: String::new(),
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
