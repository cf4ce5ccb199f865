//! Things that only look like clamd.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use poplar::mail::eicar;
use poplar::net::clamd::{Address, Answer, Connection, Deadlines, Error};
use poplar::proto::clamd::Error as WireError;

use super::open;

/// Whether an error is the one it should be.
type Expected = fn(&Error) -> bool;

#[tokio::test]
async fn what_only_looks_like_clamd_never_says_ok() {
    let cases: [(Act, Expected); 12] = [
        (Act::Close, |error| matches!(error, Error::Protocol(WireError::Closed))),
        (Act::Say(b"\0"), |error| matches!(error, Error::Protocol(WireError::Empty))),
        (Act::Say(b"rubbish\0"), |error| matches!(error, Error::Protocol(WireError::Garbage(_)))),
        (Act::Say(b"3: stream: OK"), |error| matches!(error, Error::Protocol(WireError::Cut(_)))),
        (Act::Say(b"3: stream: OK\n"), |error| matches!(error, Error::Protocol(WireError::Cut(_)))),
        (Act::Say(b"stream: OK\0"), |error| matches!(error, Error::Protocol(WireError::Garbage(_)))),
        (Act::Say(b"2: stream: OK\0"), |error| matches!(error, Error::Protocol(WireError::WrongId(2)))),
        (Act::Say(b"4: stream: OK\0"), |error| matches!(error, Error::Protocol(WireError::WrongId(4)))),
        (Act::Say(b"3: PONG\0"), |error| matches!(error, Error::Protocol(WireError::Garbage(_)))),
        (Act::Say(b"COMMAND READ TIMED OUT\n"), |error| matches!(error, Error::Protocol(WireError::TimedOut))),
        (Act::Say(&[b'a'; 5000]), |error| matches!(error, Error::Protocol(WireError::TooLong))),
        (Act::Hang, |error| matches!(error, Error::Silent(_))),
    ];
    for (act, expected) in cases {
        let (result, open) = scan_with_fake(act, b"octets").await;
        let error = result.expect_err("an answer was made up");
        assert!(expected(&error), "{act:?}: {error:?}");
        assert!(!open, "{act:?}: the session goes on");
    }
}

#[tokio::test]
async fn a_failed_scan_is_an_answer_but_not_ok() {
    let (result, open) = scan_with_fake(Act::Say(b"3: stream: BROKEN ERROR\0"), b"octets").await;
    assert_eq!(result.unwrap(), Answer::Error("BROKEN".to_owned()));
    assert!(open);
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_message_counts_for_nothing() {
    for said in [b"3: stream: OK\0".as_slice(), b"3: stream: X FOUND\0", b"3: stream: BROKEN ERROR\0"] {
        let (result, open) = scan_with_fake(Act::SayEarly(said), &vec![b'a'; 8 << 20]).await;
        assert!(matches!(result, Err(Error::Early)), "{result:?}");
        assert!(!open);
    }
}

#[tokio::test]
async fn a_clamd_that_takes_nothing_more_is_given_up() {
    let (result, _) = scan_with_fake(Act::HangEarly, &vec![b'a'; 8 << 20]).await;
    assert!(matches!(result, Err(Error::Stalled(_))), "{result:?}");
}

#[tokio::test]
async fn a_scanner_that_passes_the_test_file_is_refused() {
    let fake = Fake::start(b"2: stream: OK\0", Act::Close);
    let error = open(&fake.address).await.unwrap_err();
    assert!(matches!(error, Error::Blind(Answer::Ok)) && !error.is_transient(), "{error:?}");
    assert!(error.to_string().contains("does not find the EICAR test file"), "{error}");
}

/// What the fake does with the scan after the self-test.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Takes the whole stream, says this, and closes.
    Say(&'static [u8]),
    /// Says this when only the command has come, and takes no stream.
    SayEarly(&'static [u8]),
    /// Takes the whole stream and falls silent.
    Hang,
    /// Takes nothing of the stream and falls silent.
    HangEarly,
    /// Takes the whole stream and closes.
    Close,
}

/// Opens a session with a fake and has it scan something: the answer, and whether the session goes on.
async fn scan_with_fake(act: Act, octets: &[u8]) -> (Result<Answer, Error>, bool) {
    let fake = Fake::start(b"2: stream: X FOUND\0", act);
    let short = Duration::from_millis(1500);
    let silent = matches!(act, Act::Hang | Act::HangEarly);
    let deadlines =
        if silent { Deadlines { stall: short, reply: short, ..Deadlines::default() } } else { Deadlines::default() };
    let mut connection = Connection::open(&fake.address, &deadlines).await.unwrap();
    let answer = connection.scan(octets).await;
    (answer, connection.is_open())
}

/// Listens on a socket of its own and serves one session.
struct Fake {
    address: Address,
    _folder: tempfile::TempDir,
}

impl Fake {
    fn start(self_test: &'static [u8], act: Act) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fake.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || serve(listener.accept().unwrap().0, self_test, act));
        Self { address: Address::Unix(socket), _folder: folder }
    }
}

fn serve(mut wire: UnixStream, self_test: &[u8], act: Act) {
    assert_eq!(command(&mut wire), b"zIDSESSION");
    assert_eq!(command(&mut wire), b"zVERSION");
    wire.write_all(b"1: ClamAV 9.9.9/1/Mon Jan  1 00:00:00 2024\0").unwrap();
    assert_eq!(command(&mut wire), b"zINSTREAM");
    assert_eq!(stream(&mut wire), eicar());
    wire.write_all(self_test).unwrap();
    if self_test.ends_with(b"OK\0") {
        return;
    }
    assert_eq!(command(&mut wire), b"zINSTREAM");
    match act {
        Act::Say(said) => {
            stream(&mut wire);
            wire.write_all(said).unwrap();
        }
        Act::SayEarly(said) => {
            wire.write_all(said).unwrap();
            await_the_end(wire);
        }
        Act::Hang => {
            stream(&mut wire);
            await_the_end(wire);
        }
        Act::HangEarly => await_the_end(wire),
        Act::Close => drop(stream(&mut wire)),
    }
}

/// Takes nothing until the test is over.
fn await_the_end(wire: UnixStream) {
    std::thread::park();
    drop(wire);
}

fn command(wire: &mut UnixStream) -> Vec<u8> {
    let mut command = Vec::new();
    loop {
        match octets(wire, 1)[0] {
            0 => return command,
            octet => command.push(octet),
        }
    }
}

/// A stream's octets, its chunks put together.
fn stream(wire: &mut UnixStream) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let length = u32::from_be_bytes(octets(wire, 4).try_into().unwrap());
        if length == 0 {
            return whole;
        }
        whole.extend(octets(wire, length as usize));
    }
}

fn octets(wire: &mut UnixStream, count: usize) -> Vec<u8> {
    let mut octets = vec![0; count];
    wire.read_exact(&mut octets).unwrap();
    octets
}
