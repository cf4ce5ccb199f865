//! Puts kept messages into the index, and what lists show of them into the catalog.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::error::blocking;
use super::holds::{Holds, location};
use super::{Error, Step, Work};
use crate::catalog::{Attachment, Indexed, Stage, Summary, Task};
use crate::index::{self, Document, Index, Writer};
use crate::mail::message::{self, Mailbox, Message, READ_LIMIT_BYTES};
use crate::telemetry;

/// Messages of one commit of the index: at most this many, …
const BATCH: u32 = 512;
/// … and no more once this many octets have been read.
const BATCH_BYTES: u64 = 16 << 20;
/// Of a message too large to be taken apart, this much is read for the index.
const PREFIX_BYTES: usize = 8 << 20;

/// Why nothing can be indexed, as the outside sees it: a full disk, most likely. Nothing while all is well.
#[derive(Clone, Debug, Default)]
pub struct IndexTrouble(Arc<Mutex<Option<String>>>);

impl IndexTrouble {
    pub fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is(&self, why: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }
}

/// The stage.
pub struct Indexing {
    shared: Arc<Shared>,
    trouble: IndexTrouble,
}

struct Shared {
    holds: Holds,
    index: Index,
    /// None after a failure: the engine takes nothing more from a writer that had one.
    writer: Mutex<Option<Writer>>,
}

impl Indexing {
    pub fn new(holds: Holds, index: Index, trouble: IndexTrouble) -> Result<Self, index::Error> {
        let writer = Mutex::new(Some(index.writer(index::WRITER_HEAP_BYTES)?));
        Ok(Self { shared: Arc::new(Shared { holds, index, writer }), trouble })
    }
}

impl Work for Indexing {
    fn name(&self) -> &'static str {
        "index"
    }

    async fn step(&mut self, _stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let shared = self.shared.clone();
        let outcome = blocking(move || shared.step()).await;
        self.trouble.is(outcome.as_ref().err().map(ToString::to_string));
        outcome
    }
}

impl Shared {
    fn step(&self) -> Result<Step, Error> {
        let catalog = &self.holds.catalog;
        let tasks = catalog.due(Stage::Index, self.holds.clock.now(), BATCH)?;
        if tasks.is_empty() {
            return Ok(Step::Idle(catalog.next_due(Stage::Index)?));
        }
        let mut held = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut writer = match held.take() {
            Some(writer) => writer,
            None => self.index.writer(index::WRITER_HEAP_BYTES)?,
        };
        self.batch(&mut writer, tasks)?;
        *held = Some(writer);
        Ok(Step::Worked)
    }

    fn batch(&self, writer: &mut Writer, tasks: Vec<Task>) -> Result<(), Error> {
        let mut done = Vec::with_capacity(tasks.len());
        let mut bytes = 0;
        let erases = tasks.iter().any(|task| task.message.purged.is_some());
        for task in tasks {
            bytes += if task.message.purged.is_some() { 0 } else { task.message.size_bytes };
            // A message that makes a reader panic must not stop those behind it.
            match catch_unwind(AssertUnwindSafe(|| self.add(writer, &task))) {
                Ok(Ok(indexed)) => done.push(indexed),
                Ok(Err(error @ Error::Index(_))) => return Err(error),
                Ok(Err(error)) => self.failed(&task, &error.to_string())?,
                Err(_) => self.failed(&task, "reading it failed in an unforeseen way")?,
            }
            if bytes > BATCH_BYTES {
                break;
            }
        }
        writer.commit()?;
        if erases {
            writer.erase()?;
        }
        telemetry::messages_indexed(done.len());
        Ok(self.holds.catalog.indexed(&done, self.holds.clock.now())?)
    }

    fn add(&self, writer: &mut Writer, task: &Task) -> Result<Indexed, Error> {
        let row = &task.message;
        if row.purged.is_some() {
            writer.remove(row.message.id);
            let summary = Summary::default();
            return Ok(Indexed {
                number: row.number,
                summary,
                is_collected: self.holds.catalog.is_collected(row.number)?,
                is_destroyed: true,
                documents: Vec::new(),
            });
        }
        let blob = self.holds.reader.open(location(row.place))?;
        let octets = match row.size_bytes > READ_LIMIT_BYTES as u64 {
            true => blob.prefix(PREFIX_BYTES)?,
            false => blob.octets()?,
        };
        let message = message::read(&octets);
        let document = Document::of(row.message.id, row.number, row.size_bytes, row.kept, &message);
        let is_collected = self.holds.catalog.is_collected(row.number)?;
        let document = match is_collected {
            true => document.of_participants(&message::participants(&octets, &message), &message),
            false => document,
        };
        writer.add(&document)?;
        Ok(Indexed {
            number: row.number,
            summary: summary(&message),
            is_collected,
            is_destroyed: false,
            documents: Vec::new(),
        })
    }

    fn failed(&self, task: &Task, error: &str) -> Result<(), Error> {
        telemetry::message_unreadable(&task.message.message.id, "index", &error);
        Ok(self.holds.catalog.work_failed(Stage::Index, task, error, self.holds.clock.now())?)
    }
}

/// What lists show of a message.
fn summary(message: &Message<'_>) -> Summary {
    let people = |mailboxes: &[Mailbox]| {
        let all: Vec<String> = mailboxes.iter().map(ToString::to_string).collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    let attachments = message.parts.iter().filter(|part| part.is_attachment).map(|part| Attachment {
        part: part.number,
        name: part.filename.clone(),
        content_type: part.content_type.clone(),
        size_bytes: part.size_bytes(),
    });
    Summary {
        date: message.envelope.date,
        from: people(&message.envelope.from),
        to: people(&message.envelope.to),
        subject: message.envelope.subject.clone(),
        attachments: attachments.collect(),
    }
}
