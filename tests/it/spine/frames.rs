//! A frame of an open pack is damaged: what is in it is lost, and nothing else.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use poplar::catalog::Catalog;
use poplar::mail::BlobId;
use serde_json::Value;

use crate::support::poplar::{Archive, mail};

const MESSAGES: usize = 5;

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("number {n}"), "body")
}

fn id(n: usize) -> BlobId {
    BlobId::of(&a_mail(n))
}

/// Messages that came in one after the other.
fn archive() -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    for n in 0..MESSAGES {
        let file = archive.path(&format!("{n}.eml"));
        fs::write(&file, a_mail(n)).unwrap();
        assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    }
    archive.assert_sound();
    archive
}

fn pack(archive: &Archive) -> PathBuf {
    archive.data_dir().join("packs/00000001.open")
}

fn catalog(archive: &Archive) -> Catalog {
    Catalog::beside(&archive.data_dir()).unwrap().unwrap()
}

/// Where the frame with a message begins, and the ordinals of its records.
fn frame_of(archive: &Archive, message: &BlobId) -> (u64, Range<u32>) {
    let known = catalog(archive).in_pack(1).unwrap();
    let ordinal = known.iter().find(|known| known.id == *message).unwrap().ordinal;
    let octets = fs::read(pack(archive)).unwrap();
    let number = |at: usize| u32::from_le_bytes(octets[at..at + 4].try_into().unwrap());
    let mut at = 64;
    loop {
        let (records, first) = (number(at + 12), number(at + 16));
        if (first..first + records).contains(&ordinal) {
            return (at as u64, first..first + records);
        }
        at += 56 + number(at + 24) as usize;
    }
}

/// In the header of the frame, or in its octets.
fn damage(archive: &Archive, at: u64) {
    let file = File::options().read(true).write(true).open(pack(archive)).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, at).unwrap();
    file.write_all_at(&[octet[0] ^ 0x10], at).unwrap();
}

fn objects(report: &Value) -> BTreeSet<String> {
    let damage = report["damage"].as_array().unwrap();
    damage.iter().map(|damage| damage["object"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn verify_names_what_is_lost_and_nothing_else() {
    let archive = archive();
    let (frame, records) = frame_of(&archive, &id(2));
    let entries = catalog(&archive).entries_in_pack(1).unwrap();
    let mut lost: BTreeSet<String> = entries
        .iter()
        .filter(|entry| records.contains(&entry.ordinal))
        .map(|entry| format!("journal entry {}", entry.index))
        .collect();
    assert!(!lost.is_empty());
    lost.extend([format!("message {}", id(2)), "pack 1".to_owned()]);
    for at in [frame + 1, frame + 60] {
        damage(&archive, at);
        let ended = archive.run(&["--json", "verify"]);
        ended.assert_said(1, &format!("records {} to {} cannot be read", records.start, records.end - 1));
        assert_eq!(objects(&ended.json()), lost, "byte {at}: {ended}");
        for n in (0..MESSAGES).filter(|n| *n != 2) {
            assert_eq!(archive.raw(&id(n).to_string()), a_mail(n), "byte {at}");
        }
        archive.run(&["show", &id(2).to_string(), "--raw"]).assert_said(1, "00000001.open: damaged at byte");
        damage(&archive, at);
        archive.assert_sound();
    }
}

#[test]
fn rebuild_brings_back_all_the_rest_and_says_what_is_not_there() {
    let archive = archive();
    let (frame, records) = frame_of(&archive, &id(2));
    let entries = catalog(&archive).entries_in_pack(1).unwrap();
    damage(&archive, frame + 1);
    for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
        let _there_or_not = fs::remove_file(archive.data_dir().join(name));
    }
    let before = fs::read(pack(&archive)).unwrap();
    let ended = archive.run(&["--json", "rebuild"]);
    ended.assert_said(1, &format!("records {} to {} cannot be read", records.start, records.end - 1));
    let lost = entries.iter().filter(|entry| records.contains(&entry.ordinal));
    let named = objects(&ended.json());
    for entry in lost {
        assert!(named.contains(&format!("journal entry {}", entry.index)), "{named:?}");
    }
    assert!(fs::read(pack(&archive)).unwrap().starts_with(&before), "something was cut: {ended}");
    assert_eq!(archive.found("subject:number").len(), MESSAGES - 1, "{ended}");
    for n in (0..MESSAGES).filter(|n| *n != 2) {
        assert_eq!(archive.raw(&id(n).to_string()), a_mail(n));
    }
}
