//! What `ledger` and `plan` say, and mail that is told by its header.

use serde_json::Value;

use crate::support::dovecot::{Dovecot, Options};
use crate::support::poplar::{Account, Archive, mail};

fn archive(account: &Account) -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(std::slice::from_ref(account));
    archive
}

fn deliver_with_ids(server: &Dovecot, number: usize) {
    for n in 1..=number {
        let octets = mail(&format!("number {n}"), &format!("body {n}"));
        server.deliver("alice", &[format!("Message-ID: <{n}@example.org>\r\n").as_bytes(), &octets].concat());
    }
}

fn lines(archive: &Archive, of: &str) -> Vec<Value> {
    archive.json(&["ledger", "alice", "--fate", of])["lines"].as_array().unwrap().clone()
}

#[test]
fn new_unique_ids_for_all_mail_do_not_bring_it_in_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    deliver_with_ids(&server, 30);
    let archive = archive(&Account::implicit(&server, "alice"));
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 30);
    drop(server);

    let server = Dovecot::start_with(folder.path(), &Options { uidl_format: "%g", ..Options::default() });
    archive.configure(&[Account::implicit(&server, "alice")]);
    let moved = archive.fetch(&["--keep-only"]);
    assert_eq!((&moved["duplicates"], &moved["bytes"]), (&30.into(), &0.into()), "{moved}");
    let again = archive.fetch(&["--keep-only"]);
    assert_eq!((&again["known"], &again["bytes"]), (&30.into(), &0.into()), "{again}");

    assert!(lines(&archive, "kept").iter().all(|line| !line["gone"].is_null()));
    let recognised = lines(&archive, "duplicate");
    assert_eq!(recognised.len(), 30);
    assert!(recognised.iter().all(|line| line["reason"].as_str().unwrap().contains("header")), "{recognised:?}");
    archive.assert_sound();

    // Before anything goes, it is read: a header is not the message.
    archive
        .configure(&[Account::implicit(&server, "alice").with("after_archive = \"delete\"\ndelete_when = \"kept\"")]);
    let deleted = archive.fetch(&["--keep-only"]);
    assert_eq!((&deleted["duplicates"], &deleted["deleted"]), (&30.into(), &30.into()), "{deleted}");
    assert!(deleted["bytes"].as_u64().unwrap() > 0, "{deleted}");
}

#[test]
fn the_ledger_has_a_line_for_all_that_was_ever_listed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    deliver_with_ids(&server, 3);
    server.deliver("alice", &mail("large", &"0123456789\r\n".repeat(2_000)));
    let policy = "after_archive = \"delete\"\ndelete_when = \"kept\"\nmax_message_bytes = \"10kB\"";
    let archive = archive(&Account::implicit(&server, "alice").with(policy));
    archive.fetch(&["--keep-only"]);
    archive.fetch(&["--keep-only"]);

    let ledger = archive.json(&["ledger", "alice"]);
    assert_eq!(ledger["lines"].as_array().unwrap().len(), 4);
    let gone = |line: &Value| !line["gone"].is_null() && !line["deleting"].is_null() && !line["id"].is_null();
    assert!(lines(&archive, "kept").iter().all(gone), "{ledger}");
    assert_eq!(lines(&archive, "oversize").len(), 1);
    let sessions = ledger["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert!(sessions.iter().all(|session| session["adds_up"] == true), "{ledger}");
    assert_eq!(
        (&sessions[1]["kept"], &sessions[1]["oversize"], &sessions[1]["deleted"]),
        (&3.into(), &1.into(), &3.into())
    );

    let told = archive.well(&["ledger", "alice"]);
    assert!(told.text().contains("4 lines, 3 of them not listed any more"), "{told}");
    assert!(archive.well(&["ledger", "alice", "--sessions"]).text().contains("OVERSIZE"));
    archive.run(&["ledger", "bob"]).assert_said(1, "no account \"bob\" ever gave mail to this archive");
    archive.run(&["ledger", "alice", "--fate", "lost"]).assert_said(2, "not a fate");
}

#[test]
fn a_plan_says_what_a_session_would_do_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    deliver_with_ids(&server, 2);
    let account = || Account::implicit(&server, "alice");
    let archive = archive(&account());
    let before = archive.json(&["plan", "alice"]);
    assert_eq!((&before["listed"], &before["known"]), (&2.into(), &0.into()));
    assert_eq!(before["fetch"].as_array().unwrap().len(), 2);
    archive.run(&["search", "number"]).assert_said(1, "there is no archive");

    archive.fetch(&["--keep-only"]);
    deliver_with_ids(&server, 1);
    archive.configure(&[account().with("after_archive = \"delete\"")]);
    let waits = archive.json(&["plan", "alice"]);
    assert_eq!(waits["fetch"].as_array().unwrap().len(), 1, "{waits}");
    assert_eq!(waits["delete"].as_array().unwrap().len(), 0, "{waits}");
    assert_eq!(waits["delete_later"][0]["why"], "once it is scanned");
    archive.configure(&[account().with("after_archive = \"delete\"\ndelete_when = \"kept\"")]);
    let ready = archive.well(&["plan", "alice"]);
    assert!(ready.text().contains("would delete 2 messages at the server"), "{ready}");
    archive.run(&["plan", "bob"]).assert_said(2, "no account is called \"bob\"");

    let fetched = archive.fetch(&["--keep-only"]);
    assert_eq!((&fetched["known"], &fetched["duplicates"], &fetched["deleted"]), (&2.into(), &1.into(), &3.into()));
}
