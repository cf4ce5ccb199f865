//! Makes messages durable, in groups: one fsync of the pack and one commit of the catalog for as many as wait.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::Error;
use super::holds::{Holds, extents, place};
use super::sign::{Covered, Signing};
use crate::catalog::{Committed, Told};
use crate::files::Lock;
use crate::journal::Entry;
use crate::mail::event::{self, MessageRef, Sighting};
use crate::mail::{BlobId, Event, Fate, Nonce, Occurrence};
use crate::store::{Append, Received, Writer};
use crate::telemetry;

/// A batch is committed when this many messages wait, …
const BATCH_MESSAGES: usize = 256;
/// … or this many octets, …
const BATCH_BYTES: u64 = 8 << 20;
/// … or when nothing more has come for this long, …
const BATCH_PAUSE: Duration = Duration::from_millis(5);
/// … or when the first has waited for this long.
const BATCH_AGE: Duration = Duration::from_millis(40);
/// Private records of other events go into a pack, and all leaves under a checkpoint, after this long at the latest.
const SIGN_EVERY: Duration = Duration::from_secs(1);
const RECORDS_AT_ONCE: u32 = 512;

/// A message that is in the archive now, durably.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    pub id: BlobId,
    /// [`Fate::Kept`] if it was new, else [`Fate::Duplicate`].
    pub fate: Fate,
}

/// Hands messages to the thread that keeps them.
#[derive(Clone, Debug)]
pub struct Keeper {
    jobs: mpsc::Sender<Job>,
    pub budget: Budget,
}

#[derive(Debug)]
enum Job {
    Keep(Box<Arrived>),
    /// Everything kept and told so far is to be covered by a checkpoint.
    Sign(oneshot::Sender<Result<Covered, Error>>),
    /// The pack that grows is to be left as it is; the next batch begins another.
    ClosePack(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Arrived {
    message: Received,
    sighting: Sighting,
    _share: Share,
    answer: oneshot::Sender<Result<Kept, Error>>,
}

/// An answer that comes when the batch with the message is durable.
pub type Answer = oneshot::Receiver<Result<Kept, Error>>;

impl Keeper {
    /// Queues a message; waits while too many are queued. `share` is given back when the message is kept.
    pub async fn keep(&self, message: Received, sighting: Sighting, share: Share) -> Result<Answer, Error> {
        let (answer, receiver) = oneshot::channel();
        let arrived = Arrived { message, sighting, _share: share, answer };
        self.send(Job::Keep(Box::new(arrived))).await?;
        Ok(receiver)
    }

    /// Has everything that was kept and told before this call covered by a signed checkpoint.
    pub async fn sign(&self) -> Result<Covered, Error> {
        if let Some(untrue) = Covered::by_mutant() {
            return Ok(untrue);
        }
        let (answer, receiver) = oneshot::channel();
        self.send(Job::Sign(answer)).await?;
        receiver.await.map_err(|_| Error::Closing)?
    }

    /// Has the pack that grows closed, so that it may be sealed.
    pub async fn close_pack(&self) -> Result<(), Error> {
        let (answer, receiver) = oneshot::channel();
        self.send(Job::ClosePack(answer)).await?;
        receiver.await.map_err(|_| Error::Closing)
    }

    async fn send(&self, job: Job) -> Result<(), Error> {
        self.jobs.send(job).await.map_err(|_| Error::Closing)
    }
}

/// The octets that may be in memory on their way to the disk, all accounts together.
#[derive(Clone, Debug)]
pub struct Budget {
    kib: Arc<Semaphore>,
    total_kib: usize,
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    permit: OwnedSemaphorePermit,
}

impl Share {
    /// What may be held in memory for it. What is longer goes through a file.
    pub fn bytes(&self) -> usize {
        self.permit.num_permits() * 1024
    }

    /// Gives back what a message of this size does not need.
    pub(super) fn shrink(&mut self, size_bytes: u64) {
        let needed = usize::try_from(size_bytes.max(LEAST_SHARE).div_ceil(1024)).unwrap_or(usize::MAX);
        drop(self.permit.split(self.permit.num_permits().saturating_sub(needed)));
    }
}

/// What a message takes at the least, be it ever so short, …
const LEAST_SHARE: u64 = 16 << 10;
/// … and at the most: a longer one spills.
const MOST_SHARE: u64 = 1 << 20;

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self { kib: Arc::new(Semaphore::new(bytes / 1024)), total_kib: bytes / 1024 }
    }

    /// What is in memory or may be at any moment, and on the disk soon.
    pub fn used_bytes(&self) -> u64 {
        self.total_kib.saturating_sub(self.kib.available_permits()) as u64 * 1024
    }

    /// Waits until there is room for a message of about this size. A larger one than the most a message may hold in
    /// memory gets that much, and spills.
    pub async fn share(&self, size_hint: Option<u64>) -> Result<Share, Error> {
        let bytes = size_hint.unwrap_or(LEAST_SHARE).clamp(LEAST_SHARE, MOST_SHARE);
        let kib = u32::try_from(bytes.div_ceil(1024)).unwrap_or(u32::MAX);
        let permit = self.kib.clone().acquire_many_owned(kib).await.map_err(|_| Error::Closing)?;
        Ok(Share { permit })
    }
}

/// The thread that keeps. It alone writes packs.
#[derive(Debug)]
pub struct Keeping {
    thread: JoinHandle<()>,
}

impl Keeping {
    /// `in_flight_bytes` bounds the memory of messages that wait. The archive's lock goes with the thread: nobody else
    /// may own the archive before its last write is done.
    pub fn start(
        holds: Holds,
        (writer, signing): (Writer, Signing),
        lock: Lock,
        in_flight_bytes: usize,
    ) -> std::io::Result<(Self, Keeper)> {
        let (jobs, waiting) = mpsc::channel(BATCH_MESSAGES * 2);
        let thread = std::thread::Builder::new().name("keep".to_owned()).spawn(move || {
            let keeps = Keeps { holds, writer, signing, _lock: lock };
            if catch_unwind(AssertUnwindSafe(|| keeps.run(waiting))).is_err() {
                // A daemon that logs in and can keep nothing is worse than none; the panic has been printed.
                std::process::abort();
            }
        })?;
        Ok((Self { thread }, Keeper { jobs, budget: Budget::new(in_flight_bytes) }))
    }

    /// Waits until everything queued is kept. All [`Keeper`]s must have been dropped.
    pub fn finish(self) {
        // A panic in the thread has been printed; the batch it held was never acknowledged.
        drop(self.thread.join());
    }
}

struct Keeps {
    holds: Holds,
    writer: Writer,
    signing: Signing,
    _lock: Lock,
}

impl Keeps {
    fn run(mut self, mut waiting: mpsc::Receiver<Job>) {
        #[expect(clippy::expect_used, reason = "a runtime without drivers needs nothing that could fail")]
        let clock = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a timer");
        let mut signed = Instant::now();
        let mut next = None;
        loop {
            let job = match next.take() {
                Some(job) => Ok(Some(job)),
                None => clock.block_on(async { tokio::time::timeout(SIGN_EVERY, waiting.recv()).await }),
            };
            match job {
                Err(_) => {}
                Ok(None) => break,
                Ok(Some(Job::Keep(first))) => {
                    let batch;
                    (batch, next) = clock.block_on(gather(*first, &mut waiting));
                    self.keep(batch);
                }
                Ok(Some(Job::Sign(answer))) => drop(answer.send(self.sign())),
                Ok(Some(Job::ClosePack(answer))) => {
                    self.writer.close_pack();
                    let _nobody_waits = answer.send(());
                }
            }
            if signed.elapsed() >= SIGN_EVERY {
                self.sign_in_time();
                signed = Instant::now();
            }
        }
        self.sign_in_time();
    }

    fn keep(&mut self, batch: Vec<Arrived>) {
        match self.commit(&batch) {
            Ok(outcomes) => {
                self.holds.wake.kept();
                for (job, outcome) in batch.into_iter().zip(outcomes) {
                    drop(job.answer.send(outcome));
                }
            }
            Err(error) => {
                telemetry::keep_failed(batch.len(), &error);
                let error = Arc::new(error);
                for job in batch {
                    drop(job.answer.send(Err(Error::Batch(error.clone()))));
                }
            }
        }
    }

    /// Octets and private records into the pack, fsync, read back; then facts and leaves into the catalog.
    fn commit(&mut self, batch: &[Arrived]) -> Result<Vec<Result<Kept, Error>>, Error> {
        let now = self.holds.clock.now();
        let events = self.events(batch)?;
        let told: Vec<Option<(Occurrence, Entry)>> = events
            .into_iter()
            .map(|event| {
                let occurrence = Occurrence { at: now, event: event? };
                let entry = Entry::new(&occurrence);
                Some((occurrence, entry))
            })
            .collect();

        let mut records = Vec::with_capacity(batch.len() * 2);
        for (job, told) in batch.iter().zip(&told) {
            let Some((occurrence, entry)) = told else { continue };
            if matches!(occurrence.event, Event::Kept(_)) {
                records.push(Append::Message(&job.message));
            }
            records.push(Append::Private(&entry.record));
        }
        let already = |job: &Arrived| Ok(Kept { id: job.message.id(), fate: Fate::Duplicate });
        if records.is_empty() {
            return Ok(batch.iter().map(already).collect());
        }
        let (durable, grown) = self.writer.append(&records, now)?;
        if grown.len() > 1 {
            self.holds.wake.seal.notify_one();
        }

        let mut durable = durable.iter();
        let mut places = || durable.next().map(|durable| place(durable.location()));
        let mut commit = Vec::with_capacity(told.len());
        let on_record: Vec<bool> = told.iter().map(Option::is_none).collect();
        for (occurrence, entry) in told.into_iter().flatten() {
            let message = if matches!(occurrence.event, Event::Kept(_)) { places() } else { None };
            let record = places().ok_or(Error::Closing)?;
            commit.push(Told::stored(occurrence, entry.leaf, record, message));
        }
        let outcomes = self.holds.catalog.commit(&extents(&grown), &commit)?;
        let mut answers = commit.iter().zip(outcomes).map(|(told, outcome)| answer(&told.occurrence.event, outcome));
        let of = |(job, on_record)| match on_record {
            true => already(job),
            false => answers.next().unwrap_or(Err(Error::Closing)),
        };
        Ok(batch.iter().zip(on_record).map(of).collect())
    }

    /// New, or met again; also within the batch. None for what is on record just so: fetched again only to be compared.
    fn events(&self, batch: &[Arrived]) -> Result<Vec<Option<Event>>, Error> {
        let ids: Vec<BlobId> = batch.iter().map(|job| job.message.id()).collect();
        let known = self.holds.catalog.nonces(&ids)?;
        let mut in_batch: HashMap<BlobId, Nonce> = HashMap::new();
        let mut events = Vec::with_capacity(batch.len());
        for ((job, id), known) in batch.iter().zip(ids).zip(known) {
            let sighting = job.sighting.clone();
            let known = in_batch.get(&id).copied().or(known);
            events.push(match known {
                Some(_) if self.holds.catalog.is_met(&sighting, &id)? => None,
                Some(nonce) => {
                    let message = MessageRef { id, nonce };
                    Some(Event::Sighted(event::Sighted { message, sighting, by_header: false }))
                }
                None => {
                    let nonce = Nonce::random();
                    in_batch.insert(id, nonce);
                    Some(Event::Kept(event::Kept {
                        message: MessageRef { id, nonce },
                        size_bytes: job.message.size_bytes(),
                        header: job.message.header(),
                        sighting,
                    }))
                }
            });
        }
        Ok(events)
    }

    /// What fails stays where it is, in the catalog, until the next time.
    fn sign_in_time(&mut self) {
        if let Err(error) = self.sign() {
            telemetry::sign_failed(&error);
        }
    }

    /// Private records that came without a message go into a pack, and then every leaf under a checkpoint.
    fn sign(&mut self) -> Result<Covered, Error> {
        self.store_records()?;
        self.signing.sign(&self.holds.catalog)
    }

    fn store_records(&mut self) -> Result<(), Error> {
        loop {
            let waiting = self.holds.catalog.waiting_records(RECORDS_AT_ONCE)?;
            if waiting.is_empty() {
                return Ok(());
            }
            let records: Vec<Append<'_>> = waiting.iter().map(|(_, record)| Append::Private(record)).collect();
            let (durable, grown) = self.writer.append(&records, self.holds.clock.now())?;
            let places: Vec<(i64, (u64, u32))> =
                waiting.iter().zip(&durable).map(|((seq, _), durable)| (*seq, place(durable.location()))).collect();
            self.holds.catalog.records_stored(&extents(&grown), &places)?;
        }
    }
}

/// All messages that come without a pause, up to the limits of a batch; and what came that is no message.
async fn gather(first: Arrived, waiting: &mut mpsc::Receiver<Job>) -> (Vec<Arrived>, Option<Job>) {
    let oldest = Instant::now();
    let mut bytes = first.message.size_bytes();
    let mut batch = vec![first];
    while batch.len() < BATCH_MESSAGES && bytes < BATCH_BYTES && oldest.elapsed() < BATCH_AGE {
        match tokio::time::timeout(BATCH_PAUSE, waiting.recv()).await {
            Ok(Some(Job::Keep(arrived))) => {
                bytes += arrived.message.size_bytes();
                batch.push(*arrived);
            }
            Ok(Some(other)) => return (batch, Some(other)),
            Ok(None) | Err(_) => break,
        }
    }
    (batch, None)
}

fn answer(event: &Event, outcome: Committed) -> Result<Kept, Error> {
    match (outcome, event) {
        (Committed::Refused(error), _) => Err(Error::Refused(error)),
        (Committed::Message(recorded), Event::Kept(_)) => Ok(Kept { id: recorded.id(), fate: Fate::Kept }),
        (Committed::Message(recorded), _) => Ok(Kept { id: recorded.id(), fate: Fate::Duplicate }),
        (Committed::Other, _) => Err(Error::Closing),
    }
}
