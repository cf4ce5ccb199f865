//! Any octets as what a clamd says: nothing panics, no cut of the stream changes what is read, and nothing is clean but by the
//! exact words under a number that was asked and not answered.
//!
//! The first octet says what is asked, two bits a question; the second where the stream is cut; what follows is clamd's.
#![no_main]

use std::collections::BTreeSet;

use libfuzzer_sys::fuzz_target;
use poplar::proto::clamd::{Answer, Reply, Said, Session};

fuzz_target!(|octets: &[u8]| {
    let [asked, cut, octets @ ..] = octets else { return };
    let whole = replay(*asked, octets, usize::MAX);
    assert_eq!(whole, replay(*asked, octets, usize::from(*cut).max(1)));
    assert!(whole.iter().filter(|event| event.ends_with(" ok")).count() <= exact(*asked, octets).len());
});

const QUESTIONS: u32 = 4;

/// What is read, in order, and how it ends.
fn replay(asked: u8, octets: &[u8], cut: usize) -> Vec<String> {
    let mut session = Session::new();
    for n in 0..QUESTIONS {
        match kind(asked, n) {
            0 => session.version(),
            1 => session.fildes(),
            // A stream that is not sent to its end.
            2 => session.instream(),
            _ => {
                let (id, command) = session.instream();
                session.sent(id);
                (id, command)
            }
        };
    }
    let mut events = Vec::new();
    for piece in octets.chunks(cut) {
        session.feed(piece);
        loop {
            match session.reply() {
                Ok(Some(Reply { id, said: Said::Scan(Answer::Ok) })) => {
                    assert!(exact(asked, octets).contains(&id), "{id} is clean without the words");
                    events.push(format!("{id} ok"));
                }
                Ok(Some(reply)) => events.push(format!("{reply:?}")),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(session.reply(), Err(error.clone()), "something counts behind an error");
                    events.push(error.to_string());
                    return events;
                }
            }
        }
    }
    events.push(session.closed().to_string());
    events
}

const fn kind(asked: u8, n: u32) -> u8 {
    asked >> (2 * n) & 3
}

/// The scans about which the exact words stand somewhere in the octets, found in another way than the session finds them.
fn exact(asked: u8, octets: &[u8]) -> BTreeSet<u32> {
    let lines: Vec<&[u8]> = octets.split_inclusive(|octet| *octet == 0).collect();
    let said = |n: &u32| {
        lines.iter().any(|line| match kind(asked, n - 1) {
            1 => std::str::from_utf8(line).is_ok_and(|line| {
                let number = line.strip_prefix(&format!("{n}: fd[")).and_then(|rest| rest.strip_suffix("]: OK\0"));
                number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit()))
            }),
            3 => *line == format!("{n}: stream: OK\0").as_bytes(),
            _ => false,
        })
    };
    (1..=QUESTIONS).filter(said).collect()
}
