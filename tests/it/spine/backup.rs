//! A backup is the archive at one moment, taken while it goes on; restored, it is that archive again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use poplar::files::Lock;
use poplar::mail::BlobId;
use rusqlite::Connection;
use serde_json::Value;

use super::disk::{SmallDisk, incompressible};
use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, Ended, files_below, mail, skipped, until};

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("number {n}"), "body")
}

/// Imports these; they wait for a scanner.
fn import(archive: &Archive, numbers: std::ops::Range<usize>) {
    let folder = archive.path(&format!("mail-{}", numbers.start));
    fs::create_dir(&folder).unwrap();
    numbers.for_each(|n| fs::write(folder.join(format!("{n}.eml")), a_mail(n)).unwrap());
    assert_eq!(archive.run(&["import", "--wait", "0s", folder.to_str().unwrap()]).code, 75);
}

/// Three messages in an archive without a scanner.
fn archive() -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    import(&archive, 0..3);
    archive
}

fn backup(archive: &Archive, to: &Path) -> Value {
    archive.json(&["backup", "--verify", to.to_str().unwrap()])
}

/// Restores into a folder of its own, whose path is the answer.
fn restored(archive: &Archive, from: &Path, name: &str) -> PathBuf {
    let to = archive.path(name);
    let outcome = archive.json(&["--data-dir", to.to_str().unwrap(), "restore", "--verify", from.to_str().unwrap()]);
    assert_eq!((&outcome["damage"], &outcome["indexed"]), (&serde_json::json!([]), &outcome["messages"]), "{outcome}");
    to
}

/// A verb over another folder than the configured one, which must end well.
fn over(archive: &Archive, folder: &Path, arguments: &[&str]) -> Ended {
    archive.well(&[&["--data-dir", folder.to_str().unwrap()], arguments].concat())
}

fn assert_sound(archive: &Archive, folder: &Path) {
    let report = over(archive, folder, &["--json", "verify"]).json();
    assert_eq!(report["damage"], serde_json::json!([]), "{report}");
}

fn head(archive: &Archive, folder: &Path) -> Value {
    over(archive, folder, &["--json", "journal", "head"]).json()
}

/// Names and octets of everything that counts.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let name = |path: &Path| path.strip_prefix(folder).unwrap().to_owned();
    let files = files_below(folder).into_iter().filter(|path| !path.ends_with("lock"));
    files.map(|path| (name(&path), fs::read(&path).unwrap())).collect()
}

#[test]
fn an_archive_comes_back_as_it_was_and_nothing_is_fetched_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "tester")]);
    (0..5).for_each(|n| server.deliver("tester", &a_mail(n)));
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 5);
    let to = archive.path("backup");
    let outcome = backup(&archive, &to);
    assert_eq!((&outcome["messages"], &outcome["packs"], &outcome["copied"]), (&5.into(), &1.into(), &1.into()));
    assert_eq!(outcome["verified"], true);
    assert!(files_below(&to).iter().all(|path| path.metadata().unwrap().permissions().mode() & 0o077 == 0));
    let before = head(&archive, &archive.data_dir());
    assert_eq!(outcome["checkpoint"], before["checkpoint"], "{outcome}");

    fs::remove_dir_all(archive.data_dir()).unwrap();
    let told = archive.well(&["restore", to.to_str().unwrap()]);
    assert!(told.text().starts_with("5 messages restored in 1 pack ("), "{told}");
    told.assert_said(0, "what was archived after this backup is not in it");
    assert_eq!(head(&archive, &archive.data_dir()), before);
    for n in 0..5 {
        assert_eq!(archive.raw(&BlobId::of(&a_mail(n)).to_string()), a_mail(n));
    }
    assert_eq!(archive.found("subject:number").len(), 5);
    archive.assert_sound();
    server.deliver("tester", &a_mail(5));
    let fetched = archive.fetch(&["--keep-only"]);
    assert_eq!((&fetched["known"], &fetched["kept"]), (&5.into(), &1.into()), "{fetched}");
    archive.assert_sound();
}

#[test]
fn while_mail_comes_in_each_backup_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "tester")]);
    let mut daemon = archive.start(&[]);
    let to = archive.path("backup");
    let mut least = 0;
    for round in 0..4 {
        (0..30).for_each(|n| server.deliver("tester", &a_mail(100 * round + n)));
        let fetching = archive.spawn(&["fetch", "--wait=0s"]);
        until("nothing comes in", || (archive.status()["messages"].as_u64() > Some(least)).then_some(()));
        let outcome = backup(&archive, &to);
        assert!(outcome["messages"].as_u64().unwrap() > least, "{outcome}");
        let there = restored(&archive, &to, &format!("restored-{round}"));
        assert_sound(&archive, &there);
        if outcome["checkpoint"].is_string() {
            assert_eq!(head(&archive, &there)["checkpoint"], outcome["checkpoint"]);
        }
        let fetched = Ended::of(fetching);
        assert!([0, 75].contains(&fetched.code), "{fetched}");
        archive.well(&["seal"]);
        least = archive.status()["messages"].as_u64().unwrap();
    }
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    archive.assert_sound();
}

#[test]
fn the_second_time_only_what_is_new_is_copied() {
    let archive = archive();
    archive.well(&["seal"]);
    import(&archive, 3..5);
    let to = archive.path("backup");
    let numbers = |outcome: &Value| {
        ["packs", "unchanged", "linked", "cloned", "copied"].map(|name| outcome[name].as_u64().unwrap())
    };
    let first = backup(&archive, &to);
    assert_eq!(numbers(&first)[..3], [2, 0, 1], "{first}");
    let linked = |name: &str| {
        let inode = |folder: &Path| folder.join("packs").join(name).metadata().unwrap().ino();
        inode(&to) == inode(&archive.data_dir())
    };
    assert!(linked("00000001.pack") && !linked("00000002.open"));
    let tiles = |folder: &Path| files_below(&folder.join("journal/tile")).len();
    assert_eq!(tiles(&to), tiles(&archive.data_dir()));

    // What `verify` put on record waits for its place.
    let again = backup(&archive, &to);
    assert_eq!(numbers(&again), [2, 2, 0, 0, 0], "{again}");
    assert_eq!(again["copied_bytes"], 0, "{again}");

    // The open pack was sealed, and another has begun.
    archive.well(&["seal"]);
    import(&archive, 5..7);
    let third = backup(&archive, &to);
    assert_eq!(numbers(&third)[..3], [3, 1, 1], "{third}");
    let packs: Vec<String> = contents(&to.join("packs")).into_keys().map(|path| path.display().to_string()).collect();
    assert_eq!(packs, ["00000001.pack", "00000002.pack", "00000003.open"]);

    // Compaction writes a pack anew under its name; the old octets stay until the newer backup counts.
    archive.well(&["seal", "--rewrite", "--level=1"]);
    let compacted = backup(&archive, &to);
    assert_eq!(numbers(&compacted)[..3], [4, 0, 3], "{compacted}");
    let there = restored(&archive, &to, "restored");
    assert_sound(&archive, &there);
    assert_eq!(contents(&there)[Path::new("packs/00000001.pack")], contents(&to)[Path::new("packs/00000001.pack")]);
    let inode = |folder: &Path| folder.join("packs/00000001.pack").metadata().unwrap().ino();
    assert_ne!(inode(&there), inode(&to), "a restored archive is nothing to its backup");
}

#[test]
fn a_pack_between_its_sealing_and_the_catalog_is_backed_up_open() {
    let archive = archive();
    let packs = archive.data_dir().join("packs");
    let open = fs::read(packs.join("00000001.open")).unwrap();
    let catalog = || {
        let catalog = Connection::open(archive.data_dir().join("catalog.db")).unwrap();
        poplar::catalog::teach(&catalog).unwrap();
        catalog
    };
    let committed: i64 = catalog().query_row("SELECT committed_bytes FROM pack", [], |row| row.get(0)).unwrap();
    assert_eq!(open.len() as i64, committed);
    archive.well(&["seal"]);
    // As if it had been killed before the catalog heard of it.
    poplar::files::publish(&packs.join("00000001.open"), &open).unwrap();
    catalog().execute_batch("DELETE FROM part; UPDATE pack SET sealed_bytes = NULL WHERE number = 1").unwrap();
    let to = archive.path("backup");
    backup(&archive, &to);
    let there = restored(&archive, &to, "restored");
    assert!(there.join("packs/00000001.open").exists() && !there.join("packs/00000001.pack").exists());
    assert_sound(&archive, &there);

    // The next start tells the catalog; the next backup follows.
    import(&archive, 3..4);
    assert_eq!(backup(&archive, &to)["linked"], 1);
    assert!(!to.join("packs/00000001.open").exists());
    assert_sound(&archive, &restored(&archive, &to, "restored-again"));
}

#[test]
fn a_folder_that_cannot_be_its_own_is_refused_and_left_alone() {
    let (archive, other) = (archive(), archive());
    let to = archive.path("backup");
    let refused = |archive: &Archive, to: &Path, sentence: &str| {
        let before = contents(to);
        archive.run(&["backup", to.to_str().unwrap()]).assert_said(2, sentence);
        assert!(contents(to) == before, "{} was changed", to.display());
    };
    backup(&other, &to);
    refused(&archive, &to, "it holds a backup of archive ");
    let full = archive.path("mail-0");
    refused(&archive, &full, ".eml, and no backup; give an empty folder");
    let living = restored(&archive, &to, "living");
    assert_eq!(other.run(&["--data-dir", living.to_str().unwrap(), "fetch", "--keep-only"]).code, 2);
    assert_eq!(other.run(&["--data-dir", living.to_str().unwrap(), "seal"]).code, 0);
    refused(&other, &living, "poplar works with the archive in this folder");
    fs::create_dir(archive.data_dir().join("inside")).unwrap();
    refused(&archive, &archive.data_dir().join("inside"), "a backup needs a folder apart");
    refused(&archive, &archive.data_dir(), "a backup needs a folder apart");

    archive.run(&["restore", to.to_str().unwrap()]).assert_said(2, "data_dir is not empty");
    let empty = archive.path("empty");
    fs::create_dir(&empty).unwrap();
    let data_dir = archive.path("elsewhere");
    let restore = ["--data-dir", data_dir.to_str().unwrap(), "restore", empty.to_str().unwrap()];
    archive.run(&restore).assert_said(2, "there is no backup in this folder");
    assert!(!data_dir.exists());
    assert_eq!(archive.run(&["backup"]).code, 2);

    let _held = Lock::take(&to.join("lock")).unwrap();
    other.run(&["backup", to.to_str().unwrap()]).assert_said(75, "is in use by process");
}

#[test]
fn a_backup_is_never_replaced_by_another_history() {
    let archive = archive();
    let (to, older) = (archive.path("backup"), archive.path("older"));
    backup(&archive, &older);
    import(&archive, 3..5);
    backup(&archive, &to);
    fs::remove_dir_all(archive.data_dir()).unwrap();
    archive.well(&["restore", older.to_str().unwrap()]);
    for round in 1..3 {
        let before = contents(&to);
        archive.run(&["backup", to.to_str().unwrap()]).assert_said(2, "entries that the archive's does not go on from");
        assert!(contents(&to) == before, "it was changed");
        // Goes on for longer than the history that the backup has.
        (0..3).for_each(|n| import(&archive, 100 * round + 10 * n..100 * round + 10 * n + 4));
    }
    assert_sound(&archive, &restored(&archive, &to, "restored"));
    backup(&archive, &older);
}

#[test]
fn damage_is_named_and_a_good_copy_outlives_it() {
    let archive = archive();
    archive.well(&["seal"]);
    import(&archive, 3..5);
    let to = archive.path("backup");
    backup(&archive, &to);
    let pack = |name: &str| archive.data_dir().join("packs").join(name);
    // The first is a link: what happens to the file happens to both. So it is replaced, as a damaged file system might.
    fs::remove_file(pack("00000001.pack")).unwrap();
    let open = File::options().write(true).open(pack("00000002.open")).unwrap();
    open.set_len(open.metadata().unwrap().len() - 9).unwrap();
    let ended = archive.run(&["--json", "backup", "--verify", to.to_str().unwrap()]);
    ended.assert_said(1, "damage: pack 1: is not there; the backup keeps the one that it has");
    ended.assert_said(1, "damage: pack 2: is shorter than committed; the backup keeps the one that it has");
    assert_sound(&archive, &restored(&archive, &to, "restored"));

    // Into an empty folder goes what there is.
    let anew = archive.path("anew");
    let ended = archive.run(&["--json", "backup", anew.to_str().unwrap()]);
    ended.assert_said(1, "damage: pack 1: is not there\n");
    ended.assert_said(1, "damage: pack 2: is shorter than committed\n");
    let data_dir = archive.path("part");
    let restored =
        archive.run(&["--json", "--data-dir", data_dir.to_str().unwrap(), "restore", anew.to_str().unwrap()]);
    restored.assert_said(1, "damage: pack 1: is not in the backup");
    assert_eq!(restored.json()["messages"], 5, "{restored}");
}

#[test]
fn a_flipped_bit_in_the_backup_is_found_with_verify() {
    let archive = archive();
    let file = archive.path("long.eml");
    fs::write(&file, mail("long", &incompressible(7, 1_000))).unwrap();
    assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
    let to = archive.path("backup");
    backup(&archive, &to);
    let file = File::options().read(true).write(true).open(to.join("packs/00000001.open")).unwrap();
    let mut octet = [0];
    file.read_exact_at(&mut octet, 200).unwrap();
    file.write_all_at(&[octet[0] ^ 1], 200).unwrap();
    let again = ["backup", "--verify", to.to_str().unwrap()];
    archive.run(&again).assert_said(1, "damage: pack 1: ");
    let data_dir = archive.path("restored");
    archive
        .run(&["--data-dir", data_dir.to_str().unwrap(), "restore", "--verify", to.to_str().unwrap()])
        .assert_said(1, "damage: pack 1: ");
    fs::remove_file(to.join("packs/00000001.open")).unwrap();
    archive.well(&again);
}

#[test]
fn a_full_disk_leaves_the_older_backup() {
    let archive = archive();
    let Some(disk) = SmallDisk::mount(&archive.path("disk"), "8m") else {
        return skipped("this user may not mount a small tmpfs");
    };
    let to = archive.path("disk/backup");
    assert_eq!(backup(&archive, &to)["messages"], 3);
    let before = contents(&to);
    import(&archive, 3..5);
    disk.fill(64 << 10);
    let ended = archive.run(&["backup", to.to_str().unwrap()]);
    ended.assert_said(ended.code, &format!("The backup that is in {} is whole, as it was", to.display()));
    assert_ne!(ended.code, 0);
    let after = contents(&to);
    assert!(before.iter().all(|(path, octets)| after.get(path) == Some(octets)));
    assert_eq!(over(&archive, &restored(&archive, &to, "old"), &["--json", "status"]).json()["messages"], 3);

    disk.empty();
    assert_eq!(backup(&archive, &to)["messages"], 5);
    assert_eq!(over(&archive, &restored(&archive, &to, "new"), &["--json", "status"]).json()["messages"], 5);
}
