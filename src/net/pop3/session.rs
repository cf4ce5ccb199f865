use std::time::Duration;

use rustls::ProtocolVersion;
use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::error::{Cause, Error, Phase};
use super::{Deadlines, Endpoint, Pace, connect};
use crate::net::tls::TlsFacts;
use crate::proto::pop3::{Capabilities, Command, Event, Fault, Listing, Login, Reply, Retrieve, Seam, Window, Wire};

/// A logged-in session (the transaction state of RFC 1939 section 5). Dropping it closes the connection without QUIT:
/// the server then deletes nothing. After an error every further call fails with the same cause or a lost connection.
pub struct Session {
    place: String,
    connection: Connection,
    wire: Wire,
    capabilities: Capabilities,
    /// Whether more than one command may be outstanding.
    pipelining: bool,
    mechanism: &'static str,
    window: Window,
    asking: Asking,
    seam: Seam,
    pace: Pace,
    deadlines: Deadlines,
}

/// What is asked of the messages in the window.
#[derive(Clone, Copy, Debug)]
enum Asking {
    Whole { max_bytes: u64 },
    Header,
}

/// A longer header block is not compared.
const HEADER_LIMIT_BYTES: u64 = 1 << 20;
/// What a header block is reckoned at when several are asked for at once.
const HEADER_BYTES: u64 = 8 << 10;

/// What [`Session::next`] tells. Messages come one after the other, in the order they were asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Retrieved<'a> {
    Begin {
        number: u32,
    },
    /// Octets of the message, exactly as the server keeps them.
    Chunk(&'a [u8]),
    /// The message is whole. `lone_dots` counts lines on which the server forgot dot-stuffing; nothing was lost.
    End {
        number: u32,
        octets: u64,
        lone_dots: u64,
    },
    /// It went past `max_bytes`; what came before is to be thrown away.
    TooLarge {
        number: u32,
        octets: u64,
    },
    /// The server does not give this one; the others come all the same.
    Refused {
        number: u32,
        reply: Reply,
    },
}

/// The answer to one DELE. The server deletes at QUIT only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    pub number: u32,
    pub reply: Reply,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Quit {
    /// What was marked is deleted.
    Committed,
    /// Some of it is, some is not (RFC 1939 section 6): the next listing tells.
    Refused(Reply),
}

enum Advance {
    /// Of so many octets, right behind what was read.
    Chunk(usize),
    Told(Retrieved<'static>),
    /// The last there is to tell about a message.
    Last(Retrieved<'static>),
    Starved,
}

/// How long the other side may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

impl Session {
    /// Connects, secures the line, logs in.
    pub async fn open(endpoint: &Endpoint, login: &Login, deadlines: &Deadlines) -> Result<Self, Error> {
        let place = format!("{}:{}", endpoint.host, endpoint.port);
        match connect::open(endpoint, login, deadlines).await {
            Ok(connect::Opened { connection, wire, capabilities, mechanism }) => {
                let pipelining = capabilities.pipelining();
                let window = Window::new(if pipelining { Window::COMMANDS } else { 1 });
                Ok(Self {
                    place,
                    connection,
                    wire,
                    capabilities,
                    mechanism,
                    pipelining,
                    window,
                    asking: Asking::Header,
                    seam: Seam::default(),
                    pace: Pace::new(deadlines.pace),
                    deadlines: *deadlines,
                })
            }
            Err(cause) => Err(Error { place, cause }),
        }
    }

    /// What the server offers once logged in.
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Never more than one command at a time, whatever the server offers: some promise more than they can do.
    pub fn one_at_a_time(&mut self) {
        self.pipelining = false;
        self.window = Window::new(1);
    }

    /// Commands sent and not answered to the end yet; as they were when the dialog broke down.
    pub fn outstanding(&self) -> usize {
        self.wire.outstanding().max(self.window.outstanding())
    }

    /// `None` without TLS.
    pub fn tls_version(&self) -> Option<ProtocolVersion> {
        self.connection.tls()?.protocol_version()
    }

    /// How the line is secured. `None` without TLS.
    pub fn tls_facts(&self) -> Option<TlsFacts> {
        TlsFacts::of(self.connection.tls()?)
    }

    /// How it was logged in, as protocols call it: `SCRAM-SHA-256`, `USER/PASS`.
    pub const fn mechanism(&self) -> &'static str {
        self.mechanism
    }

    /// UIDL and LIST. Sizes are missing where the server refuses LIST.
    pub async fn list(&mut self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        if self.pipelining {
            self.ask(&[Command::Uidl, Command::List]).await?;
            let refusal = self.read_lines(|line| listing.add_uid(line)).await?;
            self.read_lines(|line| listing.add_size(line)).await?;
            self.refuse_listing(refusal)?;
        } else {
            self.ask(&[Command::Uidl]).await?;
            let refusal = self.read_lines(|line| listing.add_uid(line)).await?;
            self.refuse_listing(refusal)?;
            self.ask(&[Command::List]).await?;
            self.read_lines(|line| listing.add_size(line)).await?;
        }
        Ok(listing)
    }

    /// LIST alone, after a [`Cause::NoUidl`]: messages without unique-ids.
    pub async fn list_without_uids(&mut self) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        self.ask(&[Command::List]).await?;
        match self.read_lines(|line| listing.add_size(line)).await? {
            Some(reply) => Err(self.failed(Cause::NoListing { reply })),
            None => Ok(listing),
        }
    }

    /// Queues header blocks (TOP) for [`Self::next`], as [`Self::retrieve`] does whole messages. Only while nothing else
    /// is queued.
    pub fn retrieve_headers(&mut self, numbers: impl IntoIterator<Item = u32>) {
        self.asking = Asking::Header;
        self.window.queue(numbers.into_iter().map(|number| Retrieve { number, size_hint: Some(HEADER_BYTES) }));
    }

    /// Queues messages for [`Self::next`]. One larger than `max_bytes` is given up; one larger than twice that ends
    /// the session. The limit holds for all that was not asked for yet.
    pub fn retrieve(&mut self, wanted: impl IntoIterator<Item = Retrieve>, max_bytes: u64) {
        self.asking = Asking::Whole { max_bytes };
        self.window.queue(wanted);
    }

    /// The next thing that happens to the queued messages. `None`: the queue is drained. May be cancelled.
    pub async fn next(&mut self) -> Result<Option<Retrieved<'_>>, Error> {
        let chunk = loop {
            match self.advance()? {
                Advance::Chunk(length) => break self.connection.behind(length),
                Advance::Told(told) => return Ok(Some(told)),
                Advance::Last(told) => {
                    self.window.close();
                    self.pace.begin();
                    return Ok(Some(told));
                }
                Advance::Starved if self.window.is_drained() => return Ok(None),
                Advance::Starved => self.read_more().await?,
            }
        };
        Ok(Some(Retrieved::Chunk(self.connection.octets(chunk))))
    }

    /// Takes back what was not asked for yet. What was still comes through [`Self::next`].
    pub fn stop_retrieving(&mut self) -> Vec<Retrieve> {
        self.window.stop()
    }

    /// DELE for each, pipelined where offered. Nothing is deleted before [`Self::quit`].
    pub async fn delete(&mut self, numbers: &[u32]) -> Result<Vec<Deleted>, Error> {
        let mut deleted = Vec::with_capacity(numbers.len());
        let batch = if self.pipelining { Window::COMMANDS } else { 1 };
        for numbers in numbers.chunks(batch) {
            let commands: Vec<Command> = numbers.iter().copied().map(Command::Dele).collect();
            self.ask(&commands).await?;
            for &number in numbers {
                deleted.push(Deleted { number, reply: self.read_status().await? });
            }
        }
        Ok(deleted)
    }

    /// Ends the session; the server deletes what was marked.
    pub async fn quit(mut self) -> Result<Quit, Error> {
        self.ask(&[Command::Quit]).await?;
        let reply = self.read_status().await?;
        // The answer to QUIT is what counts; how the line goes down afterwards is nobody's concern.
        drop(timeout(GOODBYE, self.connection.shutdown()).await);
        Ok(if reply.is_ok() { Quit::Committed } else { Quit::Refused(reply) })
    }

    /// Sends commands in one write. Octets that wait before that answer nothing we asked: the dialog is out of step.
    async fn ask(&mut self, commands: &[Command]) -> Result<(), Error> {
        if !self.window.is_drained() || !self.wire.is_idle() {
            return Err(self.failed(Cause::Unfinished));
        }
        self.expect_silence().await?;
        commands.iter().for_each(|command| self.wire.send(command));
        self.connection.write(self.wire.take_output());
        Ok(())
    }

    async fn expect_silence(&mut self) -> Result<(), Error> {
        let arrived = self.connection.fill_now().await;
        self.event(|_| ())?;
        match arrived {
            Some(Err(error)) => Err(self.failed(connect::lost(error))),
            Some(Ok(0)) => Err(self.closed()),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// One step through what has arrived already.
    fn advance(&mut self) -> Result<Advance, Error> {
        let number = self.window.oldest().map_or(0, |oldest| oldest.number);
        let mut seam = self.seam;
        let watches = self.pipelining;
        let told = self.event(|event| match event {
            Event::Chunk(octets) => {
                if watches {
                    seam.see(octets);
                }
                Some(Advance::Chunk(octets.len()))
            }
            Event::Begun => Some(Advance::Told(Retrieved::Begin { number })),
            Event::BodyEnd { octets, lone_dots } => Some(Advance::Last(Retrieved::End { number, octets, lone_dots })),
            Event::TooLarge { octets } => Some(Advance::Last(Retrieved::TooLarge { number, octets })),
            Event::Status(reply) => Some(Advance::Last(Retrieved::Refused { number, reply })),
            Event::Challenge(_) | Event::Line(_) | Event::LinesEnd => None,
        })?;
        self.seam = seam;
        match told {
            None => Ok(Advance::Starved),
            Some(Some(told)) => self.is_in_step(&told).map(|()| told),
            Some(None) => Err(self.failed(Cause::Unfinished)),
        }
    }

    /// Where commands wait, a reply within a message that has not its size is a reply, and no part of the message.
    fn is_in_step(&mut self, told: &Advance) -> Result<(), Error> {
        match (told, self.asking) {
            (Advance::Told(_), _) => self.seam = Seam::default(),
            (Advance::Last(Retrieved::End { octets, .. }), Asking::Whole { .. }) if self.seam.found() => {
                let listed = self.window.oldest().and_then(|oldest| oldest.size_hint);
                if listed.is_some_and(|listed| listed != *octets) {
                    let fault = self.wire.give_up(Fault::RunTogether);
                    return Err(self.failed(Cause::Fault(fault)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    async fn read_status(&mut self) -> Result<Reply, Error> {
        loop {
            let reply = self.event(|event| if let Event::Status(reply) = event { Some(reply) } else { None })?;
            match reply {
                Some(Some(reply)) => {
                    self.pace.begin();
                    return Ok(reply);
                }
                Some(None) => return Err(self.failed(Cause::Unfinished)),
                None => self.fill(Phase::Transfer, self.deadlines.idle).await?,
            }
        }
    }

    /// A whole listing, or the -ERR in its place.
    async fn read_lines(&mut self, mut each: impl FnMut(&[u8])) -> Result<Option<Reply>, Error> {
        let (mut phase, mut limit) = (Phase::Listing, self.deadlines.listing);
        loop {
            let end = self.event(|event| match event {
                Event::Line(line) => {
                    each(line);
                    None
                }
                Event::Status(reply) => Some(Some(reply)),
                Event::LinesEnd => Some(None),
                _ => None,
            })?;
            match end {
                Some(Some(refusal)) => {
                    self.pace.begin();
                    return Ok(refusal);
                }
                Some(None) => (phase, limit) = (Phase::Transfer, self.deadlines.idle),
                None => self.fill(phase, limit).await?,
            }
        }
    }

    /// UIDL that is announced, or refused with a reason, is refused for now; else for good.
    fn refuse_listing(&self, refusal: Option<Reply>) -> Result<(), Error> {
        match refusal {
            None => Ok(()),
            Some(reply) if reply.code.is_some() || self.capabilities.uidl() => {
                Err(self.failed(Cause::NoListing { reply }))
            }
            Some(reply) => Err(self.failed(Cause::NoUidl { reply })),
        }
    }

    async fn read_more(&mut self) -> Result<(), Error> {
        if self.wire.is_idle() {
            self.expect_silence().await?;
        }
        while let Some(wanted) = self.window.open() {
            let number = wanted.number;
            self.wire.send(&match self.asking {
                Asking::Whole { max_bytes } => Command::Retr { number, max_bytes },
                Asking::Header => Command::Top { number, max_bytes: HEADER_LIMIT_BYTES },
            });
        }
        self.connection.write(self.wire.take_output());
        self.fill(Phase::Transfer, self.deadlines.idle).await
    }

    async fn fill(&mut self, phase: Phase, limit: Duration) -> Result<(), Error> {
        let begun = Instant::now();
        match timeout(limit.min(self.pace.left()), self.connection.fill()).await {
            Ok(Ok(0)) => Err(self.closed()),
            Ok(Ok(octets)) => {
                self.pace.arrived(octets as u64, begun.elapsed());
                Ok(())
            }
            Ok(Err(error)) => Err(self.failed(connect::lost(error))),
            Err(_) if self.pace.left() < limit => Err(self.failed(Cause::Drips(self.deadlines.pace))),
            Err(_) => Err(self.failed(Cause::Deadline { phase, after: limit })),
        }
    }

    /// The next event in what has arrived, as `read` makes of it. `None`: all that has arrived is dealt with.
    fn event<T>(&mut self, read: impl FnOnce(Event<'_>) -> T) -> Result<Option<T>, Error> {
        let mut input = self.connection.unread();
        let event = self.wire.next(&mut input).map(|event| event.map(read));
        let left = input.len();
        self.connection.keep(left);
        event.map_err(|fault| self.failed(Cause::Fault(fault)))
    }

    fn closed(&mut self) -> Error {
        let fault = self.wire.end_of_input();
        self.failed(Cause::Fault(fault))
    }

    fn failed(&self, cause: Cause) -> Error {
        Error { place: self.place.clone(), cause }
    }
}
