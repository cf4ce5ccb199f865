use proptest::prelude::*;

use super::*;

const REPLIES: &str = include_str!("../../../tests/clamd/replies.txt");
const DIALOGS: &str = include_str!("../../../tests/clamd/dialogs.txt");

#[test]
fn each_reply_means_what_the_table_says() {
    let mut rows = 0;
    for row in REPLIES.lines().filter(|row| !row.is_empty() && !row.starts_with('#')) {
        let (ask, rest) = row.split_once(" | ").unwrap();
        let (sent, expected) = rest.rsplit_once(" => ").unwrap();
        let mut session = Session::new();
        let id = ask_for(&mut session, ask);
        session.sent(id);
        session.feed(&octets(sent));
        assert_eq!(outcome(&mut session), expected, "{row}");
        rows += 1;
    }
    assert!(rows > 30, "the table was not read");
}

#[test]
fn dialogs_read_the_same_however_they_are_cut() {
    for size in 1..=64 {
        for dialog in DIALOGS.split("\n== ").skip(1) {
            replay(dialog, size);
        }
    }
}

#[test]
fn a_reply_longer_than_the_cap_is_refused_even_without_its_end() {
    let mut session = Session::new();
    session.instream();
    session.feed(&vec![b'a'; REPLY_BYTES + 1]);
    assert_eq!(session.reply(), Err(Error::TooLong));
}

#[test]
fn a_signature_name_is_bounded() {
    let mut session = Session::new();
    asked(&mut session);
    session.feed(format!("1: stream: {} FOUND\0", "A".repeat(3000)).as_bytes());
    let Some(Reply { said: Said::Scan(Answer::Found(name)), .. }) = session.reply().unwrap() else {
        panic!("not found")
    };
    assert_eq!(name.len(), 256);
}

proptest! {
    #[test]
    fn no_other_octets_than_the_exact_ones_mean_ok(noise in near_ok()) {
        let mut session = Session::new();
        asked(&mut session);
        session.feed(&noise);
        let ok = Reply { id: 1, said: Said::Scan(Answer::Ok) };
        prop_assert_eq!(session.reply() == Ok(Some(ok)), noise.starts_with(b"1: stream: OK\0"));
    }

    #[test]
    fn no_other_octets_than_the_exact_ones_mean_that_a_file_is_ok(noise in near_ok()) {
        let mut session = Session::new();
        session.fildes();
        let noise = String::from_utf8_lossy(&noise).replace("stream", "fd[12]").into_bytes();
        session.feed(&noise);
        let is_ok = matches!(session.reply(), Ok(Some(Reply { id: 1, said: Said::Scan(Answer::Ok) })));
        prop_assert_eq!(is_ok, noise.starts_with(b"1: fd[12]: OK\0"));
    }

    #[test]
    fn no_cut_changes_what_is_read(replies in prop::collection::vec(near_ok(), 0..5), cut in 1_usize..40) {
        let read = |cut: usize| {
            let mut session = Session::new();
            (0..4).for_each(|_| asked(&mut session));
            let mut read = Vec::new();
            for piece in replies.concat().chunks(cut) {
                session.feed(piece);
                while let Ok(Some(reply)) = session.reply() {
                    read.push(reply);
                }
            }
            (read, session.closed())
        };
        prop_assert_eq!(read(cut), read(usize::MAX));
    }

    #[test]
    fn any_octets_in_any_pieces_are_survived(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..9)) {
        let mut session = Session::new();
        session.instream();
        session.version();
        for piece in &pieces {
            session.feed(piece);
            while let Ok(Some(_)) = session.reply() {}
        }
        session.closed();
    }
}

/// Random octets, and the right reply with an octet changed, taken out, or put in.
fn near_ok() -> impl Strategy<Value = Vec<u8>> {
    let right = || b"1: stream: OK\0".to_vec();
    let at = 0..right().len();
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        (at.clone(), any::<u8>()).prop_map(move |(at, octet)| {
            let mut reply = right();
            reply[at] = octet;
            reply
        }),
        at.clone().prop_map(move |at| {
            let mut reply = right();
            reply.remove(at);
            reply
        }),
        (at, any::<u8>()).prop_map(move |(at, octet)| {
            let mut reply = right();
            reply.insert(at, octet);
            reply
        }),
    ]
}

fn replay(dialog: &str, size: usize) {
    let mut session = Session::new();
    for line in dialog.lines().skip(1).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(sent) = line.strip_prefix("S: ") {
            octets(sent).chunks(size).for_each(|piece| session.feed(piece));
        } else if let Some(command) = line.strip_prefix("C: ") {
            match command.split_once(' ') {
                Some(("sent", id)) => session.sent(id.parse().unwrap()),
                _ => drop(ask_for(&mut session, command)),
            }
        } else if let Some(expected) = line.strip_prefix("> ") {
            assert_eq!(outcome(&mut session), expected, "cut at {size}: {dialog}");
        } else {
            panic!("not a line of a dialog: {line}");
        }
    }
}

fn asked(session: &mut Session) {
    let (id, _) = session.instream();
    session.sent(id);
}

fn ask_for(session: &mut Session, command: &str) -> u32 {
    let (id, sent) = match command {
        "zINSTREAM" => session.instream(),
        "zFILDES" => session.fildes(),
        "zVERSION" => session.version(),
        "zPING" => session.ping(),
        other => panic!("no such command: {other}"),
    };
    // The octet behind FILDES is the one that carries the descriptor.
    let expected = [command.as_bytes(), b"\0", if command == "zFILDES" { b"\0".as_slice() } else { b"" }].concat();
    assert_eq!(sent, expected);
    id
}

/// The next reply in the words of the files. With nothing left to read the connection counts as closed.
fn outcome(session: &mut Session) -> String {
    match session.reply() {
        Ok(Some(Reply { id, said: Said::Scan(Answer::Ok) })) => format!("{id} ok"),
        Ok(Some(Reply { id, said: Said::Scan(Answer::Found(name)) })) => format!("{id} found {name}"),
        Ok(Some(Reply { id, said: Said::Scan(Answer::Error(cause)) })) => format!("{id} error {cause}"),
        Ok(Some(Reply { id, said: Said::Scan(Answer::TooLarge) })) => format!("{id} too large"),
        Ok(Some(Reply { id, said: Said::Version(version) })) => {
            format!("{id} engine {}, signatures {}", version.engine, version.signatures.as_deref().unwrap_or("none"))
        }
        Ok(Some(Reply { id, said: Said::Pong })) => format!("{id} pong"),
        Ok(None) => over(&session.closed()),
        Err(error) => over(&error),
    }
}

fn over(error: &Error) -> String {
    match error {
        Error::Closed => "closed".to_owned(),
        Error::Cut(text) => format!("cut in {text}"),
        Error::TimedOut => "timed out".to_owned(),
        Error::Refused(text) => format!("refused {text}"),
        Error::Empty => "empty".to_owned(),
        Error::Garbage(text) => format!("garbage {text}"),
        Error::Limited => "limited".to_owned(),
        Error::Early(id) => format!("early {id}"),
        Error::WrongId(id) => format!("wrong id {id}"),
        Error::TooLong => "too long".to_owned(),
    }
}

/// `\0`, `\n` and `\xNN` as in the files; everything else stands for itself.
fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        let escaped = if octet == b'\\' { rest.next() } else { None };
        octets.push(match escaped {
            None => octet,
            Some(b'0') => 0,
            Some(b'n') => b'\n',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap()
            }
            Some(other) => panic!("no such escape: {}", char::from(other)),
        });
    }
    octets
}
