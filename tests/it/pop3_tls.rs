//! The POP3 driver over TLS: what is trusted, what is refused, and STLS.

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;

use poplar::mail::Timestamp;
use poplar::net::pop3::{Class, Deadlines, Endpoint, Error, Session, Tls};
use poplar::net::tls::{self, Identity, Pin, Policy, Trust};
use poplar::proto::pop3::ChannelBinding;
use rcgen::PublicKeyData as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, SupportedProtocolVersion};
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

#[tokio::test]
async fn a_pin_is_demanded_beside_the_authority() {
    let authority = Authority::new("ours");
    let ours = authority.issue("localhost", 2999);
    let port = tls_server(ours.server_config()).await;
    let (certificate, key, other) = (pin(&ours.certificate), pin(&ours.key.subject_public_key_info()), pin(b"other"));
    for pins in [vec![certificate], vec![key], vec![other, key]] {
        open_with(port, &Policy { pins, ..authority.policy() }).await.unwrap();
    }
    let wrong = open_with(port, &Policy { pins: vec![other], ..authority.policy() }).await.err().unwrap();
    assert_eq!((wrong.class(), wrong.is_transient()), (Class::Tls, false));
    assert!(wrong.to_string().contains(&format!("add {key:?} (its key) or {certificate:?}")), "{wrong}");

    // The right pin does not make up for an authority that is not trusted.
    let stranger = Authority::new("theirs");
    let untrusted = open_with(port, &Policy { pins: vec![key], ..stranger.policy() }).await.err().unwrap();
    assert!(untrusted.to_string().contains("an authority that is not trusted here"), "{untrusted}");
}

/// What `openssl req -x509` makes: signed by itself, an authority, and for another name.
#[tokio::test]
async fn a_pin_alone_lets_in_a_certificate_that_nobody_vouches_for() {
    let alone = Authority::new("alone");
    let certificate = CertificateDer::from(alone.certificate.der().to_vec());
    let shown = Shown { certificate: certificate.clone(), key: rcgen::KeyPair::from_pem(&alone.key_pem).unwrap() };
    let port = tls_server(shown.server_config()).await;
    let pinned = Policy { trust: None, pins: vec![pin(&certificate)], identity: None };
    open_with(port, &pinned).await.unwrap();
    let wrong = open_with(port, &Policy { pins: vec![pin(b"other")], ..pinned }).await.err().unwrap();
    assert!(wrong.to_string().contains("none of those in pin_sha256"), "{wrong}");
    let by_authority = open_with(port, &alone.policy()).await.err().unwrap();
    assert!(by_authority.to_string().contains("cannot be accepted"), "{by_authority}");
    let nothing = Policy { trust: None, pins: vec![], identity: None }.client_config().unwrap_err();
    assert!(nothing.to_string().contains("pin_only needs pin_sha256"), "{nothing}");
}

/// Everybody who has seen a certificate can show it; only its owner can sign with it.
#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let seen = Authority::new("ours").issue("localhost", 2999);
        let thief = Shown { certificate: seen.certificate.clone(), key: rcgen::KeyPair::generate().unwrap() };
        let port = tls_server(thief.server_config_of(&[version])).await;
        let policy = Policy { trust: None, pins: vec![pin(&seen.certificate)], identity: None };
        let refused = open_with(port, &policy).await.err().unwrap();
        assert!(refused.to_string().contains("does not have the key of the certificate"), "{refused}");
    }
}

#[tokio::test]
async fn a_server_of_old_tls_is_named_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let shown = Authority::new("ours").issue("localhost", 2999);
    let (certificate, key) = (folder.path().join("c.der"), folder.path().join("k.pem"));
    std::fs::write(&certificate, &shown.certificate).unwrap();
    std::fs::write(&key, shown.key.serialize_pem()).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut server = Command::new("openssl");
    server.args(["s_server", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0", "-quiet", "-certform", "DER", "-cert"]);
    server.arg(certificate).arg("-key").arg(key).args(["-accept", &port.to_string()]);
    let mut server = server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let policy = Policy { trust: None, pins: vec![pin(b"any")], identity: None };
    let refused = loop {
        let refused = open_with(port, &policy).await.err().unwrap();
        if refused.class() != Class::Network {
            break refused;
        }
        assert!(server.try_wait().unwrap().is_none(), "openssl s_server does not start");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(refused.to_string().contains("speaks only old TLS"), "{refused}");
}

#[tokio::test]
async fn what_is_known_of_the_line_can_be_shown() {
    let authority = Authority::new("ours");
    let ours = authority.issue("localhost", 2999);
    let port = tls_server(ours.server_config()).await;
    let session = open_with(port, &authority.policy()).await.unwrap();
    assert_eq!(session.mechanism(), "PLAIN");
    let facts = session.tls_facts().unwrap();
    assert_eq!(facts.version, "TLS 1.3");
    assert!(facts.cipher.starts_with("TLS13_"), "{}", facts.cipher);
    let shown = &facts.chain[0];
    assert_eq!((shown.issuer.as_str(), shown.names.as_slice()), ("CN=ours", &["localhost".to_owned()][..]));
    assert_eq!(pin(&ours.certificate), shown.sha256.parse().unwrap());
    assert_eq!(pin(&ours.key.subject_public_key_info()), shown.spki_sha256.parse().unwrap());
    assert_eq!(shown.not_after.to_string(), "2999-01-01T00:00:00.000Z");

    let days_before_end = |days: i64| Timestamp::from_millis(shown.not_after.as_millis() - days * 86_400_000);
    assert_eq!(facts.warning(days_before_end(22)), None);
    let soon = facts.warning(days_before_end(20)).unwrap();
    assert!(soon.contains("ends in 20 days, at 2999-01-01T00:00"), "{soon}");
    assert!(facts.warning(days_before_end(-1)).unwrap().contains("ended at"));
}

/// Both ends know the same, and it is not the same the next time.
#[test]
fn what_scram_binds_to_is_known_to_both_ends_alone() {
    let authority = Authority::new("ours");
    let ours = authority.issue("localhost", 2999);
    let bound = |version| {
        let (client, server) = shake_hands(authority.client_config(), ours.server_config_of(&[version]));
        (tls::channel_binding(&client).unwrap(), server)
    };
    let (first, server) = bound(&rustls::version::TLS13);
    let exported = server.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    assert!(first == ChannelBinding::TlsExporter(exported.to_vec()));
    assert!(first != bound(&rustls::version::TLS13).0);
    // The certificate is signed by ECDSA with SHA-256.
    let hash = ring::digest::digest(&ring::digest::SHA256, &ours.certificate);
    let (older, _) = bound(&rustls::version::TLS12);
    assert!(older == ChannelBinding::TlsServerEndPoint(hash.as_ref().to_vec()));
}

#[test]
fn the_key_of_a_client_certificate_must_be_private_and_fit() {
    let folder = tempfile::tempdir().unwrap();
    let (authority, path) = (Authority::new("ours"), |name: &str| folder.path().join(name));
    let [ours, other] = [(); 2].map(|()| authority.issue("tester", 2999));
    let identity = Identity { certificate: path("client.pem"), key: path("client.key") };
    let policy = Policy { identity: Some(identity.clone()), ..authority.policy() };
    let refusal = || policy.client_config().unwrap_err().to_string();
    assert!(refusal().contains("cannot read client_cert"), "{}", refusal());
    std::fs::write(&identity.certificate, ours.certificate_pem()).unwrap();
    assert!(refusal().contains("cannot read client_key"), "{}", refusal());
    std::fs::write(&identity.key, other.key.serialize_pem()).unwrap();
    std::fs::set_permissions(&identity.key, PermissionsExt::from_mode(0o640)).unwrap();
    assert!(refusal().contains("can be read by others (mode 0640). Run: chmod 600"), "{}", refusal());
    std::fs::set_permissions(&identity.key, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(refusal().contains("The key must be the certificate's"), "{}", refusal());
    std::fs::write(&identity.key, ours.key.serialize_pem()).unwrap();
    policy.client_config().unwrap();
    assert_eq!(identity.facts().unwrap().unwrap().names, ["tester"]);
}

async fn open_with(port: u16, policy: &Policy) -> Result<Session, Error> {
    let tls = Tls::Implicit(policy.client_config().unwrap());
    let endpoint = Endpoint { tls_server_name: Some("localhost".to_owned()), ..endpoint(port, tls) };
    open_at(&endpoint, Deadlines::default()).await
}

/// A handshake in memory.
fn shake_hands(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> (ClientConnection, ServerConnection) {
    let mut client = ClientConnection::new(client, ServerName::try_from("localhost").unwrap()).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut octets = Vec::new();
        client.write_tls(&mut octets).unwrap();
        server.read_tls(&mut octets.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        octets.clear();
        server.write_tls(&mut octets).unwrap();
        client.read_tls(&mut octets.as_slice()).unwrap();
        client.process_new_packets().unwrap();
    }
    (client, server)
}

fn pin(octets: &[u8]) -> Pin {
    let hash = ring::digest::digest(&ring::digest::SHA256, octets);
    hash.as_ref().iter().map(|octet| format!("{octet:02x}")).collect::<String>().parse().unwrap()
}

/// A certificate authority for one test.
struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: rcgen::Certificate,
    key_pem: String,
    file: tempfile::NamedTempFile,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), certificate.pem()).unwrap();
        let key_pem = key.serialize_pem();
        Self { issuer: rcgen::Issuer::new(params, key), certificate, key_pem, file }
    }

    fn policy(&self) -> Policy {
        Trust::File(self.file.path().to_owned()).into()
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        tls::client_config(&Trust::File(self.file.path().to_owned())).unwrap()
    }

    fn issue(&self, name: &str, last_year: i32) -> Shown {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        Shown { certificate: params.signed_by(&key, &self.issuer).unwrap().into(), key }
    }

    fn server_config(&self, name: &str, last_year: i32) -> Arc<ServerConfig> {
        self.issue(name, last_year).server_config()
    }
}

/// What a server shows, and what it signs with.
struct Shown {
    certificate: CertificateDer<'static>,
    key: rcgen::KeyPair,
}

impl Shown {
    fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config_of(rustls::ALL_VERSIONS)
    }

    fn server_config_of(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let key = PrivateKeyDer::Pkcs8(self.key.serialize_der().into());
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let shown = Always(Arc::new(CertifiedKey::new(vec![self.certificate.clone()], key)));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        Arc::new(builder.with_no_client_auth().with_cert_resolver(Arc::new(shown)))
    }

    fn certificate_pem(&self) -> String {
        let lines = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &self.certificate);
        format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
    }
}

/// Shows the same whatever it is asked, and does not look whether the key fits.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
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
