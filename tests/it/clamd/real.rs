//! What a real clamd answers.

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use poplar::daemon::clamd::{Settings as Managing, Signatures};
use poplar::mail::eicar;
use poplar::net::clamd::{Address, Answer, Deadlines, Error, Pieces, Pool, Settings, Source, Transport, probe};
use rustix::process::{Pid, Signal};

use super::{answer, finds, pool};
use crate::support::clamd::{settings, start, start_with, wait};

#[tokio::test]
async fn a_real_clamd_finds_the_test_file_and_passes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pool = pool(clamd.address());

    let who = pool.version_now().await.unwrap();
    assert!(who.version.engine.starts_with("ClamAV "), "{who:?}");
    assert_eq!(who.version.signatures, None, "no official database, no number");
    let scan = pool.scan(eicar()).await.unwrap();
    assert!(matches!(scan.answer, Answer::Found(_)));
    assert_eq!((&scan.who, scan.transport), (&who, Transport::Fildes), "the descriptor was not taken");
    assert_eq!(answer(&pool, b"nothing bad".to_vec()).await.unwrap(), Answer::Ok);
    assert_eq!(answer(&pool, Vec::new()).await.unwrap(), Answer::Ok);
    let large = pool.scan(vec![b'a'; 5 << 20]).await.unwrap();
    assert_eq!((large.answer, large.transport), (Answer::Ok, Transport::Instream));
    assert!(finds(&pool, [vec![b'a'; 5 << 20], eicar()].concat()).await, "found behind many chunks");
    assert_eq!(pool.version_at(clamd.address()).await.unwrap(), who);
    assert!(matches!(clamd.signatures(), Some(Signatures::BuiltIn { .. })), "{:?}", clamd.signatures());
}

#[tokio::test]
async fn both_transports_give_the_same_answers() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pool = pool(clamd.address());
    let mut transports = Vec::new();
    for (object, _) in objects() {
        let streamed = pool.scan(in_pieces(object.clone(), 7000)).await.unwrap();
        let scan = pool.scan(object).await.unwrap();
        assert_eq!(scan.answer, streamed.answer);
        transports.push((scan.transport, streamed.transport));
    }
    assert!(transports.contains(&(Transport::Fildes, Transport::Instream)));
    assert!(!transports.iter().any(|(_, streamed)| *streamed == Transport::Fildes));
}

#[tokio::test]
async fn a_clamd_reached_over_tcp_is_sent_streams() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let Address::Unix(socket) = clamd.address().clone() else { panic!("not a unix socket") };
    let pool = pool(&relay(socket).await);
    let scan = pool.scan(eicar()).await.unwrap();
    assert!(matches!(scan.answer, Answer::Found(_)));
    assert_eq!(scan.transport, Transport::Instream);
    assert_eq!(answer(&pool, b"nothing bad".to_vec()).await.unwrap(), Answer::Ok);
}

/// A relay between two unix sockets keeps the octets and loses the descriptors.
#[tokio::test]
async fn a_clamd_that_gets_no_descriptors_is_sent_streams() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let Address::Unix(behind) = clamd.address().clone() else { panic!("not a unix socket") };
    let before = folder.path().join("relay.sock");
    let listener = tokio::net::UnixListener::bind(&before).unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = tokio::net::UnixStream::connect(&behind).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    let pool = pool(&Address::Unix(before));
    let scan = pool.scan(eicar()).await.unwrap();
    assert!(matches!(scan.answer, Answer::Found(_)));
    assert_eq!(scan.transport, Transport::Instream);
}

#[tokio::test]
async fn longer_than_the_stream_limit_is_too_large_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start_with(Managing { stream_max_bytes: 1 << 20, ..settings(folder.path()) });
    let pool = pool(clamd.address());
    let small: Vec<_> = (0..40_u8)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move { finds(&pool, if n % 2 == 0 { eicar() } else { vec![n; 900_000] }).await })
        })
        .collect();
    for size in [(1 << 20) + 1, 8 << 20] {
        assert_eq!(answer(&pool, vec![b'a'; size]).await.unwrap(), Answer::TooLarge);
        assert_eq!(answer(&pool, in_pieces(vec![b'a'; size], 100_000)).await.unwrap(), Answer::TooLarge);
        assert_eq!(answer(&pool, vec![b'a'; 1 << 20]).await.unwrap(), Answer::Ok);
    }
    for (n, scan) in small.into_iter().enumerate() {
        assert_eq!(scan.await.unwrap(), n % 2 == 0);
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_to_its_end_gives_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pool = pool(clamd.address());
    let fails = || -> Pieces { Box::new(|| Err(std::io::Error::other("a bad sector"))) };
    let panics = || -> Pieces { Box::new(|| panic!("what reads it ends, as this test wants")) };
    let short = || -> Pieces {
        let mut piece = Some(Bytes::from_static(b"half"));
        Box::new(move || Ok(piece.take()))
    };
    let sources = [
        Source::stream(8, move || Ok(fails())),
        Source::stream(8, move || Ok(panics())),
        Source::stream(8, move || Ok(short())),
        Source::stream(3, move || Ok(short())),
        Source::stream(8, || Err(std::io::Error::other("it is gone"))),
    ];
    for source in sources {
        let error = pool.scan(source).await.unwrap_err();
        assert!(matches!(error, Error::Source(_)) && !error.is_transient(), "{error:?}");
        assert!(finds(&pool, eicar()).await, "the pool goes on");
    }
}

#[tokio::test]
async fn new_signatures_are_noticed_and_tested() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pool = pool(clamd.address());
    assert_eq!(answer(&pool, b"a new worm".to_vec()).await.unwrap(), Answer::Ok);
    let worm: String = b"a new worm".iter().map(|octet| format!("{octet:02x}")).collect();
    fs::write(folder.path().join("clamd/builtin/more.ndb"), format!("New.Worm:0:*:{worm}\n")).unwrap();
    signal(folder.path(), Signal::USR2);
    let found = async {
        while !finds(&pool, b"a new worm".to_vec()).await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found).await.expect("the new signature was not loaded");
    assert!(finds(&pool, eicar()).await);
}

#[tokio::test]
async fn a_stopped_clamd_gives_no_answer_and_a_continued_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let short = Duration::from_millis(400);
    let deadlines = Deadlines { reply: short, stall: short, ..Deadlines::default() };
    let settings = Settings { deadlines, hello: short, rest: (short / 4, short), ..Settings::default() };
    let pool = Pool::new(vec![clamd.address().clone()], settings);
    assert!(finds(&pool, eicar()).await);
    signal(folder.path(), Signal::STOP);
    for octets in [eicar(), b"harmless".to_vec(), vec![b'a'; 8 << 20]] {
        let error = pool.scan(octets).await.unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    }
    assert!(pool.health()[0].away.is_some());
    signal(folder.path(), Signal::CONT);
    let again = async {
        loop {
            match pool.scan(eicar()).await {
                Ok(scan) => break scan,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let scan = tokio::time::timeout(Duration::from_secs(60), again).await.expect("it did not come back");
    assert!(matches!(scan.answer, Answer::Found(_)));
    assert_eq!(pool.health()[0].away, None);
}

#[tokio::test]
async fn what_is_asked_while_clamd_is_killed_is_answered_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let settings = Settings { rest: (Duration::from_millis(50), Duration::from_secs(1)), ..Settings::default() };
    let pool = Pool::new(vec![clamd.address().clone()], settings);
    let objects = Arc::new(objects());
    for _ in 0..3 {
        let scans: Vec<_> = (0..200)
            .map(|n| {
                let (pool, objects) = (pool.clone(), Arc::clone(&objects));
                tokio::spawn(async move {
                    let (object, is_bad) = &objects[n % objects.len()];
                    (*is_bad, until_answered(&pool, object).await)
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(30)).await;
        signal(folder.path(), Signal::KILL);
        for scan in scans {
            let (is_bad, answer) = scan.await.unwrap();
            assert_eq!(matches!(answer, Answer::Found(_)), is_bad, "{answer:?}");
        }
        wait(&clamd);
    }
}

#[tokio::test]
async fn an_independent_client_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let Address::Unix(socket) = clamd.address() else { panic!("not a unix socket") };
    let pool = pool(clamd.address());
    for (octets, is_bad) in objects() {
        let said = clamav_client::scan_buffer(&octets, clamav_client::Socket { socket_path: socket }, None).unwrap();
        assert_eq!(clamav_client::clean(&said).unwrap(), !is_bad);
        assert_eq!(finds(&pool, octets).await, is_bad);
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
        let error = probe(&address, &Deadlines::default()).await.unwrap_err();
        assert!(matches!(error, Error::Connect { .. }) && error.is_transient(), "{error:?}");
        assert!(error.to_string().starts_with(&format!("cannot connect to clamd at {address}: ")), "{error}");
        let away = pool(&address).scan(b"octets".to_vec()).await.unwrap_err();
        assert!(matches!(away, Error::Away { .. }) && away.to_string() == error.to_string(), "{away}");
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

/// Objects of many lengths, and whether the test file is in them.
fn objects() -> Vec<(Vec<u8>, bool)> {
    let sizes = [0, 1, 68, 4000, 20_000, 65_536, 65_537, 200_000, 1 << 20, (1 << 20) + 1, 3 << 20];
    let plain = sizes.map(|size| vec![b'x'; size]);
    let bad = plain.iter().map(|octets| ([octets.as_slice(), &eicar()].concat(), true)).collect::<Vec<_>>();
    let mail = format!("Subject: x\r\n\r\n{}\r\n", String::from_utf8(eicar()).unwrap()).into_bytes();
    let fine = b"Subject: x\r\n\r\nfine\r\n".to_vec();
    bad.into_iter().chain(plain.into_iter().chain([fine]).map(|octets| (octets, false))).chain([(mail, true)]).collect()
}

fn in_pieces(octets: Vec<u8>, size: usize) -> Source {
    let octets = Bytes::from(octets);
    Source::stream(octets.len() as u64, move || {
        let mut rest = octets.clone();
        let next = move || Ok((!rest.is_empty()).then(|| rest.split_to(size.min(rest.len()))));
        Ok(Box::new(next) as Pieces)
    })
}

async fn until_answered(pool: &Pool, octets: &[u8]) -> Answer {
    loop {
        match answer(pool, octets.to_vec()).await {
            Ok(answer) => return answer,
            Err(Error::Away { .. }) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn relay(socket: std::path::PathBuf) -> Address {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let mut far = tokio::net::UnixStream::connect(&socket).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut near, &mut far).await });
        }
    });
    Address::Tcp(format!("127.0.0.1:{port}"))
}

/// To the clamd whose folder is below this one.
fn signal(data_dir: &Path, signal: Signal) {
    let pid = fs::read_to_string(data_dir.join("clamd/clamd.pid")).unwrap();
    rustix::process::kill_process(Pid::from_raw(pid.trim().parse().unwrap()).unwrap(), signal).unwrap();
}
