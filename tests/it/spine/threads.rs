//! Threads: what belongs together is found together, in old archives too, and falls apart when what held it is destroyed.

use std::fs;

use poplar::catalog::teach;
use poplar::mail::BlobId;
use rusqlite::Connection;
use serde_json::json;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, mail, until};
use crate::support::quarantine::seal_off;

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

/// A message of a day in November with further headers.
fn letter(day: u32, subject: &str, headers: &str) -> Vec<u8> {
    format!(
        "From: Ana <ana@example.org>\r\nTo: office@example.org\r\nSubject: {subject}\r\n\
         Date: {day} Nov 2026 10:00:00 +0000\r\n{headers}\r\nWords of day {day}.\r\n"
    )
    .into_bytes()
}

/// A question, an answer to it, an answer to that whose parent is not here, one that names nothing; and two apart.
fn letters() -> [Vec<u8>; 6] {
    [
        letter(1, "Regatta", "Message-ID: <question@x>\r\n"),
        letter(2, "AW: Regatta", "Message-ID: <answer@x>\r\nIn-Reply-To: <question@x>\r\n"),
        letter(3, "Where to sleep", "Message-ID: <third@x>\r\nReferences: <question@x> <lost@x>\r\n"),
        letter(4, "Re: regatta", "Message-ID: <stray@x>\r\n"),
        letter(5, "Regatta", "Message-ID: <new@x>\r\n"),
        letter(6, "Re: Boats", ""),
    ]
}

fn import(archive: &Archive, octets: &[u8]) {
    let file = archive.path(&format!("{}.eml", BlobId::of(octets).short()));
    fs::write(&file, octets).unwrap();
    assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
}

fn ids(letters: &[Vec<u8>]) -> Vec<String> {
    letters.iter().map(|octets| id(octets)).collect()
}

#[test]
fn a_thread_is_found_by_any_message_of_it_whatever_came_first() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let letters = letters();
    for at in [3, 2, 5, 1, 4, 0] {
        import(&archive, &letters[at]);
    }
    let all = ids(&letters);
    for of in &all[..4] {
        assert_eq!(archive.found(&format!("thread:{}", &of[..10])), all[..4], "{of}");
    }
    assert_eq!(archive.found(&format!("thread:{}", all[4])), all[4..5]);
    assert_eq!(archive.found("thread:0123456789"), [""; 0]);
    assert_eq!(archive.found(&format!("thread:{} -subject:regatta", all[0])), all[2..3]);

    let results = archive.json(&["search", "--sort=date"]);
    let threads = results["hits"].as_array().unwrap().iter().map(|hit| &hit["thread"]);
    let of = |at: usize, messages: u32| json!({"id": all[at], "messages": messages});
    assert_eq!(threads.collect::<Vec<_>>(), [&of(0, 4), &of(0, 4), &of(0, 4), &of(0, 4), &of(4, 1), &of(5, 1)]);
    assert_eq!(archive.json(&["show", &all[3]])["thread"], of(0, 4));
    let page = archive.well(&["show", &all[3]]);
    let hint = format!("4 messages; poplar search thread:{}", &all[0][..12]);
    assert!(page.text().contains(&hint), "{page}");
    assert!(archive.well(&["search", "sleep"]).text().contains("(thread of 4)"));
    assert!(!archive.well(&["search", "boats"]).text().contains("thread of"));
    archive.assert_sound();

    archive.well(&["rebuild"]);
    assert_eq!(archive.found(&format!("thread:{}", all[0])), all[..4]);
}

#[test]
fn mail_that_a_daemon_fetches_is_in_its_thread_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "tester")]);
    let letters = letters();
    server.deliver("tester", &letters[1]);
    let mut daemon = archive.start(&[]);
    until("nothing came", || (archive.found("regatta").len() == 1).then_some(()));
    server.deliver("tester", &letters[0]);
    archive.run(&["fetch", "--wait", "0s"]);
    until("nothing more came", || (archive.found("regatta").len() == 2).then_some(()));
    assert_eq!(archive.found(&format!("thread:{}", id(&letters[1]))), ids(&letters[..2]));
    assert_eq!(daemon.stop(), 0);
}

/// As an older poplar left it.
#[test]
fn an_archive_from_before_has_threads_once_it_is_opened() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let letters = letters();
    letters.iter().for_each(|octets| import(&archive, octets));
    let catalog = Connection::open(archive.data_dir().join("catalog.db")).unwrap();
    teach(&catalog).unwrap();
    for table in ["tie", "named", "tag", "note", "saved", "document", "extraction"] {
        catalog.execute_batch(&format!("DROP TABLE {table}")).unwrap();
    }
    catalog.execute_batch("PRAGMA user_version = 8").unwrap();
    drop(catalog);
    archive.run(&["search", "regatta"]).assert_said(1, "written by an older poplar");
    import(&archive, &mail("one more", "so that somebody owns it"));
    assert_eq!(archive.found(&format!("thread:{}", id(&letters[3]))), ids(&letters[..4]));
    archive.assert_sound();
}

#[test]
fn what_only_a_destroyed_message_held_together_falls_apart() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let letters = [
        letter(1, "One", "Message-ID: <one@x>\r\n"),
        letter(2, "Both", "Message-ID: <both@x>\r\nReferences: <one@x> <two@x>\r\n"),
        letter(3, "Two", "Message-ID: <two@x>\r\n"),
    ];
    letters.iter().for_each(|octets| import(&archive, octets));
    let all = ids(&letters);
    assert_eq!(archive.found(&format!("thread:{}", all[2])), all);
    seal_off(&archive.data_dir(), BlobId::of(b"what was found"), &[BlobId::of(&letters[1])]);
    archive.well(&["tag", "add", "evidence", &all[1]]);
    archive.well(&["note", "add", &all[1], "a forged date"]);
    archive.well(&["quarantine", "purge", &all[1], "--reason", "no use"]);
    assert_eq!(archive.found(&format!("thread:{}", all[2])), all[2..]);
    assert_eq!(archive.json(&["show", &all[0]])["thread"], json!({"id": all[0], "messages": 1}));

    // Nor does anything stay that was said of it.
    let shown = archive.json(&["show", &all[1]]);
    assert_eq!((&shown["tags"], &shown["notes"]), (&json!([]), &json!([])), "{shown}");
    assert_eq!(archive.json(&["tag", "list"]), json!([]));
    archive.run(&["note", "add", &all[1], "too late"]).assert_said(1, "was destroyed");
    archive.run(&["tag", "add", "late", &all[1]]).assert_said(1, "was destroyed");
    archive.assert_sound();
    archive.well(&["rebuild"]);
    assert_eq!(archive.json(&["show", &all[1]])["notes"], json!([]));
    assert_eq!(archive.found(&format!("thread:{}", all[2])), all[2..]);
}
