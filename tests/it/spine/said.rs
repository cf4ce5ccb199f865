//! What people say of messages: tags, notes and saved searches, on record, and there again after a rebuild.

use std::fs;

use poplar::mail::BlobId;
use serde_json::{Value, json};

use crate::support::poplar::{Account, Archive, mail, until};

const NOBODY: [&str; 0] = [];

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

fn archive_of(mails: &[Vec<u8>]) -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    import(&archive, mails);
    archive
}

fn import(archive: &Archive, mails: &[Vec<u8>]) {
    for octets in mails {
        let file = archive.path(&format!("{}.eml", BlobId::of(octets).short()));
        fs::write(&file, octets).unwrap();
        assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    }
}

/// What no checkpoint covers goes with a catalog that is lost; an import signs.
fn rebuild(archive: &Archive) {
    import(archive, &[mail("one more", "so that all is signed")]);
    archive.well(&["rebuild"]);
}

/// The leaves of one kind, and how many of them are signed.
fn entries(archive: &Archive, kind: &str) -> (usize, usize) {
    let list = archive.json(&["journal", "list", "--limit", "10000"]);
    let of_kind: Vec<&Value> = list.as_array().unwrap().iter().filter(|entry| entry["leaf"]["kind"] == kind).collect();
    (of_kind.len(), of_kind.iter().filter(|entry| entry["signed"] == true).count())
}

fn regattas() -> [Vec<u8>; 3] {
    [mail("Regatta in May", "the boats"), mail("Regatta in June", "the crew"), mail("Invoice", "the bill")]
}

#[test]
fn a_tag_is_put_on_what_a_query_finds_and_found_by_its_name() {
    let mails = regattas();
    let [may, june, invoice] = mails.each_ref().map(|octets| id(octets));
    let archive = archive_of(&mails);
    let added = archive.json(&["tag", "add", "To  Do", "subject:regatta"]);
    assert_eq!(added, json!({"tag": "to do", "messages": 2, "changed": 2, "notes": []}));
    let mut both = [may.clone(), june.clone()];
    both.sort();
    let tagged = |query: &str| {
        let mut found = archive.found(query);
        found.sort();
        found
    };
    assert_eq!(tagged("tag:\"to do\""), both);
    assert_eq!(tagged("TAG:\"Tô Dó\""), both);
    assert_eq!(tagged("tag:to"), NOBODY);
    assert_eq!(archive.found("-tag:\"to do\""), [invoice.as_str()]);

    // Again, and on one message alone by the beginning of its id.
    assert_eq!(archive.json(&["tag", "add", "to do", "subject:may"])["changed"], 0);
    assert_eq!(archive.well(&["tag", "add", "to do", "regatta"]).text(), "0 messages tagged to do, 2 already were\n");
    assert_eq!(archive.json(&["tag", "add", "urgent", &june[..9]])["messages"], 1);
    assert_eq!(entries(&archive, "tagged").0, 3, "what is not new is no event");
    assert_eq!(
        archive.json(&["tag", "list"]),
        json!([{"tag": "to do", "messages": 2}, {"tag": "urgent", "messages": 1}])
    );
    let results = archive.json(&["search", "subject:june"]);
    assert_eq!(results["hits"][0]["tags"], json!(["to do", "urgent"]));
    assert!(archive.well(&["search", "june"]).text().contains("  #to do  #urgent"));
    assert_eq!(archive.json(&["show", &june])["tags"], json!(["to do", "urgent"]));
    assert!(archive.well(&["show", &june]).text().contains("to do, urgent"));

    let removed = archive.well(&["tag", "remove", "to do", "tag:\"to do\"", "subject:may"]);
    assert_eq!(removed.text(), "1 message tagged no more to do\n");
    assert_eq!(archive.found("tag:\"to do\""), [june.as_str()]);
    assert_eq!(entries(&archive, "untagged").0, 1);
    archive.run(&["tag", "add", "a\"b", "x"]).assert_said(2, "no quotation marks");
    archive.run(&["tag", "add", "urgent"]).assert_said(2, "QUERY");
    archive.assert_sound();

    rebuild(&archive);
    assert_eq!(archive.json(&["search", "subject:june"])["hits"][0]["tags"], json!(["to do", "urgent"]));
    assert_eq!(archive.found("tag:\"to do\""), [june.as_str()]);
}

#[test]
fn notes_are_added_and_never_changed() {
    let mails = regattas();
    let may = id(&mails[0]);
    let archive = archive_of(&mails);
    assert_eq!(archive.json(&["note", "list", &may]), json!([]));
    archive.well(&["note", "add", &may[..8], "Ana", "was", "there"]);
    archive.well(&["note", "add", &may, "no, it was Ivo\nand his brother"]);
    archive.run(&["note", "add", &may, " "]).assert_said(1, "a note says something");
    archive.run(&["note", "add", &may, &"x".repeat(20_000)]).assert_said(1, "at most 16 KiB");
    archive.run(&["note", "add", "0123abcd", "x"]).assert_said(1, "no message has an id");
    let notes = |archive: &Archive| {
        let shown = archive.json(&["show", &may]);
        let texts = shown["notes"].as_array().unwrap().iter().map(|note| note["text"].as_str().unwrap().to_owned());
        texts.collect::<Vec<_>>()
    };
    let expected = ["Ana was there", "no, it was Ivo\nand his brother"];
    assert_eq!(notes(&archive), expected);
    let page = archive.well(&["show", &may]);
    expected.iter().for_each(|text| assert!(page.text().contains(text), "{page}"));
    assert!(!archive.well(&["note", "list", &may]).text().is_empty());
    assert_eq!(entries(&archive, "noted").0, 2);
    let list = archive.well(&["journal", "list", "--limit", "10000"]);
    assert!(!list.text().contains("Ivo"), "a leaf says nothing personal");
    archive.assert_sound();
    rebuild(&archive);
    assert_eq!(notes(&archive), expected);
}

#[test]
fn a_saved_search_is_carried_out_by_its_name() {
    let archive = archive_of(&regattas());
    archive.well(&["saved", "add", "Sailing", "subject:regatta OR (boats"]);
    assert_eq!(archive.json(&["search", "--saved", "sailing"])["total"], 2);
    assert_eq!(archive.json(&["search", "--saved", "SAILING", "june", "OR", "invoice)"])["total"], 1);
    archive.run(&["search", "--saved", "rowing"]).assert_said(1, "no search is saved as \"rowing\"");
    archive.run(&["saved", "remove", "rowing"]).assert_said(1, "no search is saved as \"rowing\"");
    let listed = archive.json(&["saved", "list"]);
    assert_eq!((&listed[0]["name"], &listed[0]["query"]), (&json!("sailing"), &json!("subject:regatta OR (boats")));
    archive.well(&["saved", "add", "sailing", "subject:may"]);
    archive.well(&["saved", "add", "bills", "invoice"]);
    archive.well(&["saved", "remove", "bills"]);
    assert_eq!(archive.well(&["saved", "list"]).text().lines().count(), 1);
    assert_eq!((entries(&archive, "search_saved").0, entries(&archive, "search_forgotten").0), (3, 1));
    archive.assert_sound();
    rebuild(&archive);
    assert_eq!(archive.json(&["search", "--saved", "sailing"])["total"], 1);
    assert_eq!(archive.json(&["saved", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn beside_a_daemon_all_of_it_counts_at_once_and_is_signed() {
    let mails = regattas();
    let may = id(&mails[0]);
    let archive = archive_of(&mails);
    // Nobody answers there, and nobody has to.
    archive.configure(&[Account::plain(1, "tester")]);
    let mut daemon = archive.start(&[]);
    archive.well(&["tag", "add", "urgent", "regatta"]);
    archive.well(&["note", "add", &may, "ask Ana"]);
    archive.well(&["saved", "add", "soon", "tag:urgent"]);
    assert_eq!(archive.json(&["search", "--saved", "soon"])["total"], 2);
    assert_eq!(archive.json(&["note", "list", &may])[0]["text"], "ask Ana");
    for (kind, expected) in [("tagged", 2), ("noted", 1), ("search_saved", 1)] {
        until("it is not signed", || (entries(&archive, kind) == (expected, expected)).then_some(()));
    }
    assert_eq!(daemon.stop(), 0);
    archive.assert_sound();
}
