//! The daemon checks what it keeps, without being asked.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use poplar::catalog::{Catalog, Told};
use poplar::journal::Entry;
use poplar::mail::event::{Drilled, Verified};
use poplar::mail::{Clock, Event, Occurrence, Timestamp};
use serde_json::Value;

use crate::support::poplar::{Account, Archive, mail, until};

/// Three messages in a pack, and a daemon that checks all the time.
fn archive() -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    fs::create_dir(archive.path("mail")).unwrap();
    (0..3)
        .for_each(|n| fs::write(archive.path(&format!("mail/{n}.eml")), mail(&format!("number {n}"), "body")).unwrap());
    archive.run(&["import", "--wait", "0s", archive.path("mail").to_str().unwrap()]);
    // Nobody listens there: the daemon has something to poll, and nothing comes.
    archive.configure(&[Account::plain(1, "bob")]);
    let mut config = fs::read_to_string(archive.config_file()).unwrap();
    config += "\n[verify]\nevery = \"1s\"\ndrill_every = \"1s\"\n";
    fs::write(archive.config_file(), config).unwrap();
    archive
}

/// The newest entry of a kind that was made after `from`.
fn entry(archive: &Archive, kind: &str, from: usize) -> Option<Value> {
    let entries = archive.json(&["journal", "list"]);
    let entries = entries.as_array().unwrap();
    let found = entries.iter().skip(from).rev().find(|entry| entry["leaf"]["kind"] == kind);
    found.map(|entry| entry["leaf"].clone())
}

fn entries(archive: &Archive) -> usize {
    archive.json(&["journal", "list"]).as_array().unwrap().len()
}

#[test]
fn packs_and_books_are_checked_and_a_rebuild_is_rehearsed() {
    let archive = archive();
    let mut daemon = archive.start(&[]);
    let drilled = until("no rebuild was rehearsed", || entry(&archive, "drilled", 0));
    assert_eq!(drilled["different"], 0, "{drilled}: {}", archive.warnings());
    assert!(drilled["entries"].as_u64().unwrap() >= 6, "{drilled}");
    let scopes = until("not all was checked", || {
        let list = archive.json(&["journal", "list"]);
        let scopes: Vec<String> = list
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|entry| Some(entry["leaf"]["scope"].as_str()?.to_owned()))
            .collect();
        ["pack 1", "books"].iter().all(|scope| scopes.iter().any(|found| found == scope)).then_some(scopes)
    });
    assert!(!scopes.is_empty());
    assert!(!archive.warnings().contains("DAMAGE"), "{}", archive.warnings());
    assert_eq!(daemon.stop(), 0);
    assert!(!archive.data_dir().join("drill").exists());
    archive.assert_sound();
}

#[test]
fn damage_is_on_record_and_in_the_status_until_it_is_gone() {
    let archive = archive();
    let pack = archive.data_dir().join("packs/00000001.open");
    let file = File::options().read(true).write(true).open(&pack).unwrap();
    let mut was = [0; 16];
    file.read_exact_at(&mut was, 200).unwrap();
    file.write_all_at(&[0xff; 16], 200).unwrap();
    let mut daemon = archive.start(&[]);
    let found = until("the damage was not found", || {
        entry(&archive, "verified", 0).filter(|leaf| leaf["damaged"].as_u64() > Some(0))
    });
    assert_eq!(found["scope"], "pack 1", "{found}");
    assert!(archive.warnings().contains("DAMAGE found"), "{}", archive.warnings());

    file.write_all_at(&was, 200).unwrap();
    let from = entries(&archive);
    until("it is not found whole", || {
        let again = entry(&archive, "verified", from)?;
        (again["scope"] == "pack 1" && again["damaged"] == 0).then_some(())
    });
    assert!(!archive.warnings().contains("DAMAGE"), "{}", archive.warnings());
    assert_eq!(daemon.stop(), 0);
}

/// It was done while the clock was ahead, and would not be due before the clock is there again.
#[test]
fn what_was_checked_in_the_future_is_checked_again() {
    let archive = archive();
    let future = Timestamp::from_millis(Clock::system().now().as_millis() + 1_000_000_000);
    let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
    let told = ["books", "drill"].map(|scope| {
        let damage = Vec::new();
        let event = match scope {
            "drill" => Event::Drilled(Drilled { entries: 1, differences: damage }),
            _ => Event::Verified(Verified { scope: scope.to_owned(), messages: 0, packs: 0, bytes: 0, damage }),
        };
        let occurrence = Occurrence { at: future, event };
        let Entry { leaf, record } = Entry::new(&occurrence);
        Told::new(occurrence, leaf, record)
    });
    catalog.commit(&[], &told).unwrap();
    catalog.pack_checked(1, future).unwrap();
    let from = entries(&archive);
    let mut daemon = archive.start(&[]);
    until("it waits for the clock", || {
        let list = archive.json(&["journal", "list"]);
        let told: Vec<String> =
            list.as_array().unwrap().iter().skip(from).map(|entry| entry["leaf"].to_string()).collect();
        ["pack 1", "books", "drilled"].iter().all(|word| told.iter().any(|leaf| leaf.contains(word))).then_some(())
    });
    assert_eq!(daemon.stop(), 0);
    archive.assert_sound();
}
