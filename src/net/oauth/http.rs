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

use super::error::{Cause, Error};
use crate::net::tls::{SetupError, TlsError, Trust, client_config};

/// How long a request may take, from the look-up of the name to the last octet of the answer.
const LIMIT: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const LONGEST: usize = 64 << 10;
/// What stands for itself in a form (RFC 3986 section 2.3); everything else is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks over HTTP/1.1: one connection for each request, no redirects, no proxy, no cookies, at most 30 s, answers of
/// at most 64 KiB.
#[derive(Clone, Debug)]
pub struct Http {
    tls: Arc<ClientConfig>,
    limit: Duration,
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
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

    /// POSTs a form.
    pub(super) async fn post(&self, url: &str, form: &[(&str, &str)]) -> Result<Reply, Error> {
        let place = Place::of(url)?;
        let done = timeout(self.limit, self.exchange(&place, form)).await;
        let reply = done.unwrap_or(Err(Cause::Deadline(self.limit)));
        reply.map_err(|cause| Error { place: url.to_owned(), cause })
    }

    async fn exchange(&self, place: &Place, form: &[(&str, &str)]) -> Result<Reply, Cause> {
        let tcp = connect(place).await?;
        if !place.secure {
            return talk(tcp, place, form).await;
        }
        let bad_name = |_| Cause::Tls(TlsError::BadServerName(place.host.clone()));
        let name = ServerName::try_from(place.host.clone()).map_err(bad_name)?;
        let handshake = TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp).await;
        talk(handshake.map_err(broken)?, place, form).await
    }
}

/// An address that may be asked.
#[derive(Debug)]
pub(super) struct Place {
    uri: Uri,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    secure: bool,
}

impl Place {
    /// Anything but `https://`, or `http://` to this machine itself, is refused; so is a user in the address.
    pub(super) fn of(url: &str) -> Result<Self, Error> {
        Self::parsed(url).ok_or_else(|| Error { place: url.to_owned(), cause: Cause::Url })
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
async fn connect(place: &Place) -> Result<TcpStream, Cause> {
    let addresses = tokio::net::lookup_host((place.host.as_str(), place.port)).await.map_err(Cause::Resolve)?;
    let mut failure = Cause::Resolve(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
    for address in addresses {
        match connect_to(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Cause::Connect(error),
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
    form: &[(&str, &str)],
) -> Result<Reply, Cause> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
    // Ends the connection with this function, however that ends.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let answer = sender.send_request(request(place, form)?).await.map_err(lost)?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            return Cause::TooLong { limit_bytes: LONGEST };
        }
        error.downcast::<hyper::Error>().map_or_else(|other| Cause::Lost(other.to_string()), |error| lost(*error))
    })?;
    Ok(Reply { status, body: body.to_bytes().to_vec() })
}

fn request(place: &Place, form: &[(&str, &str)]) -> Result<Request<Full<Bytes>>, Cause> {
    let path = place.uri.path_and_query().map_or("/", |path| path.as_str());
    let host = place.uri.authority().map_or("", |authority| authority.as_str());
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(HOST, host)
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(encoded(form))))
        .map_err(|_| Cause::Url)
}

/// `name=value&…`, as `application/x-www-form-urlencoded` has it.
fn encoded(form: &[(&str, &str)]) -> String {
    let pairs: Vec<String> =
        form.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ESCAPED))).collect();
    pairs.join("&")
}

fn lost(error: hyper::Error) -> Cause {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(source) => TlsError::of(source).map_or_else(|| Cause::Lost(source.to_string()), Cause::Tls),
        None => Cause::Lost(error.to_string()),
    }
}

fn broken(error: io::Error) -> Cause {
    TlsError::of(&error).map_or_else(|| Cause::Lost(error.to_string()), Cause::Tls)
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
            assert!(matches!(error.cause, Cause::Url) && !error.is_transient(), "{url}");
        }
    }

    #[test]
    fn a_form_survives_every_octet() {
        assert_eq!(encoded(&[("a", "x y&z=+%é"), ("b", "1-._~")]), "a=x%20y%26z%3D%2B%25%C3%A9&b=1-._~");
    }
}
