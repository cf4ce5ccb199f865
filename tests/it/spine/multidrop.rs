//! A mailbox that collects the mail of many: whom each message was for is found by the envelope.

use poplar::mail::BlobId;

use crate::support::poplar::{Account, mail};
use crate::support::scene::Scene;

fn account(scene: &Scene, user: &str, multidrop: bool) -> Account {
    Account::implicit(&scene.server, user).with(&format!("multidrop = {multidrop}"))
}

/// Until all is indexed; nobody scans.
fn fetch(scene: &Scene) {
    scene.archive.run(&["fetch", "--wait", "0s"]).assert_said(75, "for the scanner");
}

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

/// As Postfix hands it to a mailbox that takes everything of a domain.
fn collected() -> Vec<u8> {
    let envelope = "Return-Path: <ana@example.net>\r\nX-Original-To: dora@example.org\r\nDelivered-To: all@example.org\r\n\
                    Received: from mx.example.net by mail.example.org (Postfix)\r\n\twith ESMTP id 4F\r\n\
                    \tfor <erik@example.org>; Sun, 22 Nov 2026 10:00:00 +0000\r\n";
    [envelope.as_bytes(), &mail("to a list", "hello all")].concat()
}

/// As Exchange sends it to a journal mailbox.
fn report() -> Vec<u8> {
    let head = "From: Microsoft Exchange <postmaster@example.org>\r\nTo: <journal@example.org>\r\nSubject: quarter\r\n\
                X-MS-Journal-Report: \r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"_outer_\"\r\n\r\n\
                --_outer_\r\nContent-Type: text/plain; charset=\"utf-8\"\r\n\r\nSender: frida@example.org\r\nSubject: quarter\r\n\
                Message-Id: <7@example.org>\r\nTo: gustav@example.net\r\nRecipient: hilde@example.net, Expanded: team@example.net\r\n\
                Bcc: ida@example.net\r\n\r\n--_outer_\r\nContent-Type: message/rfc822\r\n\r\n";
    let inner = "From: Frida <frida@example.org>\r\nTo: Gustav <gustav@example.net>\r\nSubject: quarter\r\nMessage-Id: <7@example.org>\r\n\
                 MIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\nthe figures are enclosed herring\r\n";
    format!("{head}{inner}\r\n--_outer_--\r\n").into_bytes()
}

#[test]
fn whom_collected_mail_was_for_is_found() {
    let scene = Scene::without_scanner();
    let archive = &scene.archive;
    archive.configure(&[account(&scene, "tester", true), account(&scene, "alice", false)]);
    // The same headers in an ordinary mailbox are no envelope of its own.
    let ordinary = [&b"X-Original-To: dora@example.org\r\n"[..], &mail("private", "for alice")].concat();
    scene.server.deliver("tester", &collected());
    scene.server.deliver("alice", &ordinary);
    fetch(&scene);
    for query in
        ["to:dora@example.org", "with:all@example.org", "to:erik@example.org", "to:office@example.org subject:list"]
    {
        assert_eq!(archive.found(query), [id(&collected())], "{query}");
    }
    assert_eq!(archive.found("from:dora@example.org"), Vec::<String>::new());
    assert_eq!(archive.raw(&id(&collected())), collected());
    let shown = archive.json(&["show", &id(&collected())]);
    let expected = ["dora", "all", "erik"].map(|local| format!("{local}@example.org"));
    assert_eq!(shown["recipients"], serde_json::json!(expected), "{shown}");
    assert_eq!(archive.json(&["show", &id(&ordinary)])["recipients"], serde_json::json!([]));
    archive.assert_sound();
}

#[test]
fn a_journal_report_is_kept_whole_and_both_messages_are_found() {
    let scene = Scene::without_scanner();
    let archive = &scene.archive;
    archive.configure(&[account(&scene, "tester", true)]);
    scene.server.deliver("tester", &report());
    let answer = mail("figures\r\nIn-Reply-To: <7@example.org>", "thank you");
    scene.server.deliver("tester", &answer);
    fetch(&scene);
    let queries = [
        "with:hilde@example.net",
        "to:ida@example.net",
        "to:gustav@example.net",
        "from:frida@example.org",
        "with:team@example.net",
        "from:postmaster@example.org",
        "herring",
        "subject:quarter",
    ];
    for query in queries {
        assert_eq!(archive.found(query), [id(&report())], "{query}");
    }
    let mut thread = [id(&report()), id(&answer)];
    thread.sort();
    let mut found = archive.found(&format!("thread:{}", id(&report())));
    found.sort();
    assert_eq!(found, thread, "it is of the thread of what it encloses");
    assert_eq!(archive.raw(&id(&report())), report());
    let shown = archive.json(&["show", &id(&report())]);
    assert_eq!(shown["enclosed"][0]["from"], serde_json::json!(["Frida <frida@example.org>"]), "{shown}");
    let part = archive.well(&["show", &id(&report()), "--part", "2", "--quarantined"]);
    assert!(part.text().starts_with("the figures are enclosed herring"), "{part}");
    assert!(archive.well(&["show", &id(&report())]).text().contains("Frida <frida@example.org>: quarter"));
}

#[test]
fn mail_is_found_anew_when_its_account_comes_to_collect_and_after_a_rebuild() {
    let scene = Scene::without_scanner();
    let archive = &scene.archive;
    let found = |expected: usize| assert_eq!(archive.found("to:dora@example.org").len(), expected);
    archive.configure(&[account(&scene, "tester", false)]);
    scene.server.deliver("tester", &collected());
    fetch(&scene);
    found(0);
    archive.configure(&[account(&scene, "tester", true)]);
    fetch(&scene);
    found(1);
    archive.well(&["rebuild"]);
    found(1);
    archive.configure(&[account(&scene, "tester", false)]);
    fetch(&scene);
    found(0);
    // Met by another that does collect.
    archive.configure(&[account(&scene, "tester", false), account(&scene, "alice", true)]);
    scene.server.deliver("alice", &collected());
    fetch(&scene);
    found(1);
    archive.assert_sound();
}
