//! The POP3 driver against a real Dovecot: implicit TLS, STLS, pipelined messages, deletion.

use poplar::net::pop3::{Class, Deadlines, Endpoint, Quit, Session, Tls};
use poplar::net::tls::{self, Trust};

use crate::pop3_net::{endpoint, login, open_at, retrieve_all};
use crate::support::dovecot::Dovecot;

#[tokio::test]
async fn what_dovecot_keeps_arrives_octet_for_octet_and_goes_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let mail =
        |n: u32| [format!("Subject: {n}\r\n\r\n").as_bytes(), &b".\r\n..x\r\n\xff cr \r\n".repeat(n as usize)].concat();
    let mails: Vec<Vec<u8>> = (1..=150).map(mail).collect();
    mails.iter().for_each(|octets| server.deliver("tester", octets));

    let mut session = open_at(&implicit(&server), Deadlines::default()).await.unwrap();
    assert!(session.capabilities().pipelining());
    let listing = session.list().await.unwrap();
    assert!(listing.messages.iter().zip(&mails).all(|(m, octets)| m.size_bytes == Some(octets.len() as u64)));
    assert_eq!(retrieve_all(&mut session, 150).await, mails);
    session.delete(&(1..=149).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(session.quit().await.unwrap(), Quit::Committed);

    let mut session = open_at(&starttls(&server), Deadlines::default()).await.unwrap();
    assert!(session.tls_version().is_some());
    let left = session.list().await.unwrap();
    assert_eq!(left.messages.len(), 1);
    assert_eq!(left.messages[0].uid, listing.messages[149].uid);
}

#[tokio::test]
async fn dovecot_says_that_the_password_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let refused = Session::open(&implicit(&server), &login("wrong"), &Deadlines::default()).await;
    assert_eq!(refused.err().unwrap().class(), Class::Auth);
}

fn implicit(server: &Dovecot) -> Endpoint {
    named(server.pop3s_port, Tls::Implicit(trust(server)))
}

fn starttls(server: &Dovecot) -> Endpoint {
    named(server.pop3_port, Tls::StartTls(trust(server)))
}

fn trust(server: &Dovecot) -> std::sync::Arc<rustls::ClientConfig> {
    tls::client_config(&Trust::File(server.ca_file.clone())).unwrap()
}

/// Dovecot's certificate is for this name.
fn named(port: u16, tls: Tls) -> Endpoint {
    Endpoint { tls_server_name: Some("localhost".into()), ..endpoint(port, tls) }
}
