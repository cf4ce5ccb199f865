//! What becomes of an archive is named, and nothing is made worse.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use poplar::archive::{Depth, Pace};
use poplar::mail::{BlobId, Clock};
use rusqlite::Connection;
use serde_json::Value;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, files_below, mail, until};

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("number {n}"), "body")
}

/// Three messages, imported and indexed; they wait for a scanner.
fn archive() -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    fs::create_dir(archive.path("mail")).unwrap();
    (0..3).for_each(|n| fs::write(archive.path(&format!("mail/{n}.eml")), a_mail(n)).unwrap());
    let folder = archive.path("mail");
    assert_eq!(archive.run(&["import", "--wait", "0s", folder.to_str().unwrap()]).code, 75);
    archive.assert_sound();
    archive
}

fn pack(archive: &Archive) -> PathBuf {
    archive.data_dir().join("packs/00000001.open")
}

/// A word with SQLite behind poplar's back.
fn sql(archive: &Archive, statement: &str) {
    Connection::open(archive.data_dir().join("catalog.db")).unwrap().execute_batch(statement).unwrap();
}

/// The objects that `verify` names; there must be some.
fn damaged(archive: &Archive, arguments: &[&str]) -> Vec<String> {
    let ended = archive.run(&[&["--json", "verify"], arguments].concat());
    ended.assert_said(1, "damage: ");
    let report: Value = ended.json();
    let damage = report["damage"].as_array().unwrap();
    assert!(damage.iter().all(|damage| !damage["problem"].as_str().unwrap().is_empty()), "{report}");
    damage.iter().map(|damage| damage["object"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_flipped_bit_is_found_wherever_it_is() {
    let archive = archive();
    let file = File::options().read(true).write(true).open(pack(&archive)).unwrap();
    let length = file.metadata().unwrap().len();
    for at in [0, 17, length / 3, length / 2, length - 1] {
        let flip = || {
            let mut octet = [0];
            file.read_exact_at(&mut octet, at).unwrap();
            file.write_all_at(&[octet[0] ^ 0x10], at).unwrap();
        };
        flip();
        let objects = damaged(&archive, &[]);
        assert!(objects.contains(&"pack 1".to_owned()), "byte {at}: {objects:?}");
        flip();
        archive.assert_sound();
    }
}

#[test]
fn the_messages_behind_the_damage_are_named_and_new_mail_still_comes_in() {
    let archive = archive();
    let file = File::options().read(true).write(true).open(pack(&archive)).unwrap();
    // Behind the header of the pack and of the first frame: the frame's octets.
    file.write_all_at(&[0xff; 16], 200).unwrap();
    let id = BlobId::of(&a_mail(0)).to_string();
    let objects = damaged(&archive, &[]);
    assert!(objects.contains(&format!("message {id}")), "{objects:?}");
    let shown = archive.run(&["show", &id, "--raw"]);
    shown.assert_said(1, "00000001.open: damaged at byte");

    let fresh = archive.path("fresh.eml");
    fs::write(&fresh, a_mail(9)).unwrap();
    assert_eq!(archive.run(&["import", "--wait", "0s", fresh.to_str().unwrap()]).code, 75);
    assert_eq!(archive.raw(&BlobId::of(&a_mail(9)).to_string()), a_mail(9));
    assert!(damaged(&archive, &[]).contains(&format!("message {id}")));
}

#[test]
fn a_pack_that_is_gone_is_named() {
    let archive = archive();
    fs::remove_file(pack(&archive)).unwrap();
    assert_eq!(damaged(&archive, &["--quick"]), ["pack 1"]);
    let objects = damaged(&archive, &[]);
    for n in 0..3 {
        assert!(objects.contains(&format!("message {}", BlobId::of(&a_mail(n)))), "{objects:?}");
    }
    archive.run(&["show", &BlobId::of(&a_mail(0)).to_string(), "--raw"]).assert_said(1, "pack 1 is not there");
}

#[test]
fn mail_that_comes_in_while_a_pack_is_checked_is_no_damage() {
    let archive = archive();
    let import = |name: &str, n: usize| {
        let file = archive.path(name);
        fs::write(&file, a_mail(n)).unwrap();
        assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    };
    // A pack that is too short is left alone, and a second one begun.
    let file = File::options().write(true).open(pack(&archive)).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    import("second.eml", 8);

    let opened = poplar::archive::Archive::open(&archive.data_dir(), Clock::system()).unwrap();
    let mut fresh = Some(9);
    let mut between = |_, _| fresh.take().into_iter().for_each(|n| import("third.eml", n));
    let report = opened.verify(Depth::Full, &mut Pace::new(None, &mut between));
    let damage = report.damage;
    assert!(damage.iter().any(|damage| damage.object == "pack 1"), "{damage:?}");
    assert!(damage.iter().all(|damage| !damage.problem.contains("pack 2")), "{damage:?}");
}

#[test]
fn what_was_checked_is_told_even_where_it_cannot_be_put_on_record() {
    let archive = archive();
    sql(&archive, "CREATE TRIGGER full BEFORE INSERT ON outbox BEGIN SELECT RAISE(ABORT, 'no room'); END");
    let ended = archive.run(&["--json", "verify"]);
    ended.assert_said(1, "poplar: that this was checked is not on record: ");
    ended.assert_said(1, "no room");
    let report = ended.json();
    assert_eq!(report["checked"]["messages"], 3, "{report}");
    let trigger =
        serde_json::json!([{ "object": "catalog.db", "problem": "trigger full is not what poplar's schema says" }]);
    assert_eq!(report["damage"], trigger, "{report}");
    assert!(report["unrecorded"].as_str().unwrap().contains("no room"), "{report}");

    sql(&archive, "DROP TRIGGER full");
    assert_eq!(archive.json(&["verify"])["unrecorded"], Value::Null);
}

#[test]
fn a_catalog_that_cannot_be_read_is_damage_beside_the_rest() {
    let archive = archive();
    sql(&archive, "PRAGMA legacy_alter_table = ON; ALTER TABLE message RENAME TO lost");
    let file = File::options().write(true).open(pack(&archive)).unwrap();
    file.set_len(file.metadata().unwrap().len() - 1).unwrap();
    let objects = damaged(&archive, &[]);
    assert!(objects.contains(&"catalog.db".to_owned()) && objects.contains(&"pack 1".to_owned()), "{objects:?}");
}

#[test]
fn what_cannot_be_scanned_or_indexed_is_counted_and_means_later() {
    let mut archive = archive();
    File::options().write(true).open(pack(&archive)).unwrap().write_all_at(&[0xff; 16], 200).unwrap();
    archive.set_clamd("managed");
    archive.configure(&[]);
    let fresh = archive.path("fresh.eml");
    fs::write(&fresh, a_mail(9)).unwrap();
    let ended = archive.run(&["--json", "import", fresh.to_str().unwrap()]);
    ended.assert_said(75, "3 messages wait for the scanner: ");
    ended.assert_said(75, "00000001.open: damaged at byte");
    let told = ended.json();
    assert_eq!((&told["kept"], &told["unscanned"], &told["unindexed"]), (&1.into(), &3.into(), &0.into()), "{told}");

    // What is not due yet waits too, without anything having gone wrong.
    let in_an_hour = Clock::system().now().after(Duration::from_secs(3600)).as_millis();
    let later = format!("INSERT INTO work (stage, message, due_ms) SELECT 'index', number, {in_an_hour} FROM message");
    sql(&archive, &later);
    let ended = archive.run(&["--json", "import", fresh.to_str().unwrap()]);
    ended.assert_said(75, "4 messages wait for the index\n");
}

#[test]
fn an_account_that_fails_on_this_side_leaves_the_others_their_mail() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "bob"), Account::implicit(&server, "tester")]);
    assert_eq!(archive.run(&["fetch", "tester", "--keep-only"]).code, 0);
    server.deliver("tester", &a_mail(0));
    sql(
        &archive,
        "CREATE TRIGGER bob BEFORE INSERT ON account WHEN NEW.name = 'bob' BEGIN SELECT RAISE(ABORT, 'no bob'); END",
    );
    let ended = archive.run(&["--json", "fetch", "--keep-only"]);
    ended.assert_said(1, "poplar: account bob: ");
    let told = ended.json();
    assert!(told["accounts"][0]["error"].as_str().unwrap().contains("no bob"), "{told}");
    assert_eq!((&told["accounts"][1]["kept"], &told["accounts"][1]["error"]), (&1.into(), &Value::Null), "{told}");
}

#[test]
fn a_lost_catalog_is_not_replaced_by_an_empty_one() {
    let archive = archive();
    fs::rename(archive.data_dir().join("catalog.db"), archive.path("aside.db")).unwrap();
    let mail = archive.path("mail");
    archive.run(&["import", mail.to_str().unwrap()]).assert_said(1, "there is no catalog, but there are packs beside");
    fs::rename(archive.path("aside.db"), archive.data_dir().join("catalog.db")).unwrap();
    archive.assert_sound();
}

#[test]
fn a_damaged_index_is_named_and_made_anew_at_the_next_start() {
    let archive = archive();
    for file in files_below(&archive.data_dir().join("index")) {
        if !file.ends_with("meta.json") {
            continue;
        }
        fs::write(file, "{ not an index").unwrap();
    }
    assert_eq!(damaged(&archive, &[])[0], "index");
    assert_rebuilt(&archive);
}

#[test]
fn a_lost_index_is_named_and_made_anew_at_the_next_start() {
    let archive = archive();
    fs::remove_dir_all(archive.data_dir().join("index")).unwrap();
    assert_eq!(damaged(&archive, &[])[0], "index");
    assert_rebuilt(&archive);
}

#[test]
fn rotten_octets_of_the_index_are_named() {
    let archive = archive();
    let files = files_below(&archive.data_dir().join("index"));
    let store = files.iter().find(|file| file.extension().is_some_and(|ending| ending == "store")).unwrap();
    let length = store.metadata().unwrap().len();
    File::options().write(true).open(store).unwrap().write_all_at(&[0xff; 8], length / 2).unwrap();
    let objects = damaged(&archive, &[]);
    assert!(objects.iter().any(|object| object.starts_with("index/")), "{objects:?}");
    // Whoever owns it next reads it through, since somebody found that.
    assert_rebuilt(&archive);
}

/// Runs `harm` on the index of a daemon that has nothing to do; what a search finds there has to be all again, some time
/// after the next message arrived.
fn assert_mended_beside(harm: impl Fn(&Path)) {
    let archive = archive();
    archive.configure(&[Account::plain(9, "bob")]);
    let daemon = archive.start(&[]);
    harm(&archive.data_dir().join("index"));
    let results = archive.json(&["search", "subject:number"]);
    // Unless it was mended in this moment.
    if results["total"] != 3 {
        assert_eq!(results["skipped"]["unindexed"], 3, "{results}");
    }
    let fresh = archive.path("fresh.eml");
    fs::write(&fresh, a_mail(9)).unwrap();
    archive.run(&["import", "--wait", "0s", fresh.to_str().unwrap()]);
    until("the index was not mended", || (archive.found("subject:number").len() == 4).then_some(()));
    assert!(daemon.log().contains("the index is made anew"), "{}", daemon.log());
    archive.assert_sound();
}

#[test]
fn a_running_daemon_makes_an_index_anew_that_rots() {
    for kind in ["store", "term", "idx", "fast", "pos"] {
        let is_of_kind = |file: &PathBuf| file.extension().is_some_and(|ending| ending == kind);
        assert_mended_beside(|folder| {
            for file in files_below(folder).into_iter().filter(is_of_kind) {
                let length = usize::try_from(file.metadata().unwrap().len()).unwrap();
                File::options().write(true).open(file).unwrap().write_all_at(&vec![0xff; length], 0).unwrap();
            }
        });
    }
}

#[test]
fn a_running_daemon_makes_an_index_anew_that_somebody_removed() {
    assert_mended_beside(|folder| fs::remove_dir_all(folder).unwrap());
}

/// What was no damage costs a look, and nothing else.
#[test]
fn a_false_suspicion_of_the_index_goes_away() {
    let archive = archive();
    let word = archive.data_dir().join("index/suspect");
    let list = fs::read(archive.data_dir().join("index/meta.json")).unwrap();
    fs::write(&word, "somebody thought so").unwrap();
    archive.configure(&[Account::plain(9, "bob")]);
    let daemon = archive.start(&[]);
    until("nobody looked into it", || (!word.exists()).then_some(()));
    assert_eq!(fs::read(archive.data_dir().join("index/meta.json")).unwrap(), list);
    assert!(!daemon.log().contains("made anew"), "{}", daemon.log());
}

fn assert_rebuilt(archive: &Archive) {
    let fresh = archive.path("fresh.eml");
    fs::write(&fresh, a_mail(9)).unwrap();
    assert_eq!(archive.run(&["import", "--wait", "0s", fresh.to_str().unwrap()]).code, 75);
    assert_eq!(archive.found("subject:number").len(), 4);
    archive.assert_sound();
}

/// Under the number of a pack that is still open: it must not stand for it.
#[test]
fn a_sealed_pack_of_another_archive_is_refused_and_nothing_is_removed() {
    let (archive, other) = (archive(), Archive::with_clamd("unix:/nonexistent/clamd.sock"));
    let file = other.path("foreign.eml");
    fs::write(&file, a_mail(7)).unwrap();
    assert_eq!(other.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    other.well(&["seal"]);
    let foreign = archive.data_dir().join("packs/00000001.pack");
    fs::copy(other.data_dir().join("packs/00000001.pack"), &foreign).unwrap();

    let fresh = archive.path("fresh.eml");
    fs::write(&fresh, a_mail(9)).unwrap();
    let refused = archive.run(&["import", "--wait", "0s", fresh.to_str().unwrap()]);
    refused.assert_said(1, "this pack belongs to another archive");
    assert_eq!(archive.raw(&BlobId::of(&a_mail(0)).to_string()), a_mail(0));
    assert!(pack(&archive).exists() && foreign.exists());

    fs::remove_file(foreign).unwrap();
    assert_eq!(archive.raw(&BlobId::of(&a_mail(0)).to_string()), a_mail(0));
    archive.assert_sound();
}
