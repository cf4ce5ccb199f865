//! Whatever a clamd does, nothing is called clean that clamd has not called clean, and everything is scanned in the end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use poplar::mail::eicar;
use poplar::net::clamd::{Answer, Deadlines, Error, Pool, Settings, Transport};
use poplar::proto::clamd::Error as WireError;

use super::fake::{Act, Asked, Fake};
use super::{answer, finds, pool};

/// Whether an error is the one it should be.
type Expected = fn(&Error) -> bool;

#[tokio::test]
async fn what_only_looks_like_clamd_never_says_ok() {
    let garbage: Expected = |error| matches!(error, Error::Protocol(WireError::Garbage(_)));
    let cases: [(&'static [u8], Expected); 14] = [
        (b"", |error| matches!(error, Error::Protocol(WireError::Closed))),
        (b"\0", |error| matches!(error, Error::Protocol(WireError::Empty))),
        (b"rubbish\0", garbage),
        (b"N: fd[1]: OK", |error| matches!(error, Error::Protocol(WireError::Cut(_)))),
        (b"N: fd[1]: OK\n", |error| matches!(error, Error::Protocol(WireError::Cut(_)))),
        (b"fd[1]: OK\0", garbage),
        (b"N: stream: OK\0", garbage),
        (b"N: fd[]: OK\0", garbage),
        (b"N: fd[1]: OK.\0", garbage),
        (b"1: fd[1]: OK\0", |error| matches!(error, Error::Protocol(WireError::WrongId(1)))),
        (b"99: fd[1]: OK\0", |error| matches!(error, Error::Protocol(WireError::WrongId(99)))),
        (b"N: PONG\0", garbage),
        (b"COMMAND READ TIMED OUT\n", |error| matches!(error, Error::Protocol(WireError::TimedOut))),
        (&[b'a'; 5000], |error| matches!(error, Error::Protocol(WireError::TooLong))),
    ];
    for (said, expected) in cases {
        let fake = Fake::start(move |asked| match asked.octets {
            b"octets" => Act::SayAndClose(numbered(said, asked.id)),
            _ => Act::Say(asked.truth.clone()),
        });
        let pool = pool(&fake.address);
        let error = answer(&pool, b"octets".to_vec()).await.expect_err("an answer was made up");
        let cause = if let Error::Deadly(cause) = &error { cause } else { &error };
        assert!(expected(cause), "{}: {error:?}", String::from_utf8_lossy(said));
        assert!(finds(&pool, eicar()).await, "the pool goes on");
    }
}

#[tokio::test]
async fn a_failed_scan_is_an_answer_but_not_ok() {
    let fake = Fake::start(|asked| match asked.octets {
        b"octets" => Act::Say(asked.but("BROKEN ERROR")),
        _ => Act::Say(asked.truth.clone()),
    });
    let pool = pool(&fake.address);
    assert_eq!(answer(&pool, b"octets".to_vec()).await.unwrap(), Answer::Error("BROKEN".to_owned()));
    assert!(finds(&pool, eicar()).await);
    assert_eq!(fake.accepted(), 1, "the session goes on");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_message_counts_for_nothing() {
    let fake = Fake::honest();
    let pool = Pool::new(vec![fake.address.clone()], hasty());
    for said in ["stream: OK", "stream: X FOUND", "stream: BROKEN ERROR"] {
        let octets = [format!("EARLY {said}\n").into_bytes(), vec![b'a'; 8 << 20]].concat();
        let error = answer(&pool, octets).await.unwrap_err();
        let Error::Deadly(cause) = &error else { panic!("{error:?}") };
        assert!(matches!(**cause, Error::Protocol(WireError::Early(_))), "{said}: {error:?}");
    }
    let too_large = [b"EARLY INSTREAM size limit exceeded. ERROR\n".to_vec(), vec![b'a'; 8 << 20]].concat();
    assert_eq!(answer(&pool, too_large).await.unwrap(), Answer::TooLarge);
}

#[tokio::test]
async fn a_clamd_that_takes_nothing_more_is_given_up() {
    let fake = Fake::honest();
    let pool = Pool::new(vec![fake.address.clone()], hasty());
    let error = answer(&pool, [b"STOP".to_vec(), vec![b'a'; 8 << 20]].concat()).await.unwrap_err();
    assert!(matches!(error, Error::Stalled(_)), "{error:?}");
    assert!(finds(&pool, eicar()).await);
}

#[tokio::test]
async fn a_scanner_that_is_blind_or_sees_ghosts_is_refused() {
    let blind = Fake::start(|asked| Act::Say(asked.but("OK")));
    let error = pool(&blind.address).scan(b"octets".to_vec()).await.unwrap_err();
    assert!(error.to_string().contains("does not find the EICAR test file"), "{error}");
    let alarmed = Fake::start(|asked| Act::Say(asked.but("X FOUND")));
    let error = pool(&alarmed.address).scan(b"octets".to_vec()).await.unwrap_err();
    assert!(error.to_string().contains("does not pass harmless text"), "{error}");
    let empty = Fake::start(|asked| Act::Say(asked.but("No database loaded ERROR")));
    assert!(pool(&empty.address).scan(b"octets".to_vec()).await.is_err());
}

#[tokio::test]
async fn a_scanner_that_is_blind_for_descriptors_is_sent_streams() {
    let fake = Fake::start(|asked| {
        let is_file = asked.truth.windows(3).any(|octets| octets == b"fd[");
        Act::Say(if is_file { asked.but("OK") } else { asked.truth.clone() })
    });
    let scan = pool(&fake.address).scan(eicar()).await.unwrap();
    assert_eq!((scan.answer, scan.transport), (Answer::Found("Eicar".to_owned()), Transport::Instream));
}

#[tokio::test]
async fn eight_are_asked_at_once_and_answered_in_any_order() {
    let fake = Fake::start(|asked| match (asked.is_self_test(), asked.id % 8) {
        (true, _) | (_, 3) => Act::Say(asked.truth.clone()),
        _ => Act::Hold(asked.truth.clone()),
    });
    let pool = Pool::new(vec![fake.address.clone()], Settings { connections: 1, ..Settings::default() });
    let scans: Vec<_> = (0..8_u8)
        .map(|n| {
            let pool = pool.clone();
            let octets = if n % 3 == 0 { [vec![n], eicar()].concat() } else { vec![n; 10] };
            tokio::spawn(async move { finds(&pool, octets).await })
        })
        .collect();
    for (n, scan) in scans.into_iter().enumerate() {
        assert_eq!(scan.await.unwrap(), n % 3 == 0);
    }
}

#[tokio::test]
async fn one_scan_without_an_answer_does_not_end_the_others() {
    let fake = Fake::start(slow_is_never_answered);
    let pool = Pool::new(vec![fake.address.clone()], hasty());
    let slow = tokio::spawn({
        let pool = pool.clone();
        async move { answer(&pool, b"slow".to_vec()).await }
    });
    for _ in 0..100 {
        assert!(finds(&pool, eicar()).await);
    }
    let error = slow.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Silent(_)) && error.is_transient(), "{error:?}");
    assert!(finds(&pool, eicar()).await);
}

#[tokio::test]
async fn who_waits_for_a_place_in_the_window_does_not_wait_for_answers_that_never_come() {
    let fake = Fake::start(slow_is_never_answered);
    let pool = Pool::new(vec![fake.address.clone()], Settings { connections: 1, ..hasty() });
    let ask = |octets: &'static [u8]| tokio::spawn(ask_once(pool.clone(), octets));
    let slow: Vec<_> = (0..8).map(|_| ask(b"slow")).collect();
    let others: Vec<_> = (0..8).map(|_| ask(b"harmless")).collect();
    for scan in others {
        assert_eq!(in_a_minute(scan).await.unwrap().unwrap(), Answer::Ok);
    }
    for scan in slow {
        let error = in_a_minute(scan).await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error:?}");
    }
}

#[tokio::test]
async fn scans_that_nobody_waits_for_any_more_take_no_place_from_others() {
    let fake = Fake::start(slow_is_never_answered);
    let pool = Pool::new(vec![fake.address.clone()], Settings { connections: 1, ..Settings::default() });
    for _ in 0..8 {
        let scan = answer(&pool, b"slow".to_vec());
        assert!(tokio::time::timeout(Duration::from_millis(50), scan).await.is_err());
    }
    assert!(in_a_minute(finds(&pool, eicar())).await);
}

fn slow_is_never_answered(asked: &Asked<'_>) -> Act {
    match asked.octets {
        b"slow" => Act::Hang,
        _ => Act::Say(asked.truth.clone()),
    }
}

async fn ask_once(pool: Pool, octets: &'static [u8]) -> Result<Answer, Error> {
    answer(&pool, octets).await
}

/// So that waiting for ever is a failure with a name.
async fn in_a_minute<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), work).await.expect("it waits for ever")
}

#[tokio::test]
async fn only_the_message_that_clamd_dies_of_is_blamed() {
    let fake = Fake::start(|asked| match asked.octets.starts_with(b"poison") {
        true => Act::Die,
        false => Act::Say(asked.truth.clone()),
    });
    let pool = Pool::new(vec![fake.address.clone()], hasty());
    let scans: Vec<_> = (0..300_usize)
        .map(|n| {
            let pool = pool.clone();
            let text = if n % 100 == 50 { "poison" } else { "harmless" };
            let octets = format!("{text} {n}").into_bytes();
            tokio::spawn(async move { answer(&pool, octets).await })
        })
        .collect();
    for (n, scan) in scans.into_iter().enumerate() {
        match scan.await.unwrap() {
            Err(Error::Deadly(_)) => assert_eq!(n % 100, 50),
            said => assert_eq!((said.unwrap(), n % 100 == 50), (Answer::Ok, false)),
        }
    }
    let before = fake.accepted();
    let again = answer(&pool, b"poison 50".to_vec()).await.unwrap_err();
    assert!(matches!(again, Error::Deadly(_)), "{again:?}");
    assert!(fake.accepted() <= before + 2, "it was not known to be a suspect");
}

#[tokio::test]
async fn a_message_that_clamd_dies_of_is_known_when_clamd_comes_back_late() {
    let is_down = Arc::new(AtomicBool::new(false));
    let fake = Fake::start({
        let is_down = Arc::clone(&is_down);
        move |asked| match asked.octets {
            _ if is_down.load(Ordering::SeqCst) => Act::SayAndClose(Vec::new()),
            b"poison" => {
                is_down.store(true, Ordering::SeqCst);
                Act::Die
            }
            _ => Act::Say(asked.truth.clone()),
        }
    });
    let comeback = Duration::from_millis(50);
    let pool = Pool::new(vec![fake.address.clone()], Settings { comeback, ..hasty() });
    let first = answer(&pool, b"poison".to_vec()).await.unwrap_err();
    assert!(matches!(first, Error::Away { .. }), "{first:?}");
    is_down.store(false, Ordering::SeqCst);
    tokio::time::sleep(hasty().rest.1).await;
    let second = answer(&pool, b"poison".to_vec()).await.unwrap_err();
    assert!(matches!(second, Error::Deadly(_)), "{second:?}");
}

#[tokio::test]
async fn another_address_answers_while_the_first_does_not() {
    let is_up = Arc::new(AtomicUsize::new(0));
    let first = Fake::start({
        let is_up = Arc::clone(&is_up);
        move |asked| match is_up.load(Ordering::SeqCst) {
            0 => Act::SayAndClose(Vec::new()),
            _ => Act::Say(asked.truth.clone()),
        }
    });
    let second = Fake::honest();
    let pool = Pool::new(vec![first.address.clone(), second.address.clone()], hasty());
    for _ in 0..50 {
        let scan = pool.scan(eicar()).await.unwrap();
        assert_eq!((scan.answer, &scan.who.address), (Answer::Found("Eicar".to_owned()), &second.address));
    }
    assert!(pool.health()[0].away.is_some() && pool.health()[1].away.is_none());
    is_up.store(1, Ordering::SeqCst);
    let back = async {
        while pool.scan(eicar()).await.unwrap().who.address != first.address {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    in_a_minute(back).await;
}

#[tokio::test]
async fn a_clamd_that_fails_is_left_alone() {
    let fake = Fake::start(|_| Act::SayAndClose(Vec::new()));
    let rest = (Duration::from_secs(3600), Duration::from_secs(3600));
    let pool = Pool::new(vec![fake.address.clone()], Settings { rest, ..hasty() });
    for _ in 0..100 {
        let error = pool.scan(b"octets".to_vec()).await.unwrap_err();
        assert!(matches!(error, Error::Away { .. }), "{error:?}");
    }
    // Three failures, each with both transports.
    assert_eq!(fake.accepted(), 6);
}

const OBJECTS: usize = 10_000;
const FAULTS: usize = 1_000;
const TASKS: usize = 48;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_faults_make_nothing_clean_and_leave_nothing_unscanned() {
    let (faults, dice) = (Arc::new(AtomicUsize::new(0)), Dice::default());
    let fake = Fake::start({
        let faults = Arc::clone(&faults);
        move |asked| chaos(asked, &faults, &dice)
    });
    let pool = Pool::new(vec![fake.address.clone()], hasty());
    let next = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (pool, next) = (pool.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let mut scanned = 0;
                loop {
                    let n = next.fetch_add(1, Ordering::SeqCst);
                    if n >= OBJECTS {
                        return scanned;
                    }
                    scan_in_the_end(&pool, n).await;
                    scanned += 1;
                }
            })
        })
        .collect();
    let mut scanned = 0;
    for task in tasks {
        scanned += task.await.unwrap();
    }
    assert_eq!(scanned, OBJECTS);
    assert!(faults.load(Ordering::SeqCst) >= FAULTS, "{faults:?} faults are too few");
}

/// Asks about one object until it is found or called clean, and sees that this is right.
async fn scan_in_the_end(pool: &Pool, n: usize) {
    let is_bad = n.is_multiple_of(4);
    let octets = if is_bad {
        [n.to_string().into_bytes(), eicar()].concat()
    } else {
        n.to_string().repeat(n % 50 + 1).into_bytes()
    };
    loop {
        match answer(pool, octets.clone()).await {
            Ok(Answer::Ok) => return assert!(!is_bad, "object {n} was called clean"),
            Ok(Answer::Found(_)) => return assert!(is_bad, "object {n} was called infected"),
            Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}

/// A fault in every eighth scan until there have been enough; the lies among them say what would be clean.
fn chaos(asked: &Asked<'_>, faults: &AtomicUsize, dice: &Dice) -> Act {
    let truth = asked.truth.clone();
    let is_blind = asked.connection % 20 == 7;
    let is_enough = faults.load(Ordering::SeqCst) >= FAULTS;
    if is_blind && !is_enough {
        faults.fetch_add(1, Ordering::SeqCst);
        return Act::Say(asked.but("OK"));
    }
    if is_enough || dice.roll(8) != 0 {
        return match dice.roll(4) {
            0 => Act::Split(truth),
            _ => Act::Say(truth),
        };
    }
    faults.fetch_add(1, Ordering::SeqCst);
    let ok = asked.but("OK");
    match dice.roll(16) {
        0 => Act::Die,
        1 => Act::Hang,
        2 => Act::SayAndClose(Vec::new()),
        3 => Act::SayAndClose(ok[..ok.len() - 1].to_vec()),
        4 => Act::SayAndClose([&ok[..ok.len() - 1], b"\n"].concat()),
        5 => Act::Say(b"\0".to_vec()),
        6 => Act::Say([b"x", ok.as_slice()].concat()),
        7 => Act::Say(numbered(b"N: stream: OK.\0", asked.id)),
        8 => Act::Say(format!("{}: fd[1]: OK\0", asked.id + 100).into_bytes()),
        9 => Act::Say([truth.clone(), truth].concat()),
        10 => Act::Say(vec![b'O'; 5000]),
        11 => Act::SayAndClose(b"COMMAND READ TIMED OUT\n".to_vec()),
        12 => Act::Say(asked.but("OK ERROR")),
        13 => Act::Say(asked.but("No database loaded ERROR")),
        14 => Act::SayAndClose(format!("{}: INSTREAM size limit exceeded. ERROR\0", asked.id).into_bytes()),
        _ => Act::Hold(truth),
    }
}

/// The same rolls in every run; which scan gets which is up to the threads.
#[derive(Default)]
struct Dice(AtomicU64);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        let n = self.0.fetch_add(1, Ordering::SeqCst).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((n ^ (n >> 31)).wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 33) % sides
    }
}

fn numbered(said: &[u8], id: u32) -> Vec<u8> {
    match said.strip_prefix(b"N") {
        Some(rest) => [id.to_string().as_bytes(), rest].concat(),
        None => said.to_vec(),
    }
}

/// Short waits: what the fakes do not answer, they never will.
fn hasty() -> Settings {
    let short = Duration::from_millis(250);
    let deadlines = Deadlines { reply: short, stall: short, ..Deadlines::default() };
    Settings {
        deadlines,
        hello: short,
        rest: (Duration::from_millis(2), Duration::from_millis(20)),
        ..Settings::default()
    }
}
