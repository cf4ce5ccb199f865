//! Talks to one clamd over its socket: connects, makes sure that it finds what it must find, asks for scans.
//! Knows nothing about parts or verdicts.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytes::Buf;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::mail::eicar;
use crate::proto::clamd::{self as proto, Said, Session};

pub use crate::proto::clamd::{Answer, Version};

/// Where a clamd listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Unix(PathBuf),
    /// `host:port`. Neither encrypted nor authenticated: for loopback and tunnels.
    Tcp(String),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not clamd's address; write \"unix:/run/clamav/clamd.ctl\" or \"tcp:127.0.0.1:3310\"")]
pub struct ParseAddressError(String);

impl FromStr for Address {
    type Err = ParseAddressError;

    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        let port = |address: &str| address.rsplit_once(':').filter(|(host, _)| !host.is_empty())?.1.parse::<u16>().ok();
        match text.split_once(':') {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(("tcp", address)) if port(address).is_some() => Ok(Self::Tcp(address.to_owned())),
            _ => Err(ParseAddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

/// Gives the octets to be scanned, piece by piece, then `None`.
pub type Pieces<'f, 'a> = &'f mut (dyn FnMut() -> io::Result<Option<Cow<'a, [u8]>>> + Send);

/// How long clamd may take over what it does.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    pub connect: Duration,
    /// For taking one chunk off our hands.
    pub stall: Duration,
    /// From the last octet sent to the answer.
    pub reply: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(2), stall: seconds(30), reply: seconds(180) }
    }
}

/// Why the connection is dead. Nothing is known about what was being scanned.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot connect to clamd at {address}: {source}; start it, or correct scan.clamd")]
    Connect { address: Address, source: io::Error },
    #[error("clamd at {address} did not take the connection within {} s", .waited.as_secs_f32())]
    Unreachable { address: Address, waited: Duration },
    #[error("clamd took nothing more of the message for {} s", .0.as_secs_f32())]
    Stalled(Duration),
    #[error("clamd gave no answer within {} s", .0.as_secs_f32())]
    Silent(Duration),
    #[error("the connection to clamd broke: {0}")]
    Broken(#[from] io::Error),
    #[error(transparent)]
    Protocol(#[from] proto::Error),
    #[error("clamd answered before it had the whole message; check that the address is clamd's")]
    Early,
    #[error("the scanner does not find the EICAR test file: it answered {0:?}; check its signature database")]
    Blind(Answer),
    #[error("what was to be scanned could not be read: {0}")]
    Source(io::Error),
    #[error("this connection to clamd has ended; open another")]
    Over,
}

impl Error {
    /// Whether the same may succeed on a new connection without anybody repairing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Protocol(error) => error.is_transient(),
            Self::Early | Self::Blind(_) | Self::Source(_) => false,
            _ => true,
        }
    }
}

/// A session with a clamd that has shown that it finds things. One scan at a time.
pub struct Connection {
    /// `None` when the session is over, or a scan was dropped half way.
    wire: Option<Wire>,
    deadlines: Deadlines,
    version: Version,
}

impl Connection {
    /// Connects, asks who answers, and has the EICAR test file scanned: a scanner that does not find it is refused.
    pub async fn open(address: &Address, deadlines: &Deadlines) -> Result<Self, Error> {
        let mut wire = Wire::connect(address, deadlines).await?;
        wire.send(proto::OPEN, deadlines).await?;
        let version = wire.version(deadlines).await?;
        let mut connection = Self { wire: Some(wire), deadlines: *deadlines, version };
        match connection.scan(&eicar()).await? {
            Answer::Found(_) => Ok(connection),
            other => Err(Error::Blind(other)),
        }
    }

    /// Who answered when the connection was opened or `signatures_now` last asked.
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Whether another scan can be asked for.
    pub const fn is_open(&self) -> bool {
        self.wire.is_some()
    }

    /// Asks again which signatures clamd has loaded: it may have loaded others since.
    pub async fn signatures_now(&mut self) -> Result<&Version, Error> {
        let mut wire = self.wire.take().ok_or(Error::Over)?;
        self.version = wire.version(&self.deadlines).await?;
        self.wire = Some(wire);
        Ok(&self.version)
    }

    /// Has the octets scanned. After an error, and after `Answer::TooLarge`, the session is over; so it is when the
    /// future is dropped before its end.
    pub async fn scan(&mut self, octets: &[u8]) -> Result<Answer, Error> {
        let mut whole = Some(octets);
        self.scan_pieces(&mut || Ok(whole.take().map(Cow::Borrowed))).await
    }

    /// As [`Self::scan`], for octets that are too many to be held: `next` gives them piece by piece.
    pub async fn scan_pieces<'a>(&mut self, next: Pieces<'_, 'a>) -> Result<Answer, Error> {
        let mut wire = self.wire.take().ok_or(Error::Over)?;
        let answer = wire.scan(next, &self.deadlines).await?;
        if answer != Answer::TooLarge {
            self.wire = Some(wire);
        }
        Ok(answer)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("version", &self.version).field("open", &self.is_open()).finish()
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + Sync> Stream for S {}

/// The socket and the machine that understands it.
struct Wire {
    reader: Reader,
    writer: WriteHalf<Box<dyn Stream>>,
}

struct Reader {
    socket: ReadHalf<Box<dyn Stream>>,
    session: Session,
}

impl Wire {
    #[expect(clippy::disallowed_methods, reason = "net/ is where sockets are opened")]
    async fn connect(address: &Address, deadlines: &Deadlines) -> Result<Self, Error> {
        let connected = timeout(deadlines.connect, async {
            Ok::<Box<dyn Stream>, io::Error>(match address {
                Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
                Address::Tcp(address) => {
                    let socket = TcpStream::connect(address).await?;
                    socket.set_nodelay(true)?;
                    Box::new(socket)
                }
            })
        });
        let socket = connected
            .await
            .map_err(|_elapsed| Error::Unreachable { address: address.clone(), waited: deadlines.connect })?
            .map_err(|source| Error::Connect { address: address.clone(), source })?;
        let (socket, writer) = tokio::io::split(socket);
        Ok(Self { reader: Reader { socket, session: Session::new() }, writer })
    }

    async fn send(&mut self, octets: &[u8], deadlines: &Deadlines) -> Result<(), Error> {
        within(deadlines.stall, Error::Stalled, self.writer.write_all(octets)).await
    }

    async fn version(&mut self, deadlines: &Deadlines) -> Result<Version, Error> {
        let (id, command) = self.reader.session.version();
        self.send(command, deadlines).await?;
        match self.reader.reply_to(id, deadlines.reply).await? {
            Said::Version(version) => Ok(version),
            _ => Err(unasked(id)),
        }
    }

    /// Reads while it writes: clamd says that a stream is too large while more of it is coming, and hangs up.
    async fn scan(&mut self, pieces: Pieces<'_, '_>, deadlines: &Deadlines) -> Result<Answer, Error> {
        let Self { reader, writer } = self;
        let (id, command) = reader.session.scan();
        let sent = tokio::select! {
            biased;
            sent = stream(writer, command, pieces, deadlines.stall) => sent,
            // No deadline of its own: the writer's ends the wait.
            said = reader.reply_to(id, Duration::MAX) => return early(said?),
        };
        let said = match sent {
            Ok(()) => reader.reply_to(id, deadlines.reply).await?,
            Err(broken @ Error::Broken(_)) => {
                let last_words = reader.reply_to(id, deadlines.stall).await;
                return last_words.map_err(|error| refusal_or(error, broken)).and_then(early);
            }
            Err(error) => return Err(error),
        };
        match said {
            Said::Scan(answer) => Ok(answer),
            _ => Err(unasked(id)),
        }
    }
}

impl Reader {
    async fn reply_to(&mut self, id: u32, wait: Duration) -> Result<Said, Error> {
        let read = async {
            loop {
                if let Some(reply) = self.session.reply()? {
                    return if reply.id == id { Ok(reply.said) } else { Err(unasked(reply.id)) };
                }
                let mut piece = [0; 1024];
                let length = self.socket.read(&mut piece).await?;
                if length == 0 {
                    return Err(self.session.closed().into());
                }
                self.session.feed(&piece[..length]);
            }
        };
        timeout(wait, read).await.unwrap_or(Err(Error::Silent(wait)))
    }
}

/// Writes a whole stream; each chunk goes out with its length in one system call and is not copied.
async fn stream(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    command: &[u8],
    pieces: Pieces<'_, '_>,
    stall: Duration,
) -> Result<(), Error> {
    within(stall, Error::Stalled, writer.write_all(command)).await?;
    while let Some(piece) = pieces().map_err(Error::Source)? {
        for chunk in piece.chunks(proto::CHUNK_BYTES) {
            let header = proto::header(chunk);
            let mut framed = Buf::chain(header.as_slice(), chunk);
            within(stall, Error::Stalled, writer.write_all_buf(&mut framed)).await?;
        }
    }
    within(stall, Error::Stalled, writer.write_all(&proto::END)).await
}

async fn within<T>(
    wait: Duration,
    late: fn(Duration) -> Error,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Error> {
    Ok(timeout(wait, work).await.map_err(|_elapsed| late(wait))??)
}

/// What may be said of a message of which clamd has not got the whole: that it is too large, nothing else.
fn early(said: Said) -> Result<Answer, Error> {
    if said == Said::Scan(Answer::TooLarge) { Ok(Answer::TooLarge) } else { Err(Error::Early) }
}

/// Of two ends of one connection, the one that says why.
fn refusal_or(last_words: Error, broken: Error) -> Error {
    match last_words {
        Error::Protocol(proto::Error::TimedOut | proto::Error::Refused(_)) => last_words,
        _ => broken,
    }
}

const fn unasked(id: u32) -> Error {
    Error::Protocol(proto::Error::WrongId(id))
}
