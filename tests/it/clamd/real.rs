//! What a real clamd answers.

use std::os::unix::net::UnixListener;

use poplar::daemon::clamd::{Settings, Signatures};
use poplar::mail::eicar;
use poplar::net::clamd::{Address, Answer, Error};

use super::{found, open};
use crate::support::clamd::{settings, start, start_with};

#[tokio::test]
async fn a_real_clamd_finds_the_test_file_and_passes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let mut connection = open(clamd.address()).await.unwrap();

    assert!(connection.version().engine.starts_with("ClamAV "), "{connection:?}");
    assert_eq!(connection.version().signatures, None, "no official database, no number");
    assert!(found(connection.scan(&eicar()).await));
    assert_eq!(connection.scan(b"nothing bad").await.unwrap(), Answer::Ok);
    assert_eq!(connection.scan(b"").await.unwrap(), Answer::Ok);
    assert_eq!(connection.scan(&vec![b'a'; 5 << 20]).await.unwrap(), Answer::Ok);
    let late = [vec![b'a'; 5 << 20], eicar()].concat();
    assert!(found(connection.scan(&late).await), "found behind many chunks");
    assert_eq!(connection.signatures_now().await.unwrap().signatures, None);
    assert!(found(connection.scan(&eicar()).await), "the session goes on");
    assert!(matches!(clamd.signatures(), Some(Signatures::BuiltIn { .. })), "{:?}", clamd.signatures());
}

#[tokio::test]
async fn longer_than_the_stream_limit_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start_with(Settings { stream_max_bytes: 1 << 20, ..settings(folder.path()) });
    for size in [(1 << 20) + 1, 8 << 20] {
        let mut connection = open(clamd.address()).await.unwrap();
        assert_eq!(connection.scan(&vec![b'a'; 1 << 20]).await.unwrap(), Answer::Ok);
        assert_eq!(connection.scan(&vec![b'a'; size]).await.unwrap(), Answer::TooLarge);
        assert!(matches!(connection.scan(b"more").await, Err(Error::Over)));
    }
}

#[tokio::test]
async fn an_independent_client_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let Address::Unix(socket) = clamd.address() else { panic!("not a unix socket") };
    let mut connection = open(clamd.address()).await.unwrap();
    let hidden = format!("Subject: x\r\n\r\n{}\r\n", String::from_utf8(eicar()).unwrap()).into_bytes();
    for (octets, infected) in [(eicar(), true), (hidden, true), (b"Subject: x\r\n\r\nfine\r\n".to_vec(), false)] {
        let said = clamav_client::scan_buffer(&octets, clamav_client::Socket { socket_path: socket }, None).unwrap();
        assert_eq!(clamav_client::clean(&said).unwrap(), !infected);
        assert_eq!(found(connection.scan(&octets).await), infected);
    }
}

#[tokio::test]
async fn a_socket_nobody_listens_on_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("dead.sock");
    drop(UnixListener::bind(&socket).unwrap());
    for address in
        [Address::Unix(socket), Address::Unix(folder.path().join("none.sock")), Address::Tcp("127.0.0.1:1".into())]
    {
        let error = open(&address).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }) && error.is_transient(), "{error:?}");
        assert!(error.to_string().starts_with(&format!("cannot connect to clamd at {address}: ")), "{error}");
    }
}

#[test]
fn addresses_are_read_and_written_alike() {
    for text in ["unix:/run/clamav/clamd.ctl", "tcp:127.0.0.1:3310", "tcp:[::1]:3310", "tcp:scanner.example:3310"] {
        assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
    }
    for text in
        ["", "unix:", "unix:clamd.ctl", "/run/clamd.ctl", "tcp:host", "tcp::3310", "tcp:host:port", "tcp:host:70000"]
    {
        let error = text.parse::<Address>().unwrap_err().to_string();
        assert!(error.contains("unix:/run/clamav/clamd.ctl"), "{error}");
    }
}
