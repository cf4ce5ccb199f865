//! What is sealed off: kept from ordinary readers wherever it occurs, let out by people with a reason, and on record.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use poplar::catalog::{Catalog, Told};
use poplar::journal::Entry;
use poplar::mail::event::{Item, Quarantined};
use poplar::mail::{BlobId, Clock, Event, Occurrence, eicar};
use serde_json::{Value, json};

use crate::support::poplar::{Archive, infected_mail, mail, skipped};

const FINDING: &str = "Win.Test.Later-1";
const OTHER_FINDING: &str = "Win.Test.Other-2";
/// Nothing that the scanner of these tests finds.
const NOTE: &[u8] = b"the halyard is frayed";

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

/// A message with the note as its second part, to be read as text.
fn noted(subject: &str) -> Vec<u8> {
    let head = format!(
        "From: Ana <ana@example.org>\r\nTo: office@example.org\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=edge\r\n\r\n"
    );
    let part = |octets: &[u8]| [b"--edge\r\nContent-Type: text/plain\r\n\r\n", octets, b"\r\n"].concat();
    [head.as_bytes(), &part(b"Read the note below, please."), &part(NOTE), b"--edge--\r\n"].concat()
}

fn archive_of(mails: &[Vec<u8>]) -> Archive {
    let archive = Archive::new();
    import(&archive, mails);
    archive
}

fn import(archive: &Archive, mails: &[Vec<u8>]) {
    for octets in mails {
        let file = archive.path(&format!("{}.eml", BlobId::of(octets).short()));
        fs::write(&file, octets).unwrap();
        archive.well(&["import", file.to_str().unwrap()]);
    }
}

/// As if a scan had found something in octets of this message.
fn seal_off(archive: &Archive, message: &[u8], octets: &[u8], signature: &str) {
    let catalog = Catalog::open(&archive.data_dir()).unwrap();
    let message = catalog.message(&BlobId::of(message)).unwrap().unwrap().message;
    let item = Item { blob: BlobId::of(octets), size_bytes: octets.len() as u64, signature: signature.to_owned() };
    let event = Event::Quarantined(Quarantined { message, items: vec![item] });
    let occurrence = Occurrence { at: Clock::system().now(), event };
    let Entry { leaf, record } = Entry::new(&occurrence);
    catalog.commit(&[], &[Told::new(occurrence, leaf, record)]).unwrap();
}

/// What the journal holds of one kind.
fn entries(archive: &Archive, kind: &str) -> usize {
    let list = archive.json(&["journal", "list"]);
    list.as_array().unwrap().iter().filter(|entry| entry["leaf"]["kind"] == kind).count()
}

fn part(archive: &Archive, octets: &[u8], number: usize) -> Value {
    archive.json(&["show", &id(octets)])["parts"][number - 1].take()
}

#[test]
fn what_was_found_in_one_message_is_withheld_in_all() {
    let (first, second) = (noted("first"), noted("second"));
    let archive = archive_of(&[first.clone(), second.clone()]);
    assert_eq!(archive.well(&["show", &id(&second), "--part", "2"]).stdout, NOTE);
    let snippet = |archive: &Archive| archive.json(&["search", "subject:second halyard"])["hits"][0]["snippet"].take();
    assert!(snippet(&archive).as_str().unwrap().contains("halyard"));

    seal_off(&archive, &first, NOTE, FINDING);
    // The second one's own verdict still says clean.
    assert_eq!(archive.json(&["show", &id(&second)])["verdict"], "clean");
    for octets in [&first, &second] {
        let refused = archive.run(&["show", &id(octets), "--part", "2"]);
        refused.assert_said(1, &format!("withheld: it is infected ({FINDING}). With --quarantined"));
        assert!(refused.stdout.is_empty(), "{refused}");
        assert_eq!(archive.well(&["show", &id(octets), "--part", "1"]).text(), "Read the note below, please.");
        let hash = BlobId::of(NOTE);
        for arguments in [&["show", &id(octets)][..], &["show", &id(octets), "--text"]] {
            let page = archive.well(arguments);
            let stub = format!("[part 2, 21 B, SHA-256 {}: withheld, infected ({FINDING}); sealed off", hash.short());
            assert!(page.text().contains(&stub) && !page.text().contains("halyard"), "{page}");
            assert!(page.text().contains("Read the note below"), "{page}");
            assert!(page.text().contains(&format!("poplar quarantine show {}", hash.short())), "{page}");
        }
        let shown = part(&archive, octets, 2);
        assert_eq!((&shown["verdict"], &shown["withheld"]), (&"infected".into(), &true.into()), "{shown}");
        assert_eq!(shown["sealed"]["hash"], hash.to_string(), "{shown}");
        assert_eq!(shown["sealed"]["signature"], FINDING, "{shown}");
        let open = archive.well(&["show", &id(octets), "--text", "--quarantined"]);
        assert!(open.text().contains("halyard"), "{open}");
    }
    assert!(!snippet(&archive).as_str().unwrap().contains("halyard"), "{}", snippet(&archive));
    assert_eq!(archive.found("is:quarantined"), [id(&first)]);
    archive.assert_sound();
}

#[test]
fn what_nobody_can_place_in_a_part_closes_the_whole_message() {
    let octets = noted("all of it");
    let archive = archive_of(std::slice::from_ref(&octets));
    seal_off(&archive, &octets, &octets, FINDING);
    archive.run(&["show", &id(&octets), "--part", "1"]).assert_said(1, "withheld: it is infected");
    // Known to be in the second part, it leaves the first one readable.
    seal_off(&archive, &octets, NOTE, FINDING);
    archive.well(&["show", &id(&octets), "--part", "1"]);
    archive.run(&["show", &id(&octets), "--part", "2"]).assert_said(1, "withheld: it is infected");
    assert_eq!(archive.raw(&id(&octets)), octets);
}

#[test]
fn a_release_needs_a_reason_and_holds_for_one_finding() {
    let octets = infected_mail();
    let archive = archive_of(std::slice::from_ref(&octets));
    let found = part(&archive, &octets, 2)["detail"].as_str().unwrap().to_owned();
    let hash = id(&eicar());
    seal_off(&archive, &octets, &eicar(), &found);
    assert_eq!(archive.found("is:quarantined"), [id(&octets)]);

    archive.run(&["quarantine", "release", &hash]).assert_said(2, "--reason");
    archive.run(&["quarantine", "release", &hash, "--reason", " \t"]).assert_said(2, "say why");
    archive.run(&["quarantine", "release", "0123abcd", "--reason", "x"]).assert_said(1, "begins with 0123abcd");
    assert_eq!(entries(&archive, "released"), 0);
    let released = archive.well(&["quarantine", "release", &hash[..8], "--reason", "our own test file"]);
    assert!(released.text().contains("is released; should anything but"), "{released}");
    assert_eq!(entries(&archive, "released"), 1);

    // The verdict is what it was.
    let shown = part(&archive, &octets, 2);
    assert_eq!(
        (&shown["verdict"], &shown["withheld"], &shown["sealed"]),
        (&"infected".into(), &false.into(), &Value::Null)
    );
    assert_eq!(archive.well(&["show", &id(&octets), "--part", "2"]).stdout, eicar());
    assert!(archive.found("is:quarantined").is_empty());
    assert_eq!(archive.json(&["quarantine", "list"]), json!([]));
    let all = archive.json(&["quarantine", "list", "--all"]);
    assert_eq!(all[0]["state"], "released", "{all}");
    let again = archive.run(&["quarantine", "release", &hash, "--reason", "once more"]);
    again.assert_said(1, "was released already, by");

    seal_off(&archive, &octets, &eicar(), &found);
    archive.well(&["show", &id(&octets), "--part", "2"]);
    seal_off(&archive, &octets, &eicar(), OTHER_FINDING);
    archive.run(&["show", &id(&octets), "--part", "2"]).assert_said(1, "withheld");
    let told = archive.json(&["quarantine", "show", &hash]);
    assert_eq!(told[0]["state"], "sealed", "{told}");
    assert_eq!(told[0]["releases"][0]["reason"], "our own test file", "{told}");
    assert_eq!(told[0]["releases"][0]["signature"], found.as_str(), "{told}");
    archive.assert_sound();
}

#[test]
fn with_four_eyes_a_second_person_releases() {
    if !rustix::process::getuid().is_root() {
        skipped("only root may act for others");
        return;
    }
    let octets = noted("four eyes");
    let archive = archive_of(std::slice::from_ref(&octets));
    let config = fs::read_to_string(archive.config_file()).unwrap() + "[quarantine]\nfour_eyes = true\n";
    fs::write(archive.config_file(), config).unwrap();
    seal_off(&archive, &octets, NOTE, FINDING);
    let hash = id(NOTE);
    let release = |who: &str, reason: &str| {
        archive.run_with(&[("SUDO_USER", who)], &["quarantine", "release", &hash, "--reason", reason])
    };
    let asked = release("ana", "a false alarm");
    assert!(asked.code == 0 && asked.text().contains("as soon as another person"), "{asked}");
    release("ana", "really").assert_said(1, "ana (sudo) has asked for its release already, and another person");
    archive.run(&["show", &id(&octets), "--part", "2"]).assert_said(1, "withheld");
    let list = archive.json(&["quarantine", "list"]);
    assert_eq!(list[0]["asked"]["by"], "ana (sudo)", "{list}");
    assert_eq!(list[0]["asked"]["reason"], "a false alarm", "{list}");
    assert!(archive.well(&["quarantine", "list"]).text().contains("release asked for by ana (sudo)"));

    // What is found later, nobody has asked for.
    seal_off(&archive, &octets, NOTE, OTHER_FINDING);
    assert_eq!(release("ivo", "I agree").code, 0);
    archive.run(&["show", &id(&octets), "--part", "2"]).assert_said(1, "withheld");

    assert_eq!(release("ana", "that one, too").code, 0);
    archive.well(&["show", &id(&octets), "--part", "2"]);
    let told = archive.json(&["quarantine", "show", &hash]);
    let release = &told[0]["releases"][0];
    assert_eq!((&release["by"], &release["asked_by"]), (&"ana (sudo)".into(), &"ivo (sudo)".into()), "{told}");
    assert_eq!((entries(&archive, "release_asked"), entries(&archive, "released")), (2, 1));
}

#[test]
fn an_export_is_a_zip_with_a_password_and_on_record() {
    let octets = infected_mail();
    let archive = archive_of(std::slice::from_ref(&octets));
    seal_off(&archive, &octets, &eicar(), FINDING);
    seal_off(&archive, &octets, &octets, FINDING);
    let file = archive.path("out.zip");
    let path = file.to_str().unwrap();
    let hash = id(&eicar());
    archive.well(&["quarantine", "export", &hash[..12], "-o", path, "--reason", "for the laboratory"]);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(unzipped(&file, &format!("{hash}.bin")), eicar());
    let manifest: Value = serde_json::from_slice(&unzipped(&file, "manifest.json")).unwrap();
    let item = &manifest["items"][0];
    assert_eq!(
        (&manifest["reason"], &item["signature"]),
        (&"for the laboratory".into(), &FINDING.into()),
        "{manifest}"
    );
    assert_eq!(item["found_in"][0]["name"], "note.txt", "{manifest}");
    assert_eq!(item["found_in"][0]["id"], id(&octets), "{manifest}");
    if let Ok(listed) = Command::new("unzip").arg("-l").arg(&file).output() {
        let listed = String::from_utf8(listed.stdout).unwrap();
        assert!(listed.contains(&format!("{hash}.bin")) && !listed.contains("note.txt"), "{listed}");
    }
    let there = archive.run(&["quarantine", "export", &hash, "-o", path]);
    there.assert_said(1, "out.zip is there already");
    assert_eq!(entries(&archive, "exported"), 1);

    // All that was found in a message, the message itself among it.
    let whole = archive.path("whole.zip");
    let exported = archive.json(&["quarantine", "export", &id(&octets), "-o", whole.to_str().unwrap()]);
    assert_eq!(exported["items"].as_array().unwrap().len(), 2, "{exported}");
    assert_eq!(unzipped(&whole, &format!("{}.bin", id(&octets))), octets);
    assert_eq!(unzipped(&whole, &format!("{hash}.bin")), eicar());
    let told = archive.json(&["quarantine", "show", &hash]);
    let read = &told[0]["found_in"][0]["readings"][0];
    assert_eq!((&read["kind"], &read["what"]), (&"exported".into(), &"quarantine".into()), "{told}");
    assert_eq!(read["reason"], "for the laboratory", "{told}");

    let nowhere = archive.run(&["quarantine", "export", &hash, "-o", "/nonexistent/out.zip"]);
    nowhere.assert_said(1, "cannot write /nonexistent/out.zip");
}

fn unzipped(file: &Path, name: &str) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(File::open(file).unwrap()).unwrap();
    assert!(zip.by_name(name).is_err(), "{name} is not encrypted");
    assert!(zip.by_name_decrypt(name, b"wrong").is_err(), "any password does");
    let mut octets = Vec::new();
    zip.by_name_decrypt(name, b"infected").unwrap().read_to_end(&mut octets).unwrap();
    octets
}

#[test]
fn a_list_tells_what_is_sealed_off_and_where() {
    let octets = infected_mail();
    let clean = mail("Regata", "u podne");
    let archive = archive_of(std::slice::from_ref(&clean));
    assert_eq!(archive.well(&["quarantine", "list"]).text(), "nothing is sealed off\n");
    archive.run(&["quarantine", "show", &id(&clean)]).assert_said(1, "nothing was ever sealed off in message");
    let archive = archive_of(&[octets.clone(), noted("elsewhere")]);
    seal_off(&archive, &octets, &eicar(), FINDING);
    let list = archive.well(&["quarantine", "list"]);
    for expected in
        [&id(&eicar())[..12], FINDING, "sealed", "68 B", "1 message", "import: mallory@example.net: your parcel"]
    {
        assert!(list.text().contains(expected), "{expected}: {list}");
    }
    let listed = archive.json(&["quarantine", "list"])[0].take();
    assert_eq!((&listed["messages"], &listed["size_bytes"]), (&1.into(), &68.into()), "{listed}");
    assert_eq!(listed["newest"]["subject"], "your parcel", "{listed}");
    for called in [id(&eicar()), id(&octets)] {
        let page = archive.well(&["quarantine", "show", &called[..10]]);
        for expected in [&id(&eicar()), FINDING, "part 2 note.txt", "your parcel"] {
            assert!(page.text().contains(expected), "{expected}: {page}");
        }
    }
}

#[test]
fn who_read_what_is_on_record() {
    let (clean, infected) = (mail("Regata", "u podne"), infected_mail());
    let archive = archive_of(&[clean.clone(), infected.clone()]);
    let readings = |octets: &[u8]| -> Vec<String> {
        let shown = archive.json(&["show", &id(octets)]);
        let readings = shown["readings"].as_array().unwrap();
        assert!(readings.iter().all(|read| read["kind"] == "viewed" && !read["by"].as_str().unwrap().is_empty()));
        readings.iter().map(|read| read["what"].as_str().unwrap().to_owned()).collect()
    };
    archive.well(&["show", &id(&clean), "--headers"]);
    assert!(readings(&clean).is_empty(), "no text of it was read");
    archive.well(&["show", &id(&clean)]);
    archive.well(&["show", &id(&clean), "--text"]);
    archive.well(&["show", &id(&clean), "--part", "1"]);
    archive.raw(&id(&clean));
    archive.run(&["show", &id(&clean), "--part", "7"]).assert_said(1, "no part 7");
    assert_eq!(readings(&clean), ["text", "text", "part 1", "raw"]);
    archive.run(&["show", &id(&infected), "--part", "2"]).assert_said(1, "withheld");
    assert!(readings(&infected).is_empty(), "it was not handed out");
    archive.well(&["show", &id(&infected), "--part", "2", "--quarantined", "--reason", "a false alarm?"]);
    assert_eq!(readings(&infected), ["part 2"]);
    assert_eq!(archive.json(&["show", &id(&infected)])["readings"][0]["reason"], "a false alarm?");
    assert_eq!(entries(&archive, "viewed"), 5);
    archive.assert_sound();
    // A rebuild knows it too.
    import(&archive, &[mail("one more", "so that all is signed")]);
    archive.well(&["rebuild"]);
    assert_eq!(readings(&clean), ["text", "text", "part 1", "raw"]);
}

#[test]
fn what_is_withheld_is_not_read_off_the_record() {
    let (clean, infected) = (mail("Regata", "u podne"), infected_mail());
    let archive = archive_of(&[clean.clone(), infected.clone()]);
    let catalog = rusqlite::Connection::open(archive.data_dir().join("catalog.db")).unwrap();
    catalog
        .execute_batch(
            "CREATE TRIGGER unwritable BEFORE INSERT ON reading BEGIN SELECT RAISE(ABORT, 'no room for it'); END",
        )
        .unwrap();
    let read = archive.well(&["show", &id(&clean), "--text"]);
    assert!(read.text().contains("u podne") && read.stderr.contains("is not on record"), "{read}");
    for arguments in [&["show", &id(&infected), "--part", "2", "--quarantined"][..], &["show", &id(&infected), "--raw"]]
    {
        let refused = archive.run(arguments);
        refused.assert_said(1, "only when that is on record first");
        assert!(refused.stdout.is_empty(), "{refused}");
    }
    seal_off(&archive, &infected, &eicar(), FINDING);
    let file = archive.path("out.zip");
    archive
        .run(&["quarantine", "export", &id(&eicar()), "-o", file.to_str().unwrap()])
        .assert_said(1, "only when that is on record first");
    assert!(!file.exists());
}
