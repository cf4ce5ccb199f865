//! The Dovecot of the harness is the server that the other tests take it for.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::dovecot::{Dovecot, Options, USERS};

#[test]
fn serves_what_was_delivered_in_the_order_of_delivery() {
    let dir = tempfile::tempdir().unwrap();
    let server = Dovecot::start(dir.path());
    server.deliver("tester", b"Subject: one\r\n\r\n.first\r\n");
    server.deliver("tester", b"Subject: two\r\n\r\nsecond\r\n");

    let said = talk(&mut plain(&server), &login("tester", "sekrit", "STAT\r\nRETR 1\r\nRETR 2\r\n"));

    assert!(said.contains("+OK 2 48\r\n"), "{said}");
    assert!(said.contains("Subject: one\r\n\r\n..first\r\n.\r\n"), "{said}");
    assert!(said.find("Subject: one") < said.find("Subject: two"), "{said}");
}

#[test]
fn lets_every_user_in_with_the_right_password_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Dovecot::start(dir.path());
    for (user, password) in USERS {
        let said = talk(&mut plain(&server), &login(user, password, "STAT\r\n"));
        assert!(said.contains("+OK 0 0\r\n"), "{user}: {said}");
    }
    let said = talk(&mut plain(&server), &login("tester", "wrong", "STAT\r\n"));
    assert!(said.contains("-ERR [AUTH]"), "{said}");
}

#[test]
fn speaks_tls_that_its_authority_vouches_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Dovecot::start(dir.path());
    let said = talk(&mut tls(&server, "localhost"), &login("bob", "bobpw", "STAT\r\n"));
    assert!(said.contains("+OK 0 0\r\n"), "{said}");
    assert!(talk(&mut plain(&server), "CAPA\r\nQUIT\r\n").contains("\r\nSTLS\r\n"));
}

#[test]
fn can_show_a_certificate_of_somebody_else() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { certificate_names: &["elsewhere.example"], ..Options::default() };
    let server = Dovecot::start_with(dir.path(), &options);
    let refused = tls(&server, "localhost").read(&mut [0; 1]).unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
}

#[test]
fn starts_again_over_the_same_mail_with_other_settings() {
    let dir = tempfile::tempdir().unwrap();
    // A folder inside a private temporary folder serves as well.
    let folder = dir.path().join("dovecot");
    let uidl = |options: &Options| {
        let server = Dovecot::start_with(&folder, options);
        if !folder.join("mail/tester").exists() {
            server.deliver("tester", b"Subject: kept\r\n\r\nhere\r\n");
        }
        talk(&mut plain(&server), &login("tester", "sekrit", "UIDL 1\r\n"))
    };
    assert!(uidl(&Options::default()).contains("+OK 1 00000001"));
    let renamed = Options { uidl_format: "%f", more_config: "pop3_no_flag_updates = yes\n", ..Options::default() };
    assert!(uidl(&renamed).contains(".poplar"));
}

#[test]
fn is_gone_with_its_value() {
    let dir = tempfile::tempdir().unwrap();
    let server = Dovecot::start(dir.path());
    let port = server.pop3_port;
    drop(server);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

fn login(user: &str, password: &str, commands: &str) -> String {
    format!("USER {user}\r\nPASS {password}\r\n{commands}QUIT\r\n")
}

fn plain(server: &Dovecot) -> TcpStream {
    TcpStream::connect(("127.0.0.1", server.pop3_port)).unwrap()
}

fn tls(server: &Dovecot, name: &'static str) -> StreamOwned<ClientConnection, TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots(&server.ca_file))
        .with_no_client_auth();
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap();
    StreamOwned::new(connection, TcpStream::connect(("127.0.0.1", server.pop3s_port)).unwrap())
}

fn roots(ca_file: &Path) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file).unwrap()).unwrap();
    roots
}

/// Greeting, then all commands at once, then everything the server says until it closes.
fn talk(stream: &mut (impl Read + Write), commands: &str) -> String {
    let mut said = String::new();
    let mut reader = BufReader::new(stream);
    reader.read_line(&mut said).unwrap();
    reader.get_mut().write_all(commands.as_bytes()).unwrap();
    reader.read_to_string(&mut said).unwrap();
    said
}
