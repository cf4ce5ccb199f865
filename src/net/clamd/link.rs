//! One session with a clamd: several questions in flight, and one task that writes and reads at the same time.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::AsyncReadExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use super::socket::{self, Inlet, Outlet};
use super::source::Stream;
use super::{Address, Answer, Deadlines, Error, Transport, Version};
use crate::proto::clamd::{self as proto, Said, Session};

/// What is asked.
pub(super) enum Ask {
    Version,
    Octets(Bytes),
    Stream(Stream),
    File(OwnedFd),
}

/// A question on its way to the writer.
struct Job {
    ask: Ask,
    sent: oneshot::Sender<()>,
    open: Open,
}

/// A question that is not answered yet. It keeps its place in the window even when nobody waits for the answer any more.
struct Open {
    reply: oneshot::Sender<Result<Said, Error>>,
    _slots: Option<OwnedSemaphorePermit>,
}

/// What the task and those who ask share.
struct Table {
    session: Session,
    open: BTreeMap<u32, Open>,
    used: Instant,
}

/// Dropping it ends the session; who still waits for an answer holds it too.
pub(super) struct Link {
    pub(super) transport: Transport,
    table: Arc<Mutex<Table>>,
    jobs: mpsc::UnboundedSender<Job>,
    /// The places in the window. Closed: nothing more is asked here, and who waits for one looks elsewhere.
    slots: Arc<Semaphore>,
    window: u32,
    deadlines: Deadlines,
    reported: AtomicBool,
    task: AbortHandle,
}

impl Link {
    /// Connects and opens the session. Whoever answers has shown nothing yet.
    pub(super) async fn open(
        address: &Address,
        transport: Transport,
        window: u32,
        deadlines: &Deadlines,
    ) -> Result<Self, Error> {
        let (inlet, mut outlet) = socket::connect(address, deadlines.connect).await?;
        outlet.send(proto::OPEN, deadlines.stall).await?;
        let table = Table { session: Session::new(), open: BTreeMap::new(), used: Instant::now() };
        let table = Arc::new(Mutex::new(table));
        let slots = Arc::new(Semaphore::new(window as usize));
        let (jobs, inbox) = mpsc::unbounded_channel();
        let driver = Driver { inlet, outlet, table: Arc::clone(&table), slots: Arc::clone(&slots), inbox };
        let task = tokio::spawn(driver.run(deadlines.stall)).abort_handle();
        let reported = AtomicBool::new(false);
        Ok(Self { transport, table, jobs, slots, window, deadlines: *deadlines, reported, task })
    }

    /// Places in the window. `None`: nothing more is asked here.
    pub(super) async fn slots(&self, count: u32) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_many_owned(count).await.ok()
    }

    pub(super) fn free_slots(&self) -> u32 {
        u32::try_from(self.slots.available_permits()).unwrap_or(u32::MAX)
    }

    /// Whether anything can be asked here. clamd hangs up on who asks nothing for a while; that is not waited for.
    pub(super) fn is_of_use(&self, idle: Duration) -> bool {
        let table = lock(&self.table);
        let rested = self.free_slots() == self.window && table.used.elapsed() > idle;
        !self.slots.is_closed() && !rested
    }

    /// Whether this session's failure is told for the first time: one death is one failure, however many were asking.
    pub(super) fn is_news(&self) -> bool {
        !self.reported.swap(true, Ordering::Relaxed)
    }

    pub(super) async fn version(&self, wait: Duration) -> Result<Version, Error> {
        match self.ask(Ask::Version, None, wait).await? {
            Said::Version(version) => Ok(version),
            other => Err(misplaced(other)),
        }
    }

    /// Asks for a scan. It is the scan that the deadline is for: the others in the session are not affected by it.
    pub(super) async fn scan(&self, ask: Ask, slots: Option<OwnedSemaphorePermit>) -> Result<Answer, Error> {
        self.scan_within(ask, slots, self.deadlines.reply).await
    }

    pub(super) async fn scan_within(
        &self,
        ask: Ask,
        slots: Option<OwnedSemaphorePermit>,
        wait: Duration,
    ) -> Result<Answer, Error> {
        match self.ask(ask, slots, wait).await? {
            Said::Scan(answer) => Ok(answer),
            other => Err(misplaced(other)),
        }
    }

    async fn ask(&self, ask: Ask, slots: Option<OwnedSemaphorePermit>, wait: Duration) -> Result<Said, Error> {
        let (sent, was_sent) = oneshot::channel();
        let (reply, replied) = oneshot::channel();
        let job = Job { ask, sent, open: Open { reply, _slots: slots } };
        let unanswered = Unanswered(self);
        // clamd has heard nothing of a question that is dropped, so nothing that it did can be put down to that one.
        self.jobs.send(job).map_err(|_dropped| Error::Over)?;
        // The writer has deadlines of its own. If it is gone, there is an answer, or a reason why there is none.
        let _gone = was_sent.await;
        match timeout(wait, replied).await {
            Ok(Ok(said)) => {
                std::mem::forget(unanswered);
                said
            }
            Ok(Err(_dropped)) => Err(Error::Over),
            Err(_elapsed) => Err(Error::Silent(wait)),
        }
    }
}

/// Held from a question to its answer. Its end without one, whether nobody waits any more or clamd is too slow, ends the
/// use of the session: the place in the window may never come back.
struct Unanswered<'a>(&'a Link);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0.slots.close();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Both ends of the socket.
struct Driver {
    inlet: Inlet,
    outlet: Outlet,
    table: Arc<Mutex<Table>>,
    slots: Arc<Semaphore>,
    inbox: mpsc::UnboundedReceiver<Job>,
}

impl Driver {
    async fn run(self, stall: Duration) {
        let Self { mut inlet, mut outlet, table, slots, mut inbox } = self;
        let cause = {
            let mut reading = pin!(read(&mut inlet, &table));
            let writing = pin!(write(&mut outlet, &table, &mut inbox, stall));
            tokio::select! {
                cause = &mut reading => cause,
                cause = writing => match cause {
                    // clamd says why before it hangs up.
                    Error::Broken(_) => timeout(stall, reading).await.unwrap_or(cause),
                    _ => cause,
                },
            }
        };
        slots.close();
        end(&table, &cause);
        // Dropping the inbox would not do: what is being sent at that moment would stay in it, and its sender wait for ever.
        inbox.close();
        while inbox.recv().await.is_some() {}
    }
}

/// Reads until the session is over, and says why it is.
async fn read(inlet: &mut Inlet, table: &Mutex<Table>) -> Error {
    let mut piece = [0; 4096];
    loop {
        match inlet.read(&mut piece).await {
            Ok(0) => return lock(table).session.closed().into(),
            Ok(length) => {
                if let Err(error) = take(table, &piece[..length]) {
                    return error.into();
                }
            }
            Err(error) => return Error::Broken(Arc::new(error)),
        }
    }
}

fn take(table: &Mutex<Table>, octets: &[u8]) -> Result<(), proto::Error> {
    let mut table = lock(table);
    table.session.feed(octets);
    table.used = Instant::now();
    while let Some(reply) = table.session.reply()? {
        if let Some(open) = table.open.remove(&reply.id) {
            // Who asked may have lost patience.
            let _gone = open.reply.send(Ok(reply.said));
        }
    }
    Ok(())
}

/// Writes question after question, and says why it cannot go on.
async fn write(
    outlet: &mut Outlet,
    table: &Mutex<Table>,
    inbox: &mut mpsc::UnboundedReceiver<Job>,
    stall: Duration,
) -> Error {
    while let Some(job) = inbox.recv().await {
        if job.open.reply.is_closed() {
            continue;
        }
        if let Err(error) = send(outlet, table, job, stall).await {
            return error;
        }
    }
    Error::Over
}

async fn send(outlet: &mut Outlet, table: &Mutex<Table>, job: Job, stall: Duration) -> Result<(), Error> {
    match job.ask {
        Ask::Version => {
            let (_, command) = open(table, job.open, Session::version);
            outlet.send(command, stall).await?;
        }
        Ask::File(file) => {
            let (_, command) = open(table, job.open, Session::fildes);
            outlet.pass(command, &file, stall).await?;
        }
        Ask::Octets(octets) => {
            let (id, command) = open(table, job.open, Session::instream);
            send_octets(outlet, table, (id, command), &octets, stall).await?;
        }
        Ask::Stream(stream) => {
            let (id, command) = open(table, job.open, Session::instream);
            outlet.send(command, stall).await?;
            if let Err(error) = send_stream(outlet, stream, stall).await {
                return Err(unsent(table, id, error));
            }
            lock(table).session.sent(id);
            outlet.send(proto::END.as_slice(), stall).await?;
        }
    }
    // Who asked may have lost patience.
    let _gone = job.sent.send(());
    Ok(())
}

/// What fits into one chunk goes out in one call.
async fn send_octets(
    outlet: &mut Outlet,
    table: &Mutex<Table>,
    (id, command): (u32, &'static [u8]),
    octets: &[u8],
    stall: Duration,
) -> Result<(), Error> {
    let mut command = command;
    let mut chunks = octets.chunks(proto::CHUNK_BYTES).peekable();
    while let Some(chunk) = chunks.next() {
        let header = proto::header(chunk);
        let framed = Buf::chain(Buf::chain(command, header.as_slice()), chunk);
        command = b"";
        if chunks.peek().is_none() {
            lock(table).session.sent(id);
            return outlet.send(Buf::chain(framed, proto::END.as_slice()), stall).await;
        }
        outlet.send(framed, stall).await?;
    }
    lock(table).session.sent(id);
    outlet.send(Buf::chain(command, proto::END.as_slice()), stall).await
}

async fn send_stream(outlet: &mut Outlet, stream: Stream, stall: Duration) -> Result<(), Error> {
    let mut flow = stream.flow();
    loop {
        let broken_off = || Err(std::io::Error::other("reading it was broken off"));
        let piece = flow.recv().await.unwrap_or_else(broken_off).map_err(|error| Error::Source(Arc::new(error)))?;
        let Some(piece) = piece else { return Ok(()) };
        for chunk in piece.chunks(proto::CHUNK_BYTES) {
            let header = proto::header(chunk);
            outlet.send(Buf::chain(header.as_slice(), chunk), stall).await?;
        }
    }
}

/// What cannot be read ends the session, because a stream cannot be taken back; but that is told only to who asked.
fn unsent(table: &Mutex<Table>, id: u32, error: Error) -> Error {
    if !matches!(error, Error::Source(_)) {
        return error;
    }
    if let Some(open) = lock(table).open.remove(&id) {
        let _gone = open.reply.send(Err(error));
    }
    Error::Over
}

fn open(table: &Mutex<Table>, open: Open, command: fn(&mut Session) -> (u32, &'static [u8])) -> (u32, &'static [u8]) {
    let mut table = lock(table);
    let (id, command) = command(&mut table.session);
    table.open.insert(id, open);
    table.used = Instant::now();
    (id, command)
}

fn end(table: &Mutex<Table>, cause: &Error) {
    for (_, open) in std::mem::take(&mut lock(table).open) {
        let _gone = open.reply.send(Err(cause.clone()));
    }
}

/// The wire reads an answer as what was asked, so this is never seen.
fn misplaced(said: Said) -> Error {
    proto::Error::Garbage(format!("{said:?}")).into()
}

/// Each change is whole before anything can panic.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}
