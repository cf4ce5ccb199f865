//! The POP3 driver over TLS: what is trusted, what is refused, and STLS.

use std::sync::Arc;

use poplar::net::pop3::{Class, Deadlines, Endpoint, Tls};
use poplar::net::tls::{self, Trust};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::pop3_net::{endpoint, open_at, server};

#[tokio::test]
async fn tls_is_verified_and_its_faults_are_sentences() {
    let authority = Authority::new("ours");
    let trusting = authority.client_config();

    let port = tls_server(authority.server_config("localhost", 2999)).await;
    let at = |name: &str| Endpoint {
        tls_server_name: Some(name.to_owned()),
        ..endpoint(port, Tls::Implicit(trusting.clone()))
    };
    let session = open_at(&at("localhost"), Deadlines::default()).await.unwrap();
    assert_eq!(session.tls_version(), Some(rustls::ProtocolVersion::TLSv1_3));

    let wrong_name = open_at(&at("example.org"), Deadlines::default()).await.err().unwrap();
    assert_eq!((wrong_name.class(), wrong_name.is_transient()), (Class::Tls, false));
    assert!(wrong_name.to_string().contains("for another name"), "{wrong_name}");

    let stranger = tls_server(Authority::new("theirs").server_config("localhost", 2999)).await;
    let untrusted = open_at(&Endpoint { port: stranger, ..at("localhost") }, Deadlines::default()).await.err().unwrap();
    assert!(untrusted.to_string().contains("an authority that is not trusted here"), "{untrusted}");

    let expired = tls_server(authority.server_config("localhost", 2001)).await;
    let expired = open_at(&Endpoint { port: expired, ..at("localhost") }, Deadlines::default()).await.err().unwrap();
    assert!(expired.to_string().contains("has expired"), "{expired}");

    let plain = server([]).await;
    let (plain, _served) = (plain.address().port(), plain);
    let not_tls = open_at(&Endpoint { port: plain, ..at("localhost") }, Deadlines::default()).await.err().unwrap();
    assert!(not_tls.to_string().contains("does not speak TLS"), "{not_tls}");
}

#[tokio::test]
async fn stls_secures_the_line_before_anybody_logs_in() {
    let authority = Authority::new("ours");
    let port = stls_server(authority.server_config("localhost", 2999), "+OK begin TLS\r\n").await;
    let tls = Tls::StartTls(authority.client_config());
    let endpoint = Endpoint { tls_server_name: Some("localhost".into()), ..endpoint(port, tls) };
    let mut session = open_at(&endpoint, Deadlines::default()).await.unwrap();
    assert!(session.tls_version().is_some());
    assert!(!session.capabilities().stls(), "what was said in the clear is forgotten");
    assert_eq!(session.list().await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn what_is_said_before_the_handshake_is_an_attack() {
    let authority = Authority::new("ours");
    let port = stls_server(authority.server_config("localhost", 2999), "+OK begin TLS\r\n+OK forged\r\n").await;
    let endpoint = endpoint(port, Tls::StartTls(authority.client_config()));
    let error = open_at(&endpoint, Deadlines::default()).await.err().unwrap();
    assert_eq!((error.class(), error.is_transient()), (Class::Tls, false));
}

#[test]
fn a_ca_file_must_hold_certificates() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    let error = tls::client_config(&Trust::File(empty)).unwrap_err();
    assert!(error.to_string().contains("holds no certificate"), "{error}");
    let missing = tls::client_config(&Trust::File(folder.path().join("missing.pem"))).unwrap_err();
    assert!(missing.to_string().contains("cannot read ca_file"), "{missing}");
}

/// A certificate authority for one test.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), pem }
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.pem).unwrap();
        tls::client_config(&Trust::File(file.path().to_owned())).unwrap()
    }

    fn server_config(&self, name: &str, last_year: i32) -> Arc<ServerConfig> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.into()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .unwrap();
        Arc::new(config)
    }
}

/// TLS in front of Poplar's own server, for one test.
async fn tls_server(config: Arc<ServerConfig>) -> u16 {
    let behind = server([]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(config);
        while let Ok((tcp, _)) = listener.accept().await {
            let mut inner = TcpStream::connect(behind.address()).await.unwrap();
            // A client that does not trust the certificate breaks the handshake off: that is what is tested.
            let Ok(mut outer) = acceptor.accept(tcp).await else { continue };
            tokio::spawn(async move { copy_bidirectional(&mut outer, &mut inner).await });
        }
    });
    port
}

/// One connection: offers STLS, gives `answer` to it, and leads to Poplar's own server inside TLS.
async fn stls_server(config: Arc<ServerConfig>, answer: &'static str) -> u16 {
    let behind = server([b"a\r\n".to_vec()]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut clear = BufReader::new(tcp);
        clear.write_all(b"+OK ready\r\n").await.unwrap();
        for reply in ["+OK\r\nSTLS\r\nUSER\r\n.\r\n", answer] {
            clear.read_line(&mut String::new()).await.unwrap();
            clear.write_all(reply.as_bytes()).await.unwrap();
        }
        let mut inner = BufReader::new(TcpStream::connect(behind.address()).await.unwrap());
        inner.read_line(&mut String::new()).await.unwrap();
        // Where the client smells the attack there is no handshake.
        let Ok(mut outer) = TlsAcceptor::from(config).accept(clear.into_inner()).await else { return };
        drop(copy_bidirectional(&mut outer, &mut inner).await);
    });
    port
}
