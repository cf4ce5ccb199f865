//! What a fetch brings in, over every kind of line, and what it leaves.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use poplar::mail::BlobId;
use serde_json::Value;

use crate::support::dovecot::{Dovecot, Options};
use crate::support::poplar::{Account, Archive, files_below, mail, skipped};

/// Octets that other clients lose.
fn nasty_mails() -> Vec<Vec<u8>> {
    vec![
        mail("plain", "nothing special"),
        b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n".to_vec(),
        b"Subject: eight bits\r\n\r\ncr \r end \xff\xfe\xe9\r\n".to_vec(),
        b"no header at all\r\n".to_vec(),
        b"\r\n".to_vec(),
        mail("long", &"0123456789".repeat(20_000)),
    ]
}

fn assert_counts(fetched: &Value, expected: &[(&str, u64)]) {
    for (count, number) in expected {
        assert_eq!(fetched[count], *number, "{count} of {fetched}");
    }
    let number = |name: &str| fetched[name].as_u64().unwrap();
    let new = ["kept", "duplicates", "oversize", "failed", "deferred"].map(number).iter().sum::<u64>();
    assert_eq!(number("new"), new, "{fetched}");
    assert_eq!(number("listed"), number("known") + new, "{fetched}");
    assert!(fetched["error"].is_null(), "{fetched}");
}

fn assert_kept_octet_for_octet(line: impl Fn(&Dovecot, &str) -> Account) {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[line(&server, "alice")]);
    let mails = nasty_mails();
    mails.iter().for_each(|octets| server.deliver("alice", octets));

    let first = archive.fetch(&["--keep-only"]);
    assert_counts(&first, &[("listed", 6), ("known", 0), ("kept", 6)]);
    assert_eq!(first["bytes"], mails.iter().map(|octets| octets.len() as u64).sum::<u64>());
    for octets in &mails {
        assert_eq!(archive.raw(&BlobId::of(octets).to_string()), *octets);
    }

    let second = archive.fetch(&["--keep-only"]);
    assert_counts(&second, &[("listed", 6), ("known", 6), ("new", 0), ("bytes", 0)]);
    assert_eq!(archive.status()["messages"], 6);
    archive.assert_sound();
}

#[test]
fn mail_comes_over_implicit_tls_octet_for_octet_and_once() {
    assert_kept_octet_for_octet(Account::implicit);
}

#[test]
fn mail_comes_over_stls_octet_for_octet_and_once() {
    assert_kept_octet_for_octet(Account::starttls);
}

#[test]
fn mail_comes_over_a_plain_line_octet_for_octet_and_once() {
    assert_kept_octet_for_octet(|server, user| Account::plain(server.pop3_port, user));
}

#[test]
fn a_message_in_two_accounts_is_one_message_met_twice() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&["alice", "bob"].map(|user| Account::implicit(&server, user)));
    let both = mail("to both", "one body");
    server.deliver("alice", &both);
    server.deliver("bob", &both);
    server.deliver("bob", &mail("to bob", "another body"));

    let fetched = archive.json(&["fetch"]);
    let sum = |count: &str| -> u64 {
        fetched["accounts"].as_array().unwrap().iter().map(|account| account[count].as_u64().unwrap()).sum()
    };
    assert_eq!((sum("listed"), sum("kept"), sum("duplicates")), (3, 2, 1), "{fetched}");
    assert_eq!(archive.status()["messages"], 2);

    let id = BlobId::of(&both).to_string();
    let shown = archive.json(&["show", &id]);
    let mut met: Vec<&str> =
        shown["sightings"].as_array().unwrap().iter().map(|met| met["account"].as_str().unwrap()).collect();
    met.sort_unstable();
    assert_eq!(met, ["alice", "bob"], "{shown}");
    assert_eq!(archive.found("account:alice"), [id.as_str()]);
    assert_eq!(archive.found("account:bob").len(), 2);
}

#[test]
fn only_the_accounts_named_are_polled() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&["alice", "bob"].map(|user| Account::implicit(&server, user)));
    let fetched = archive.json(&["fetch", "--keep-only", "bob"]);
    assert_eq!(fetched["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(fetched["accounts"][0]["account"], "bob");
    archive.run(&["fetch", "alicf"]).assert_said(2, "no account is called \"alicf\"; did you mean \"alice\"?");
}

#[test]
fn other_unique_ids_for_the_same_mail_double_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let fetch_with = |options: &Options| {
        let server = Dovecot::start_with(folder.path(), options);
        if !folder.path().join("mail/carol").exists() {
            (1..=5).for_each(|n| server.deliver("carol", &mail(&format!("number {n}"), "body")));
        }
        archive.configure(&[Account::implicit(&server, "carol")]);
        archive.fetch(&["--keep-only"])
    };
    assert_counts(&fetch_with(&Options::default()), &[("kept", 5)]);
    let renamed = fetch_with(&Options { uidl_format: "%f", ..Options::default() });
    assert_counts(&renamed, &[("listed", 5), ("known", 0), ("duplicates", 5), ("kept", 0)]);
    assert_eq!(archive.status()["messages"], 5);
    let again = fetch_with(&Options { uidl_format: "%f", ..Options::default() });
    assert_counts(&again, &[("known", 5), ("new", 0)]);
}

#[test]
fn a_message_over_the_limit_stays_and_comes_once_the_limit_is_raised() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let limited = |limit: &str| {
        let line = format!("max_message_bytes = {limit:?}\nafter_archive = \"delete\"\ndelete_when = \"kept\"");
        archive.configure(&[Account::implicit(&server, "tester").with(&line)]);
        archive.fetch(&["--keep-only"])
    };
    server.deliver("tester", &mail("small", "fits"));
    let large = mail("large", &"does not fit\r\n".repeat(200));
    server.deliver("tester", &large);

    assert_counts(&limited("1KiB"), &[("listed", 2), ("kept", 1), ("oversize", 1), ("deleted", 1)]);
    assert_counts(&limited("1KiB"), &[("listed", 1), ("known", 0), ("oversize", 1), ("deleted", 0)]);
    assert_counts(&limited("1MiB"), &[("listed", 1), ("kept", 1)]);
    assert_eq!(archive.raw(&BlobId::of(&large).to_string()), large);
}

#[test]
fn text_of_a_fetch_counts_what_came() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&[Account::implicit(&server, "tester")]);
    server.deliver("tester", &mail("one", "body"));
    let ended = archive.well(&["fetch"]);
    let rows: Vec<Vec<&str>> = ended.text().lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ACCOUNT", "LISTED", "NEW", "KEPT", "SIZE", "TIME"], "{ended}");
    assert_eq!(rows[1][..4], ["tester", "1", "1", "1"], "{ended}");
    assert_eq!(ended.stderr, "");
}

/// Two dozen mail programs' worst.
#[test]
fn a_corpus_of_odd_mail_comes_as_the_server_sends_it() {
    a_whole_corpus_comes_as_the_server_sends_it("mixed-mail.tar.zst");
}

/// What people wrote to each other.
#[test]
fn a_corpus_of_real_mail_comes_as_the_server_sends_it() {
    a_whole_corpus_comes_as_the_server_sends_it("bulk-spamassassin.tar.zst");
}

/// The oracle is a client that knows nothing but dot-stuffing.
fn a_whole_corpus_comes_as_the_server_sends_it(name: &str) {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora").join(name);
    if !packed.exists() {
        return skipped(&format!("there is no {}", packed.display()));
    }
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(&folder.path().join("dovecot"));
    let delivered = deliver_corpus(&server, &packed, &folder.path().join("corpus"));
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "bulk")]);

    let fetched = archive.fetch(&["--keep-only"]);
    assert_eq!(fetched["listed"], delivered);
    assert_eq!(fetched["kept"].as_u64().unwrap() + fetched["duplicates"].as_u64().unwrap(), delivered, "{fetched}");

    let opened = poplar::archive::Archive::open(&archive.data_dir(), poplar::mail::Clock::system()).unwrap();
    for (number, sent) in (1..).zip(retrieve_all(&server, delivered)) {
        let row = opened.find(&BlobId::of(&sent).to_string()).unwrap_or_else(|error| panic!("RETR {number}: {error}"));
        assert_eq!(opened.raw(&row).unwrap().octets().unwrap(), sent, "RETR {number}");
        if number % 200 == 0 {
            assert_eq!(archive.raw(&row.message.id.to_string()), sent, "RETR {number}");
        }
    }
    archive.assert_sound();
}

/// Returns how many messages there are.
fn deliver_corpus(server: &Dovecot, packed: &Path, folder: &Path) -> u64 {
    std::fs::create_dir(folder).unwrap();
    let mut tar = Command::new("tar").arg("x").arg("-C").arg(folder).stdin(Stdio::piped()).spawn().unwrap();
    let mut plain = zstd::Decoder::new(std::fs::File::open(packed).unwrap()).unwrap();
    plain.window_log_max(27).unwrap();
    std::io::copy(&mut plain, &mut tar.stdin.take().unwrap()).unwrap();
    assert!(tar.wait().unwrap().success());
    let mails = files_below(folder);
    let mails = mails.iter().filter(|path| path.extension().is_some_and(|ending| ending == "eml"));
    mails.map(|path| server.deliver("bulk", &std::fs::read(path).unwrap())).count() as u64
}

fn retrieve_all(server: &Dovecot, count: u64) -> Vec<Vec<u8>> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.pop3_port)).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = |expected: &[u8]| {
        let mut line = Vec::new();
        reader.read_until(b'\n', &mut line).unwrap();
        assert!(line.starts_with(expected), "{}", String::from_utf8_lossy(&line));
        line
    };
    stream.write_all(b"USER bulk\r\nPASS bulkpw\r\n").unwrap();
    (0..3).for_each(|_| drop(line(b"+OK")));
    let one = |number| {
        write!(stream, "RETR {number}\r\n").unwrap();
        line(b"+OK");
        let mut octets = Vec::new();
        loop {
            match line(b"").as_slice() {
                b".\r\n" => return octets,
                [b'.', rest @ ..] | rest => octets.extend_from_slice(rest),
            }
        }
    };
    let mails = (1..=count).map(one).collect();
    stream.write_all(b"QUIT\r\n").unwrap();
    drop(stream.read(&mut [0; 100]));
    mails
}
