//! HTTP/1.1, as little of it as is asked for here: one connection for each request, no redirects, no proxy, no cookies.
//! Knows nothing about what the answers mean.

use std::error::Error as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::tls::{SetupError, TlsError, Trust, client_config};

/// How long a request may take, from the look-up of the name to the last octet of the answer.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const LONGEST: usize = 64 << 10;
/// What stands for itself in a form (RFC 3986 section 2.3); everything else is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks over https, and over http on this machine alone. At most 30 s a request, answers of at most 64 KiB.
#[derive(Clone, Debug)]
pub struct Http {
    tls: Arc<ClientConfig>,
    limit: Duration,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("only what begins with https:// is asked. Correct the address")]
    Url,
    #[error("the name cannot be resolved: {0}. Check the address, and the name service of this machine")]
    Resolve(io::Error),
    #[error("cannot connect: {0}. Check the address and the firewall")]
    Connect(io::Error),
    #[error("no secure connection: {0}")]
    Tls(TlsError),
    #[error("no complete answer in {} s", .0.as_secs_f32())]
    Deadline(Duration),
    #[error("the connection broke: {0}")]
    Lost(String),
    #[error("the answer is longer than {limit_bytes} bytes")]
    TooLong { limit_bytes: usize },
}

impl Error {
    /// Whether the same request may be answered later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        !matches!(self, Self::Url | Self::Tls(_))
    }
}

/// Whether this address may be asked: anything but `https://`, or `http://` to this machine itself, is refused; so is a
/// user in the address.
pub fn check(url: &str) -> Result<(), Error> {
    Place::of(url).map(drop)
}

impl Http {
    pub fn new(trust: &Trust) -> Result<Self, SetupError> {
        Ok(Self { tls: client_config(trust)?, limit: LIMIT })
    }

    /// The same with another limit for a whole request.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// POSTs a form, for an answer in JSON.
    pub async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, Error> {
        self.ask(url, &Ask::Post(encoded(form))).await
    }

    pub async fn get(&self, url: &str) -> Result<Reply, Error> {
        self.ask(url, &Ask::Get).await
    }

    async fn ask(&self, url: &str, ask: &Ask) -> Result<Reply, Error> {
        let place = Place::of(url)?;
        timeout(self.limit, self.exchange(&place, ask)).await.unwrap_or(Err(Error::Deadline(self.limit)))
    }

    async fn exchange(&self, place: &Place, ask: &Ask) -> Result<Reply, Error> {
        let tcp = connect(place).await?;
        if !place.secure {
            return talk(tcp, place, ask).await;
        }
        let bad_name = |_| Error::Tls(TlsError::BadServerName(place.host.clone()));
        let name = ServerName::try_from(place.host.clone()).map_err(bad_name)?;
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        talk(handshake.map_err(broken)?, place, ask).await
    }
}

enum Ask {
    Get,
    /// A form.
    Post(String),
}

/// An address that may be asked.
#[derive(Debug)]
struct Place {
    uri: Uri,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    secure: bool,
}

impl Place {
    fn of(url: &str) -> Result<Self, Error> {
        Self::parsed(url).ok_or(Error::Url)
    }

    fn parsed(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let secure = match uri.scheme_str()? {
            "https" => true,
            "http" if is_this_machine(&host) => false,
            _ => return None,
        };
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        (!host.is_empty()).then_some(Self { host, port, secure, uri: uri.clone() })
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// Every address the name has, until one answers.
async fn connect(place: &Place) -> Result<TcpStream, Error> {
    let addresses = tokio::net::lookup_host((place.host.as_str(), place.port)).await.map_err(Error::Resolve)?;
    let mut failure = Error::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for address in addresses {
        match connect_to(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Error::Connect(error),
        }
    }
    Err(failure)
}

#[expect(clippy::disallowed_methods, reason = "net/ is where sockets are opened")]
async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}

async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    place: &Place,
    ask: &Ask,
) -> Result<Reply, Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Ends the connection with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request(place, ask)?).await.map_err(lost)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Error::TooLong { limit_bytes: LONGEST };
        }
        error.downcast::<hyper::Error>().map_or_else(|other| Error::Lost(other.to_string()), |error| lost(*error))
    })?;
    Ok(Reply { status, body: body.to_bytes().to_vec() })
}

fn request(place: &Place, ask: &Ask) -> Result<Request<Full<Bytes>>, Error> {
    let path = place.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = place.uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::builder().uri(path).header(HOST, host).header(CONNECTION, "close");
    let request = match ask {
        Ask::Get => request.method(Method::GET).body(Full::default()),
        Ask::Post(form) => request
            .method(Method::POST)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(form.clone()))),
    };
    request.map_err(|_| Error::Url)
}

/// `name=value&…`, as `application/x-www-form-urlencoded` has it.
fn encoded(form: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED))).collect();
    pairs.join("&")
}

fn lost(error: hyper::Error) -> Error {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => TlsError::of(source).map_or_else(|| Error::Lost(source.to_string()), Error::Tls),
        None => Error::Lost(error.to_string()),
    }
}

fn broken(error: io::Error) -> Error {
    TlsError::of(&error).map_or_else(|| Error::Lost(error.to_string()), Error::Tls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leave_this_machine_over_tls_only() {
        for url in ["https://example.org/token", "https://[2001:db8::1]:8443/", "http://127.0.0.1:1/t", "http://[::1]/"]
        {
            assert!(Place::of(url).is_ok(), "{url}");
        }
        let refused = [
            "http://example.org/token",
            "http://127.0.0.1.example.org/",
            "http://localhost@example.org/",
            "https://user@example.org/",
            "https://",
            "/token",
            "ftp://127.0.0.1/",
            "",
        ];
        for url in refused {
            let error = Place::of(url).unwrap_err();
            assert!(matches!(error, Error::Url) && !error.is_transient(), "{url}");
        }
    }

    #[test]
    fn a_form_survives_every_octet() {
        assert_eq!(encoded(&[("a", "x y&z=+%é"), ("b", "1-._~")]), "a=x%20y%26z%3D%2B%25%C3%A9&b=1-._~");
    }
}
