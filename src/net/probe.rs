//! Whether a POP3 server answers somewhere, before anybody is named to it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The greeting has to come within `limit` from the attempt to connect; with `tls`, after a handshake. Says in a few words
/// why not.
pub async fn greeting(host: &str, port: u16, tls: Option<Arc<ClientConfig>>, limit: Duration) -> Result<(), String> {
    match timeout(limit, greeted(host, port, tls)).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err("it is no POP3 server".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer in {} s", limit.as_secs())),
    }
}

#[expect(clippy::disallowed_methods, reason = "net/ is where sockets are opened")]
async fn greeted(host: &str, port: u16, tls: Option<Arc<ClientConfig>>) -> io::Result<bool> {
    let tcp = TcpStream::connect((host, port)).await?;
    let Some(tls) = tls else { return is_welcome(tcp).await };
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    is_welcome(TlsConnector::from(tls).connect(name, tcp).await?).await
}

async fn is_welcome(mut stream: impl AsyncRead + Unpin) -> io::Result<bool> {
    let mut status = [0; 3];
    stream.read_exact(&mut status).await?;
    Ok(status == *b"+OK")
}
