//! `poplar quarantine purge`: the octets go, from packs and index; that they were here, and why they are not, stays.

use std::fs;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poplar::catalog::Catalog;
use poplar::mail::BlobId;
use poplar::store::{self, Extent, Packed, Reader};
use serde_json::json;

use crate::support::poplar::{Account, Archive, mail};
use crate::support::quarantine::seal_off;

/// Two messages with the same attachment in pack 1 and pack 2, both sealed, and a third in the pack that grows; one more in
/// each in which nothing was found.
struct Scene {
    archive: Archive,
    found: [Vec<u8>; 3],
    others: [Vec<u8>; 3],
    attached: BlobId,
    item: BlobId,
}

const REASON: &str = "a court asked for it";

fn scene() -> Scene {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let attached: Vec<u8> = (0..6000_u32).map(|n| (n.wrapping_mul(n ^ 5) >> 5) as u8).collect();
    let text = STANDARD.encode(&attached);
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
    let found = [0, 1, 2].map(|n| mail(&format!("parcel {n}"), &format!("{}\r\n\r\nzanzibar", lines.join("\r\n"))));
    let others = [0, 1, 2].map(|n| mail(&format!("letter {n}"), "nothing to fear, also in zanzibar"));
    for n in 0..3 {
        let folder = archive.path(&format!("mail-{n}"));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("found.eml"), &found[n]).unwrap();
        fs::write(folder.join("other.eml"), &others[n]).unwrap();
        assert_eq!(archive.run(&["import", "--wait", "0s", folder.to_str().unwrap()]).code, 75);
        if n < 2 {
            archive.well(&["seal"]);
        }
    }
    let item = BlobId::of(b"what was found");
    seal_off(&archive.data_dir(), item, &found.each_ref().map(|octets| BlobId::of(octets)));
    Scene { archive, found, others, attached: BlobId::of(&attached), item }
}

impl Scene {
    fn id(&self, n: usize) -> String {
        BlobId::of(&self.found[n]).to_string()
    }

    fn purge(&self, id: &str, more: &[&str]) -> crate::support::poplar::Ended {
        self.archive.run(&[&["--json", "quarantine", "purge", id, "--reason", REASON], more].concat())
    }

    /// The ids of all records that lie in the packs, as far as the catalog counts them.
    fn records(&self) -> Vec<BlobId> {
        let packs = self.archive.data_dir().join("packs");
        let mut ids = Vec::new();
        for pack in Catalog::beside(&self.archive.data_dir()).unwrap().unwrap().packs().unwrap() {
            let packed = match pack.sealed_bytes {
                Some(_) => Packed::Sealed(pack.number),
                None => Packed::Open(Extent { pack: pack.number, bytes: pack.committed_bytes, records: pack.records }),
            };
            Reader::new(&packs).list(&packed, &mut |stored, _| ids.push(stored.id)).unwrap();
        }
        ids
    }

    fn assert_others_are_there(&self) {
        for octets in &self.others {
            assert!(self.archive.raw(&BlobId::of(octets).to_string()) == *octets);
        }
    }

    fn assert_gone(&self, n: usize) {
        let id = self.id(n);
        assert!(!self.records().contains(&BlobId::of(&self.found[n])));
        for what in ["--raw", "--text", "--headers", "--part=1"] {
            let said = format!("message {} was destroyed ", BlobId::of(&self.found[n]).short());
            let ended = self.archive.run(&["show", &id, what, "--quarantined"]);
            ended.assert_said(1, &said);
            ended.assert_said(1, REASON);
            assert!(ended.stdout.is_empty());
        }
        let shown = self.archive.json(&["show", &id]);
        assert_eq!((&shown["destroyed"]["reason"], &shown["envelope"]["subject"]), (&json!(REASON), &json!(null)));
        let told = self.archive.well(&["show", &id]);
        assert!(told.text().contains(REASON) && !told.text().contains("parcel"), "{told}");
        self.archive.well(&["journal", "prove", &id]);
    }
}

#[test]
fn what_several_messages_hold_is_destroyed_only_where_that_was_said() {
    let scene = scene();
    let item = scene.item.to_string();
    let ended = scene.purge(&item, &[]);
    ended.assert_said(2, "3 messages hold");
    (0..3).for_each(|n| ended.assert_said(2, &format!("parcel {n}")));
    scene.purge(&BlobId::of(&scene.others[0]).to_string(), &[]).assert_said(2, "nothing was found");
    scene.purge("0123456789", &[]).assert_said(1, "no message has an id");
    assert_eq!(scene.archive.status()["destroyed"], 0);

    let outcome = scene.purge(&item, &["--all-messages"]);
    assert_eq!((outcome.code, outcome.json()["destroyed"].as_array().unwrap().len()), (0, 3), "{outcome}");
    (0..3).for_each(|n| scene.assert_gone(n));
    assert!(!scene.records().contains(&scene.attached));
    scene.assert_others_are_there();
    assert_eq!(scene.archive.found("zanzibar").len(), 3);
    let status = scene.archive.status();
    assert_eq!((&status["messages"], &status["destroyed"]), (&json!(3), &json!(3)), "{status}");
    scene.archive.assert_sound();

    let again = scene.purge(&item, &["--all-messages"]).json();
    assert_eq!((&again["destroyed"], again["destroyed_before"].as_array().unwrap().len()), (&json!([]), 3));
}

#[test]
fn an_attachment_goes_with_the_last_message_that_holds_it() {
    let scene = scene();
    for n in [0, 2] {
        assert_eq!(scene.purge(&scene.id(n), &[]).json()["destroyed"], json!([scene.id(n)]));
        scene.assert_gone(n);
        assert!(scene.records().contains(&scene.attached));
        assert!(scene.archive.raw(&scene.id(1)) == scene.found[1]);
        scene.archive.assert_sound();
    }
    // Pack 1 holds it, and nothing else that is destroyed now.
    assert_eq!(scene.purge(&scene.item.to_string(), &[]).code, 0);
    assert!(!scene.records().contains(&scene.attached));
    scene.assert_others_are_there();
    scene.archive.assert_sound();
}

#[test]
fn what_was_destroyed_stays_so_in_a_catalog_made_anew() {
    let scene = scene();
    assert_eq!(scene.purge(&scene.item.to_string(), &["--all-messages"]).code, 0);
    let rebuilt = scene.archive.json(&["rebuild"]);
    assert_eq!((&rebuilt["messages"], &rebuilt["indexed"], &rebuilt["damage"]), (&json!(3), &json!(3), &json!([])));
    (0..3).for_each(|n| scene.assert_gone(n));
    scene.assert_others_are_there();
    scene.archive.assert_sound();
    assert_eq!(scene.archive.found("zanzibar").len(), 3);
}

#[test]
fn the_index_keeps_no_file_with_what_was_taken_out() {
    let scene = scene();
    scene.archive.well(&["quarantine", "purge", &scene.id(0), "--reason", REASON]);
    let list = fs::read_to_string(scene.archive.data_dir().join("index/meta.json")).unwrap();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let segments = list["segments"].as_array().unwrap();
    assert!(!segments.is_empty() && segments.iter().all(|segment| segment["deletes"].is_null()), "{list}");
    assert_eq!(scene.archive.found("zanzibar").len(), 5);
}

#[test]
fn a_backup_that_goes_on_has_nothing_of_it_any_more() {
    let scene = scene();
    let to = scene.archive.path("backup");
    scene.archive.json(&["backup", "--verify", to.to_str().unwrap()]);
    assert_eq!(scene.purge(&scene.item.to_string(), &["--all-messages"]).code, 0);
    let outcome = scene.archive.json(&["backup", "--verify", to.to_str().unwrap()]);
    assert_eq!(outcome["damage"], json!([]), "{outcome}");
    for files in store::packs(&to.join("packs")).unwrap().iter().filter(|files| files.sealed) {
        Reader::new(&to.join("packs"))
            .list(&Packed::Sealed(files.pack), &mut |stored, _| {
                assert!(scene.found.iter().all(|octets| BlobId::of(octets) != stored.id), "{stored:?}");
            })
            .unwrap();
    }
    let restored = scene.archive.path("restored");
    let outcome = scene.archive.json(&["--data-dir", restored.to_str().unwrap(), "restore", to.to_str().unwrap()]);
    assert_eq!((&outcome["messages"], &outcome["damage"]), (&json!(3), &json!([])), "{outcome}");
}

/// Which attachments a damaged pack needs, nobody knows: the purge says so, and the next start ends it.
#[test]
fn a_purge_that_cannot_be_done_is_told_and_done_later() {
    let scene = scene();
    scene.archive.well(&["seal"]);
    let damaged = scene.archive.data_dir().join("packs/00000003.pack");
    let octets = fs::read(&damaged).unwrap();
    fs::write(&damaged, &octets[..octets.len() - 200]).unwrap();
    let ended = scene.purge(&scene.id(1), &[]);
    ended.assert_said(1, "attachments in pack 1 cannot be destroyed");
    scene.archive.run(&["show", &scene.id(1), "--raw"]).assert_said(1, "was destroyed");
    assert!(
        scene.archive.warnings().contains("destroyed on record is still in pack 2"),
        "{}",
        scene.archive.warnings()
    );
    assert!(scene.archive.found("\"parcel 1\"").is_empty());

    fs::write(&damaged, &octets).unwrap();
    let again = scene.purge(&scene.id(1), &[]);
    assert_eq!(again.code, 0, "{again}");
    scene.assert_gone(1);
    assert!(!scene.archive.warnings().contains("destroyed on record"));
    scene.archive.assert_sound();
}

/// Somebody puts a pack back from a backup.
#[test]
fn octets_that_come_back_are_told_and_destroyed_again() {
    let scene = scene();
    let pack = scene.archive.data_dir().join("packs/00000001.pack");
    let before = fs::read(&pack).unwrap();
    assert_eq!(scene.purge(&scene.id(0), &[]).code, 0);
    fs::write(&pack, &before).unwrap();
    let report = scene.archive.run(&["verify"]);
    report.assert_said(1, "was destroyed, and record");
    assert_eq!(scene.purge(&scene.id(0), &[]).code, 0);
    scene.assert_gone(0);
    scene.assert_others_are_there();
}

#[test]
fn a_running_daemon_destroys_what_a_command_asks_for() {
    let scene = scene();
    scene.archive.configure(&[Account::plain(1, "tester")]);
    let mut daemon = scene.archive.start(&[]);
    let outcome = scene.purge(&scene.item.to_string(), &["--all-messages"]);
    assert_eq!((outcome.code, outcome.json()["destroyed"].as_array().unwrap().len()), (0, 3), "{outcome}");
    (0..3).for_each(|n| scene.assert_gone(n));
    assert_eq!(scene.archive.found("zanzibar").len(), 3);
    assert_eq!(daemon.stop(), 0);
    scene.archive.assert_sound();
}
