use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Stream};
use super::error::{Cause, Phase};
use super::{Deadlines, Endpoint, Tls};
use crate::net::tls::TlsError;
use crate::proto::pop3::{Capabilities, Limits, Login, Opening, Security, Step, Wire};

/// A logged-in session.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) wire: Wire,
    pub(super) capabilities: Capabilities,
    pub(super) mechanism: &'static str,
}

/// Connects, secures the line, logs in.
pub(super) async fn open(endpoint: &Endpoint, login: &Login, deadlines: &Deadlines) -> Result<Opened, Cause> {
    let security = match endpoint.tls {
        Tls::Implicit(_) => Security::Tls,
        Tls::StartTls(_) => Security::StartTls,
        Tls::None => Security::Cleartext,
    };
    let opening = Opening::new(login.clone(), security, Limits::default()).map_err(Cause::Opening)?;
    let mut opening = opening.reached_at(&endpoint.host, endpoint.port);
    let tcp = connect(endpoint, deadlines.connect).await?;
    let stream = match &endpoint.tls {
        Tls::Implicit(config) => shake_hands(tcp, config, endpoint, deadlines.tls).await?,
        Tls::StartTls(_) | Tls::None => Stream::Plain(tcp),
    };
    let mut connection = Connection::new(stream);
    opening.bind(connection.channel_binding());
    let mut wait = Wait::new(Phase::Greeting, deadlines.greeting);
    loop {
        let (stepped, next) = step(opening, &mut connection, &wait).await?;
        opening = stepped;
        match next {
            Step::Write(octets) => {
                connection.write(octets);
                wait.enter(Phase::Login, deadlines.login);
            }
            Step::Read => read(&mut connection, &mut opening, &wait).await?,
            Step::UpgradeTls => {
                connection = upgrade(connection, endpoint, deadlines.tls).await?;
                opening.secured();
                opening.bind(connection.channel_binding());
            }
            Step::Open => break,
        }
    }
    let mechanism = opening.mechanism();
    let (wire, capabilities) = opening.into_session();
    Ok(Opened { connection, wire, capabilities, mechanism })
}

/// What may block goes to a thread of its own, and is not waited for longer than for the server.
async fn step(mut opening: Opening, connection: &mut Connection, wait: &Wait) -> Result<(Opening, Step), Cause> {
    let arrived = connection.unread().to_vec();
    let may_block = opening.may_block();
    let work = move || {
        let mut input = arrived.as_slice();
        let step = opening.step(&mut input);
        (input.len(), step.map(|step| (opening, step)))
    };
    let (left, step) = if may_block {
        let worked = timeout_at(wait.until, tokio::task::spawn_blocking(work)).await.map_err(|_| wait.missed())?;
        // It was not cancelled: it panicked, or the program is ending.
        worked.map_err(|error| Cause::Lost(io::Error::other(error)))?
    } else {
        work()
    };
    connection.keep(left);
    step.map_err(Cause::Opening)
}

async fn read(connection: &mut Connection, opening: &mut Opening, wait: &Wait) -> Result<(), Cause> {
    let arrived = timeout_at(wait.until, connection.fill()).await.map_err(|_| wait.missed())?;
    match arrived.map_err(lost)? {
        0 => Err(Cause::Opening(opening.end_of_input())),
        _ => Ok(()),
    }
}

async fn upgrade(connection: Connection, endpoint: &Endpoint, limit: Duration) -> Result<Connection, Cause> {
    match (connection.into_stream(), &endpoint.tls) {
        (Stream::Plain(tcp), Tls::StartTls(config)) => {
            Ok(Connection::new(shake_hands(tcp, config, endpoint, limit).await?))
        }
        // The opening asks for TLS only where `Tls::StartTls` told it to.
        _ => Err(Cause::Lost(io::ErrorKind::InvalidInput.into())),
    }
}

/// Every address the name has, until one answers.
async fn connect(endpoint: &Endpoint, limit: Duration) -> Result<TcpStream, Cause> {
    let missed = |_| Cause::Deadline { phase: Phase::Connect, after: limit };
    let lookup = tokio::net::lookup_host((endpoint.host.as_str(), endpoint.port));
    let addresses = timeout(limit, lookup).await.map_err(missed)?.map_err(Cause::Resolve)?;
    let mut failure = Cause::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for address in addresses {
        match timeout(limit, connect_to(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => failure = Cause::Connect(error),
            Err(elapsed) => failure = missed(elapsed),
        }
    }
    Err(failure)
}

#[expect(clippy::disallowed_methods, reason = "net/ is where sockets are opened")]
async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn shake_hands(
    tcp: TcpStream,
    config: &Arc<ClientConfig>,
    endpoint: &Endpoint,
    limit: Duration,
) -> Result<Stream, Cause> {
    let name = endpoint.tls_server_name.as_ref().unwrap_or(&endpoint.host);
    let server = ServerName::try_from(name.clone()).map_err(|_| Cause::Tls(TlsError::BadServerName(name.clone())))?;
    let handshake = TlsConnector::from(Arc::clone(config)).connect(server, tcp);
    match timeout(limit, handshake).await {
        Ok(Ok(stream)) => Ok(Stream::Tls(Box::new(stream))),
        Ok(Err(error)) => Err(TlsError::of(&error).map_or_else(|| Cause::Lost(error), Cause::Tls)),
        Err(_) => Err(Cause::Deadline { phase: Phase::Tls, after: limit }),
    }
}

/// What broke an established connection.
pub(super) fn lost(error: io::Error) -> Cause {
    TlsError::of(&error).map_or_else(|| Cause::Lost(error), Cause::Tls)
}

/// The deadline of a phase as a whole.
struct Wait {
    phase: Phase,
    after: Duration,
    until: Instant,
}

impl Wait {
    fn new(phase: Phase, after: Duration) -> Self {
        Self { phase, after, until: Instant::now() + after }
    }

    fn enter(&mut self, phase: Phase, after: Duration) {
        if self.phase != phase {
            *self = Self::new(phase, after);
        }
    }

    const fn missed(&self) -> Cause {
        Cause::Deadline { phase: self.phase, after: self.after }
    }
}
