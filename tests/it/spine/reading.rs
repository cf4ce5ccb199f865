//! What people are shown: search, show, status; and what is withheld from them.

use std::fs;

use poplar::mail::{BlobId, eicar};

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, infected_mail, mail};

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

/// One clean message and one infected one, fetched, scanned, indexed.
fn archive() -> Archive {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&[Account::implicit(&server, "tester")]);
    server.deliver("tester", &clean_mail());
    server.deliver("tester", &infected_mail());
    let fetched = archive.json(&["fetch"]);
    assert_eq!((&fetched["unscanned"], &fetched["unindexed"]), (&0.into(), &0.into()), "{fetched}");
    // The server goes now, and its certificate with it.
    archive.configure(&[]);
    archive
}

fn clean_mail() -> Vec<u8> {
    mail("Regata u luci", "Jedrilice isplovljavaju u podne.")
}

#[test]
fn messages_are_found_by_what_is_in_them() {
    let archive = archive();
    let (clean, infected) = (id(&clean_mail()), id(&infected_mail()));
    for query in ["jedrilice", "subject:regata", "from:babic", "from:ana@example.org", "is:clean", "\"u podne\""] {
        assert_eq!(archive.found(query), [clean.as_str()], "{query}");
    }
    for query in ["is:infected", "has:attachment", "filename:note.txt", "parcel account:tester"] {
        assert_eq!(archive.found(query), [infected.as_str()], "{query}");
    }
    assert_eq!(archive.found("date:2026-11"), [infected.as_str(), clean.as_str()]);
    assert_eq!(archive.found("to:office").len(), 2);
    assert!(archive.found("nowhere").is_empty());
}

#[test]
fn a_search_prints_people_a_page_and_programs_a_document() {
    let archive = archive();
    let page = archive.well(&["search", "parcel"]);
    assert!(page.text().contains(&id(&infected_mail())[..8]), "{page}");
    assert!(page.text().contains("your parcel  [infected]") && page.text().contains("1 message\n"), "{page}");
    assert_eq!(archive.well(&["search", "--count"]).text(), "2\n");
    assert!(archive.well(&["search", "--limit", "1"]).text().contains("1 of 2 messages"));

    let hit = archive.json(&["search", "parcel"])["hits"][0].take();
    assert_eq!((&hit["verdict"], &hit["accounts"]), (&"infected".into(), &serde_json::json!(["tester"])), "{hit}");
    assert_eq!(hit["attachments"][0]["name"], "note.txt", "{hit}");
    assert!(hit["snippet"].as_str().unwrap().contains("open the attached note"), "{hit}");
    assert!(!hit["snippet"].as_str().unwrap().contains("EICAR"), "{hit}");

    let odd = archive.well(&["search", "from:(", "\"parcel"]);
    assert!(odd.stderr.starts_with("poplar: "), "how it was read is not said: {odd}");
}

#[test]
fn what_is_infected_is_withheld_from_ordinary_readers_only() {
    let archive = archive();
    let infected = id(&infected_mail());
    let refused = archive.run(&["show", &infected, "--part", "2"]);
    refused.assert_said(1, "part 2 of message");
    refused.assert_said(1, "withheld: it is infected (Poplar.Test.EICAR.UNOFFICIAL). With --quarantined");
    assert!(refused.stdout.is_empty(), "{refused}");
    assert_eq!(archive.well(&["show", &infected, "--part", "2", "--quarantined"]).stdout, eicar());
    assert_eq!(archive.well(&["show", &infected, "--part", "1"]).text(), "Please open the attached note.");

    for arguments in [&["show", &infected, "--text"][..], &["show", &infected]] {
        let text = archive.well(arguments);
        assert!(text.text().contains("Please open the attached note."), "{text}");
        let stub = format!("[part 2 note.txt, 68 B, SHA-256 {}: withheld, infected (", BlobId::of(&eicar()).short());
        assert!(text.text().contains(&stub), "{text}");
        assert!(!text.text().contains("EICAR-STANDARD"), "{text}");
    }
    let quarantined = archive.well(&["show", &infected, "--text", "--quarantined"]);
    assert!(quarantined.text().contains("EICAR-STANDARD"), "{quarantined}");
    assert_eq!(archive.raw(&infected), infected_mail());
}

#[test]
fn nothing_is_handed_out_before_it_is_scanned() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&[Account::implicit(&server, "tester")]);
    server.deliver("tester", &clean_mail());
    archive.fetch(&["--keep-only"]);
    let clean = id(&clean_mail());
    archive.run(&["show", &clean, "--part", "1"]).assert_said(1, "withheld: it was not scanned yet");
    assert_eq!(archive.raw(&clean), clean_mail());
    assert_eq!(archive.json(&["search"])["skipped"]["unindexed"], 1);
    archive.fetch(&[]);
    assert!(archive.well(&["show", &clean, "--part", "1"]).text().starts_with("Jedrilice"));
}

#[test]
fn a_snippet_is_made_of_clean_parts_only() {
    let mut archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let file = archive.path("mail.eml");
    fs::write(&file, clean_mail()).unwrap();
    let snippet = |archive: &Archive| archive.json(&["search", "jedrilice"])["hits"][0]["snippet"].take();
    assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    assert_eq!(snippet(&archive), "", "not scanned yet");

    archive.set_clamd("managed");
    archive.configure(&[]);
    archive.well(&["import", file.to_str().unwrap()]);
    assert!(snippet(&archive).as_str().unwrap().contains("isplovljavaju"));

    // The scanner saw other octets under this number: these were not scanned.
    let catalog = rusqlite::Connection::open(archive.data_dir().join("catalog.db")).unwrap();
    poplar::catalog::teach(&catalog).unwrap();
    let other = "INSERT INTO verdict (message, view, blob, size_bytes, verdict, engine, signatures, transport, scanned_ms, duration_ms)
                 SELECT message, view, zeroblob(32), size_bytes, verdict, engine, signatures, transport, scanned_ms, duration_ms
                 FROM verdict WHERE view = 'part 1'";
    assert_eq!(catalog.execute(other, []).unwrap(), 1);
    assert_eq!(snippet(&archive), "", "other octets were scanned");
}

#[test]
fn show_tells_all_that_is_known_of_a_message() {
    let archive = archive();
    let infected = id(&infected_mail());
    let shown = archive.json(&["show", &infected[..8]]);
    assert_eq!(shown["id"], infected.as_str());
    assert_eq!(shown["size_bytes"], infected_mail().len());
    assert_eq!(shown["headers"][0], serde_json::json!({ "name": "From", "value": "mallory@example.net" }));
    let verdicts: Vec<&str> =
        shown["parts"].as_array().unwrap().iter().map(|part| part["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["clean", "infected"], "{shown}");
    assert!(shown["parts"][1]["detail"].as_str().unwrap().contains("EICAR"), "{shown}");
    assert_eq!(shown["sightings"][0]["fate"], "kept", "{shown}");
    assert!(shown["journal"].is_u64(), "{shown}");
    let scan = &shown["scans"][0];
    assert!(scan["engine"].as_str().unwrap().starts_with("ClamAV"), "{scan}");
    assert!(!scan["signatures"].as_str().unwrap().is_empty(), "{scan}");

    let page = archive.well(&["show", &infected]);
    for expected in
        ["mallory@example.net", "2026-11-21 10:00", "your parcel", "infected", "tester", "journal entry", "note.txt"]
    {
        assert!(page.text().contains(expected), "{expected}: {page}");
    }
    let encoded = archive.path("encoded.eml");
    fs::write(&encoded, b"From: =?utf-8?q?Ana_Babi=C4=87?= <ana@example.org>\r\nSubject: =?utf-8?b?xb1pbA==?=\r\n\r\n")
        .unwrap();
    archive.well(&["import", encoded.to_str().unwrap()]);
    let page = archive.well(&["show", &archive.found("subject:zil")[0]]);
    assert!(page.text().contains("Ana Babić <ana@example.org>\n") && page.text().contains("Žil\n"), "{page}");

    let headers = archive.well(&["show", &infected, "--headers"]);
    assert!(headers.text().starts_with("From: mallory@example.net\r\n"), "{headers}");
}

#[test]
fn a_proof_is_a_file_for_people_and_a_document_for_programs() {
    let archive = archive();
    let clean = id(&clean_mail());
    let proof = archive.path("proof");
    let written = archive.well(&["journal", "prove", &clean, "-o", proof.to_str().unwrap()]);
    assert!(written.stdout.is_empty(), "{written}");
    let shown = archive.json(&["journal", "prove", &clean]);
    assert_eq!((&shown["message"], &shown["proof"]), (&clean.clone().into(), &text(&proof).into()));
    let checked = archive.json(&["journal", "check", proof.to_str().unwrap()]);
    assert_eq!((&checked["index"], &checked["message"]), (&shown["index"], &clean.into()), "{checked}");
}

fn text(file: &std::path::Path) -> String {
    fs::read_to_string(file).unwrap()
}

#[test]
fn what_cannot_be_shown_is_explained() {
    let archive = Archive::new();
    archive.run(&["show", "0123abcd"]).assert_said(1, "there is no archive in");
    archive.run(&["status"]).assert_said(1, "`poplar fetch` or `poplar import` makes one");
    archive.run(&["fetch"]).assert_said(2, "no account is configured in");
    fs::remove_file(archive.config_file()).unwrap();
    let nowhere = archive.run(&["status"]);
    nowhere.assert_said(2, "cannot read the configuration file");
    assert_eq!(nowhere.stderr.matches("No such file").count(), 1, "{nowhere}");

    let archive = self::archive();
    archive.run(&["show", "ffffffffffff"]).assert_said(1, "no message has an id that begins with ffffffffffff");
    archive.run(&["show", "parcel"]).assert_said(1, "\"parcel\" is not an id");
    let clean = id(&clean_mail());
    archive.run(&["show", &clean, "--part", "7"]).assert_said(1, "has no part 7; it has 1");
    archive.run(&["show", &clean, "--raw", "--text"]).assert_said(2, "cannot be used with");
    for (what, name) in [
        (&["--raw"][..], "--raw"),
        (&["--headers"], "--headers"),
        (&["--text"], "--text"),
        (&["--part", "1"], "--part"),
    ] {
        let refused = archive.run(&[&["--json", "show", &clean], what].concat());
        refused.assert_said(2, &format!("--json cannot be used with {name}"));
        assert!(refused.stdout.is_empty(), "{refused}");
    }
    archive.run(&["shwo"]).assert_said(2, "show");
}

#[test]
fn status_adds_up() {
    let archive = archive();
    let status = archive.status();
    let raw = clean_mail().len() + infected_mail().len();
    assert_eq!((&status["messages"], &status["raw_bytes"]), (&2.into(), &raw.into()), "{status}");
    assert!(status["stored_bytes"].as_u64().unwrap() > 0, "{status}");
    for stage in ["scan", "index"] {
        assert_eq!(status["stages"][stage], serde_json::json!({ "waiting": 0, "stuck": 0 }), "{status}");
    }
    let account = &status["accounts"][0];
    assert_eq!((&account["account"], &account["listed"]), (&"tester".into(), &2.into()), "{status}");
    assert_eq!((&account["kept"], &account["last_error"]), (&2.into(), &serde_json::Value::Null), "{status}");
    assert_eq!(status["scanner"]["state"], "not running", "{status}");
    assert_eq!(status["owner"], serde_json::Value::Null, "a fetch that has ended owns nothing: {status}");
    assert_eq!(archive.warnings(), "");

    let page = archive.well(&["status"]);
    for expected in ["2 messages", "not running", "1 clean, 1 infected", "tester", "well"] {
        assert!(page.text().contains(expected), "{expected}: {page}");
    }
}

#[test]
fn verify_says_what_it_looked_at() {
    let archive = archive();
    let report = archive.json(&["verify"]);
    assert_eq!((&report["checked"]["messages"], &report["checked"]["indexed"]), (&2.into(), &2.into()), "{report}");
    assert_eq!(report["damage"], serde_json::json!([]));
    let page = archive.well(&["verify"]);
    assert!(page.text().starts_with("2 messages and "), "{page}");
    assert!(page.text().contains(" in 1 pack ("), "{page}");
    archive.well(&["verify", "--quick"]);
}

#[test]
fn what_cannot_be_parsed_is_kept_listed_and_found_by_what_could_be_read() {
    let odd: [&[u8]; 6] = [
        b"",
        b"\r\n\r\n\0\0\xff\xfe",
        b"no header, but a legible windlass\r\n",
        b"Subject: =?utf-8?q?half a capstan\r\nContent-Type: multipart/mixed; boundary=\r\n\r\n--\r\n",
        b"Content-Type: text/plain; charset=no-such-charset\r\nContent-Transfer-Encoding: base64\r\n\r\n!bollard!\r\n",
        b"Subject: nested\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n",
    ];
    let archive = Archive::new();
    fs::create_dir(archive.path("mail")).unwrap();
    for (n, octets) in odd.iter().enumerate() {
        fs::write(archive.path(&format!("mail/{n}.eml")), octets).unwrap();
    }
    let imported = archive.json(&["import", archive.path("mail").to_str().unwrap()]);
    assert_eq!((&imported["kept"], &imported["unscanned"]), (&6.into(), &0.into()), "{imported}");
    let mut listed = archive.found("");
    let mut expected = odd.map(id);
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
    for octets in odd {
        assert_eq!(archive.raw(&id(octets)), octets);
        archive.json(&["show", &id(octets)]);
        archive.well(&["show", &id(octets)]);
    }
    assert_eq!(archive.found("windlass"), [id(odd[2])]);
    assert_eq!(archive.found("capstan"), [id(odd[3])]);
    archive.assert_sound();
}
