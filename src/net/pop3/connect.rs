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
use crate::proto::pop3::{Capabilities, Limits, Login, Opening, OpeningError, Security, Step, Wire};

/// Connects, secures the line, logs in.
pub(super) async fn open(
    endpoint: &Endpoint,
    login: &Login,
    deadlines: &Deadlines,
) -> Result<(Connection, Wire, Capabilities), Cause> {
    let security = match endpoint.tls {
        Tls::Implicit(_) => Security::Tls,
        Tls::StartTls(_) => Security::StartTls,
        Tls::None => Security::Cleartext,
    };
    let mut opening = Opening::new(login.clone(), security, Limits::default()).map_err(Cause::Opening)?;
    let tcp = connect(endpoint, deadlines.connect).await?;
    let stream = match &endpoint.tls {
        Tls::Implicit(config) => shake_hands(tcp, config, endpoint, deadlines.tls).await?,
        Tls::StartTls(_) | Tls::None => Stream::Plain(tcp),
    };
    let mut connection = Connection::new(stream);
    let mut wait = Wait::new(Phase::Greeting, deadlines.greeting);
    loop {
        match step(&mut opening, &mut connection).map_err(Cause::Opening)? {
            Step::Write(octets) => {
                connection.write(octets);
                wait.enter(Phase::Login, deadlines.login);
            }
            Step::Read => read(&mut connection, &mut opening, &wait).await?,
            Step::UpgradeTls => {
                connection = upgrade(connection, endpoint, deadlines.tls).await?;
                opening.secured();
            }
            Step::Open => break,
        }
    }
    let (wire, capabilities) = opening.into_session();
    Ok((connection, wire, capabilities))
}

fn step(opening: &mut Opening, connection: &mut Connection) -> Result<Step, OpeningError> {
    let mut input = connection.unread();
    let step = opening.step(&mut input);
    let left = input.len();
    connection.keep(left);
    step
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
