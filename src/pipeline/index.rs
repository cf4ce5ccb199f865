//! Puts kept messages into the index, and what lists show of them into the catalog.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::documents::{documents, octets};
use super::error::blocking;
use super::holds::Holds;
use super::reindex::{self, Examined};
use super::{Error, StageTrouble, Step, Work};
use crate::catalog::{Attachment, DocumentPart, DocumentState, Indexed, Stage, Summary, Task};
use crate::index::{self, Document, Index, Writer};
use crate::mail::Ties;
use crate::mail::message::{self, Mailbox, Message};
use crate::telemetry;

/// Messages of one commit of the index: at most this many, …
const BATCH: u32 = 4096;
/// … and no more once this many octets have been read.
const BATCH_BYTES: u64 = 16 << 20;
/// More text of attachments than this goes into the index for no message.
const MOST_TEXT_BYTES: usize = 32 << 20;

/// The stage.
pub struct Indexing {
    shared: Arc<Shared>,
    trouble: StageTrouble,
}

struct Shared {
    holds: Holds,
    index: Mutex<Writable>,
}

struct Writable {
    index: Index,
    /// None after a failure: the engine takes nothing more from a writer that had one.
    writer: Option<Writer>,
}

impl Indexing {
    /// Over the archive's index, which is made anew where it is lost, damaged or of another version.
    pub fn new(holds: Holds, trouble: StageTrouble) -> Result<Self, Error> {
        let index = reindex::open(&holds)?;
        let writer = Some(index.writer(index::WRITER_HEAP_BYTES)?);
        Ok(Self { shared: Arc::new(Shared { holds, index: Mutex::new(Writable { index, writer }) }), trouble })
    }
}

impl Work for Indexing {
    fn name(&self) -> &'static str {
        "index"
    }

    async fn step(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Step, Error> {
        let (shared, stop) = (self.shared.clone(), stop.clone());
        let outcome = blocking(move || shared.step(&|| *stop.borrow())).await;
        self.trouble.is(outcome.as_ref().err().filter(|error| !matches!(error, Error::Closing)));
        outcome
    }
}

impl Shared {
    fn step(&self, stop: &dyn Fn() -> bool) -> Result<Step, Error> {
        let mut held = self.index.lock().unwrap_or_else(PoisonError::into_inner);
        self.mend(&mut held, stop)?;
        let catalog = &self.holds.catalog;
        let tasks = catalog.due(Stage::Index, self.holds.clock.now(), BATCH)?;
        if tasks.is_empty() {
            return Ok(Step::Idle(catalog.next_due(Stage::Index)?));
        }
        match self.write(&mut held, tasks) {
            Err(Error::Index(error)) => {
                index::suspect(&self.holds.index_folder(), &error);
                Err(error.into())
            }
            outcome => outcome.map(|()| Step::Worked),
        }
    }

    fn write(&self, held: &mut Writable, tasks: Vec<Task>) -> Result<(), Error> {
        let mut writer = match held.writer.take() {
            Some(writer) => writer,
            None => held.index.writer(index::WRITER_HEAP_BYTES)?,
        };
        match self.batch(&mut writer, tasks) {
            Ok(()) => held.writer = Some(writer),
            Err(error) => {
                writer.abandon();
                return Err(error);
            }
        }
        Ok(())
    }

    /// What somebody found amiss with the index is looked into; if it is so, all begins again with an empty one.
    fn mend(&self, held: &mut Writable, stop: &dyn Fn() -> bool) -> Result<(), Error> {
        let Some(suspicion) = held.index.suspicion() else { return Ok(()) };
        telemetry::index_suspected(&suspicion);
        // A merge going on would write into the new one.
        if let Some(writer) = held.writer.take() {
            writer.abandon();
        }
        held.index = match reindex::examined(&self.holds, stop)? {
            Examined::Damaged(why) => reindex::anew(&self.holds, &why)?,
            Examined::Sound(index) => {
                index.clear_suspicion()?;
                *index
            }
        };
        Ok(())
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
        self.holds.catalog.indexed(&done, self.holds.clock.now())?;
        if done.iter().any(|indexed| !indexed.documents.is_empty()) {
            self.holds.wake.extract.notify_one();
        }
        Ok(())
    }

    fn add(&self, writer: &mut Writer, task: &Task) -> Result<Indexed, Error> {
        let row = &task.message;
        if row.purged.is_some() {
            writer.remove(row.message.id);
            let summary = Summary::default();
            return Ok(Indexed {
                number: row.number,
                summary,
                ties: Ties::default(),
                is_collected: self.holds.catalog.is_collected(row.number)?,
                is_destroyed: true,
                documents: Vec::new(),
            });
        }
        let octets = octets(&self.holds, row)?;
        let message = message::read(&octets);
        let mut documents = documents(row, &message);
        let document = Document::of(row.message.id, row.number, row.size_bytes, row.kept, &message);
        let document = self.with_extracted(document, &mut documents)?;
        let is_collected = self.holds.catalog.is_collected(row.number)?;
        let (document, ties) = match is_collected {
            true => {
                let participants = message::participants(&octets, &message);
                // A report is of the thread of what it encloses.
                let original = message.reported(&participants).map_or(&message.envelope, |original| &original.envelope);
                (document.of_participants(&participants, &message), Ties::of(original))
            }
            false => (document, Ties::of(&message.envelope)),
        };
        writer.add(&document)?;
        let summary = summary(&message);
        Ok(Indexed { number: row.number, summary, ties, is_collected, is_destroyed: false, documents })
    }

    /// With the text of those documents that have been read, as far as one message may have it.
    fn with_extracted(&self, mut document: Document, documents: &mut [DocumentPart]) -> Result<Document, Error> {
        let mut room = MOST_TEXT_BYTES;
        for part in documents.iter_mut().filter(|part| !part.is_encrypted) {
            let Some((number, extraction)) = self.holds.catalog.extraction(&part.content)? else { continue };
            part.known = Some(number);
            let is_encrypted = extraction.state == DocumentState::Encrypted;
            let mut text = extraction.text;
            if text.len() > room {
                part.is_cut = true;
                text.truncate(text.floor_char_boundary(room));
            }
            room -= text.len();
            document = document.with_extracted(text, is_encrypted);
        }
        Ok(document)
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
