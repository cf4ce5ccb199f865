//! `poplar rebuild`, after mail from a real server was kept, scanned, deleted there, and sealed.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use poplar::catalog::Catalog;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, files_below, infected_mail, mail};

/// A server, and an archive of its mail.
struct Scene {
    archive: Archive,
    _server: Dovecot,
    _folder: TempDir,
}

/// Two accounts: one whose mail is deleted once it is kept, one with a message met twice, one too large, one infected.
fn scene(seals: [bool; 2]) -> Scene {
    let (folder, archive) = (TempDir::new().unwrap(), Archive::new());
    let server = Dovecot::start(folder.path());
    let cleared = "after_archive = \"delete\"\ndelete_when = \"kept\"";
    archive.configure(&[
        Account::implicit(&server, "tester").with("max_message_bytes = \"64KiB\""),
        Account::starttls(&server, "bob").with(cleared),
    ]);
    server.deliver("tester", &infected_mail());
    server.deliver("tester", &mail("far too large", &"much ".repeat(20_000)));
    for (round, seal) in seals.into_iter().enumerate() {
        for n in 0..6 {
            let octets = mail(&format!("number {n} of round {round}"), &"words upon words ".repeat(n * 200));
            server.deliver(if n % 2 == 0 { "tester" } else { "bob" }, &octets);
        }
        server.deliver("tester", &mail("again", "sent twice"));
        archive.well(&["fetch"]);
        if seal {
            archive.well(&["seal"]);
        }
    }
    // This one sees what the last has deleted.
    archive.well(&["fetch"]);
    Scene { archive, _server: server, _folder: folder }
}

/// What people and the next fetch are told.
fn told(archive: &Archive) -> Vec<String> {
    let mut told: Vec<String> = archive.found("").iter().map(|id| archive.json(&["show", id]).to_string()).collect();
    for query in ["words", "subject:again", "is:infected", "account:bob", "is:clean"] {
        told.push(archive.json(&["search", "--sort=date", "--limit=100", "--", query]).to_string());
    }
    let mut status = archive.status();
    // The events of the rebuild itself lie in packs too.
    status["stored_bytes"].take();
    // What servers say of themselves is on record nowhere: the next login brings it again.
    for account in status["accounts"].as_array_mut().unwrap() {
        for said in ["certificate_expires", "expire_days", "login_delay_seconds"] {
            account[said].take();
        }
    }
    told.push(status.to_string());
    let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
    for account in catalog.accounts().unwrap() {
        told.extend(catalog.known(&account.id).unwrap().iter().map(|known| format!("{}: {known:?}", account.name)));
    }
    told.push(format!("{:?}", catalog.archive_value("id").unwrap()));
    told
}

fn lose_the_books(archive: &Archive) {
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _there_or_not = fs::remove_file(archive.data_dir().join(name));
    }
    fs::remove_dir_all(archive.data_dir().join("index")).unwrap();
}

fn come_back(seals: [bool; 2]) {
    let Scene { archive, .. } = &scene(seals);
    let before = told(archive);
    assert!(before.iter().any(|line| line.contains("Poplar.Test.EICAR")), "{before:?}");
    assert!(before.iter().any(|line| line.contains("Oversize")), "{before:?}");
    lose_the_books(archive);
    let outcome = archive.json(&["rebuild"]);
    assert_eq!((&outcome["damage"], &outcome["messages"]), (&serde_json::json!([]), &14.into()), "{outcome}");
    assert_eq!(told(archive), before);
    archive.assert_sound();

    let fetched = archive.json(&["fetch"]);
    for account in fetched["accounts"].as_array().unwrap() {
        let count = |name: &str| account[name].as_u64().unwrap();
        assert_eq!((count("kept"), count("duplicates"), count("bytes")), (0, 0, 0), "{fetched}");
    }
    assert_eq!(fetched["accounts"][0]["known"], 9, "{fetched}");
}

#[test]
fn everything_comes_back_from_open_packs() {
    come_back([false, false]);
}

#[test]
fn everything_comes_back_from_sealed_and_open_packs() {
    come_back([true, false]);
}

#[test]
fn everything_comes_back_from_sealed_packs() {
    come_back([true, true]);
}

#[test]
fn a_lost_index_is_made_anew_alone() {
    let Scene { archive, .. } = &scene([true, false]);
    let before = told(archive);
    fs::remove_dir_all(archive.data_dir().join("index")).unwrap();
    let outcome = archive.json(&["rebuild", "--index-only"]);
    assert_eq!((&outcome["indexed"], &outcome["entries"]), (&14.into(), &0.into()), "{outcome}");
    assert_eq!(told(archive), before);
    archive.assert_sound();
}

#[test]
fn beside_a_daemon_nothing_is_rebuilt() {
    let Scene { archive, .. } = &scene([false, false]);
    let mut daemon = archive.start(&[]);
    for arguments in [&["rebuild"][..], &["rebuild", "--index-only"]] {
        archive.run(arguments).assert_said(75, "is in use by process ");
    }
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    assert_eq!(archive.found("").len(), 14);
    archive.assert_sound();
}

/// Octets in the middle of a pack are lost.
fn damage(archive: &Archive, pack: &str) {
    let file = File::options().write(true).open(archive.data_dir().join("packs").join(pack)).unwrap();
    let length = file.metadata().unwrap().len();
    file.write_all_at(&[0xa5; 24], length / 2).unwrap();
}

#[test]
fn what_a_damaged_pack_held_is_named_and_the_rest_comes_back() {
    for (seals, pack, healthy) in [([true, true], "00000001.pack", 6), ([true, false], "00000002.open", 8)] {
        let Scene { archive, .. } = &scene(seals);
        damage(archive, pack);
        lose_the_books(archive);
        let file = archive.data_dir().join("packs").join(pack);
        let evidence = fs::read(&file).unwrap();
        let ended = archive.run(&["--json", "rebuild"]);
        let number = if pack.starts_with("00000001") { 1 } else { 2 };
        ended.assert_said(1, &format!("damage: pack {number}: "));
        assert!(fs::read(&file).unwrap().starts_with(&evidence), "something was cut: {ended}");
        let found = archive.found("");
        assert!(found.len() >= healthy, "{}: {ended}", found.len());
        found.iter().for_each(|id| drop(archive.raw(id)));
    }
}

/// Every file of catalog and index, with its octets.
fn books(archive: &Archive) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = files_below(&archive.data_dir().join("index"));
    files.push(archive.data_dir().join("catalog.db"));
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect()
}

#[test]
fn a_journal_that_was_tampered_with_is_refused_and_nothing_changes() {
    let Scene { archive, .. } = &scene([true, false]);
    let before = books(archive);
    let journal = archive.data_dir().join("journal");
    let entries = files_below(&journal.join("tile/entries")).remove(0);
    for file in [entries, journal.join("checkpoint")] {
        let octets = fs::read(&file).unwrap();
        let text: Vec<u8> = octets.iter().map(|octet| if *octet == b'1' { b'2' } else { *octet }).collect();
        assert_ne!(text, octets);
        fs::write(&file, text).unwrap();
        let refused = archive.run(&["--json", "rebuild"]);
        assert_eq!((refused.code, refused.stdout.len()), (1, 0), "{refused}");
        assert!(refused.stderr.contains("journal") || refused.stderr.contains("checkpoint"), "{refused}");
        fs::write(&file, octets).unwrap();
        assert_eq!(books(archive), before);
    }
    let outcome: Value = archive.json(&["rebuild"]);
    assert_eq!(outcome["messages"], 14, "{outcome}");
}

/// The trailer tells nothing about a record: the table can be found without it.
#[test]
fn a_damaged_trailer_costs_no_message() {
    let Scene { archive, .. } = &scene([true, true]);
    let file = archive.data_dir().join("packs/00000001.pack");
    let mut octets = fs::read(&file).unwrap();
    let in_trailer = octets.len() - 90;
    octets[in_trailer] ^= 4;
    fs::write(&file, &octets).unwrap();
    lose_the_books(archive);
    let ended = archive.run(&["--json", "rebuild"]);
    ended.assert_said(1, "damage: pack 1: ");
    let outcome = ended.json();
    assert_eq!((&outcome["messages"], outcome["damage"].as_array().unwrap().len()), (&14.into(), 1), "{outcome}");
    archive.found("").iter().for_each(|id| drop(archive.raw(id)));
    // Mail still comes in beside it, and it is named again.
    archive.well(&["fetch"]);
    archive.run(&["verify"]).assert_said(1, "damage: pack 1: ");
    assert!(fs::read(&file).unwrap() == octets, "it was touched");
}

/// A leaf follows from its private record, and the tree knows it by its hash.
#[test]
fn a_damaged_bundle_or_tile_of_the_journal_costs_nothing() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let folder = archive.path("mail");
    fs::create_dir(&folder).unwrap();
    (0..300).for_each(|n| fs::write(folder.join(format!("{n:03}.eml")), mail(&format!("{n}"), "body")).unwrap());
    assert_eq!(archive.run(&["import", "--wait", "0s", folder.to_str().unwrap()]).code, 75);
    for (file, damage) in [("entries/000", 1), ("0/000", 0)] {
        let path = archive.data_dir().join("journal/tile").join(file);
        let octets = fs::read(&path).unwrap();
        let mut rotten = octets.clone();
        rotten[4000] ^= 4;
        fs::write(&path, &rotten).unwrap();
        lose_the_books(&archive);
        let ended = archive.run(&["--json", "rebuild"]);
        assert_eq!(ended.code, damage, "{file}: {ended}");
        let outcome = ended.json();
        assert_eq!(outcome["damage"].as_array().unwrap().len(), usize::try_from(damage).unwrap(), "{outcome}");
        assert_eq!((&outcome["messages"], &outcome["adopted"]), (&300.into(), &0.into()), "{outcome}");
        archive.run(&["verify"]).assert_said(1, &format!("damage: journal/tile/{file}: "));
        fs::write(&path, &octets).unwrap();
        archive.assert_sound();
    }
}
