//! Signatures that are newer than the mail: what the archive holds is scanned again.

use std::fs;

use serde_json::{Value, json};

use crate::support::poplar::{Account, Archive, mail, until};
use crate::support::scene::Scene;

/// No signature knows it yet.
const MARKER: &str = "an invoice that will turn out to be none";

fn with_attachment(subject: &str, attachment: &str) -> Vec<u8> {
    let headers = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b";
    let body = format!(
        "--b\r\n\r\nText of {subject}.\r\n--b\r\nContent-Type: application/octet-stream; name=invoice.bin\r\n\r\n\
         {attachment}\r\n--b--\r\n"
    );
    mail(&format!("{subject}\r\n{headers}"), &body)
}

fn learn(archive: &Archive, file: &str, marker: &str) {
    let hex: String = marker.bytes().map(|octet| format!("{octet:02x}")).collect();
    fs::write(archive.path(&format!("signatures/{file}.ndb")), format!("Late.{file}:0:*:{hex}\n")).unwrap();
}

fn rescanned(archive: &Archive) -> Vec<Value> {
    let entries = archive.json(&["journal", "list", "--limit", "1000"]);
    let leaves = entries.as_array().unwrap().iter().map(|entry| entry["leaf"].clone());
    leaves.filter(|leaf| leaf["kind"] == "rescanned").collect()
}

#[test]
fn new_signatures_find_what_was_passed_before_and_ask_about_equal_parts_once() {
    let scene = Scene::with(Archive::new());
    let Scene { archive, server, .. } = &scene;
    archive.configure(&[Account::implicit(server, "tester")]);
    for subject in ["one", "two", "three"] {
        server.deliver("tester", &with_attachment(subject, MARKER));
    }
    server.deliver("tester", &with_attachment("four", "an honest invoice"));
    let mut daemon = archive.start(&[]);
    until("not all was scanned", || (archive.found("is:clean").len() == 4).then_some(()));
    assert_eq!(archive.found("is:quarantined"), [] as [String; 0]);

    learn(archive, "Marker", MARKER);
    until("nothing was scanned again", || (archive.found("is:infected").len() == 3).then_some(()));
    until("the rescan did not end", || (!rescanned(archive).is_empty()).then_some(()));
    assert_eq!(archive.found("is:clean").len(), 1);
    assert_eq!(archive.found("is:quarantined").len(), 3);
    let rescans = rescanned(archive);
    let counts = |rescan: &Value| [&rescan["messages"], &rescan["changed"], &rescan["infected"]].map(Value::to_string);
    assert_eq!(counts(rescans.last().unwrap()), ["4", "3", "3"], "{rescans:?}");
    // Four messages as they came, four texts; and two attachments, one of which stands in three messages.
    assert_eq!(questions(archive), [10], "{rescans:?}");
    assert_eq!(archive.status()["rescan"], json!(null));
    assert_eq!(daemon.stop(), 0);
    assert!(daemon.log().contains("ALERT"), "{}", daemon.log());
    archive.assert_sound();
}

/// How often the scanner was asked, in each rescan with which all of the archive was done.
fn questions(archive: &Archive) -> Vec<u64> {
    let catalog = rusqlite::Connection::open(archive.data_dir().join("catalog.db")).unwrap();
    let mut statement = catalog.prepare("SELECT parts FROM rescanned ORDER BY number").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[test]
fn a_rescan_by_hand_is_of_what_the_query_finds() {
    let archive = Archive::new();
    let file = archive.path("mail.mbox");
    fs::create_dir(&file).unwrap();
    for subject in ["one", "two"] {
        fs::write(file.join(format!("{subject}.eml")), with_attachment(subject, MARKER)).unwrap();
    }
    archive.well(&["import", file.to_str().unwrap()]);
    assert_eq!(archive.found("is:clean").len(), 2);
    let nothing_new = archive.json(&["rescan"]);
    assert_eq!((&nothing_new["messages"], &nothing_new["changed"]), (&json!(2), &json!(0)), "{nothing_new}");
    learn(&archive, "Marker", MARKER);
    let outcome = archive.json(&["rescan", "subject:one"]);
    let counts = [&outcome["messages"], &outcome["changed"], &outcome["infected"], &outcome["waiting"]];
    assert_eq!(counts, [&json!(1), &json!(1), &json!(1), &json!(0)], "{outcome}");
    assert!(archive.found("is:infected subject:one").len() == 1);
    let none = archive.json(&["rescan", "subject:nowhere"]);
    assert_eq!(none["messages"], 0);
    archive.assert_sound();
}
