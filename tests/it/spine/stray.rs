//! A damaged sealed pack that the catalog does not go by: it is named and left alone, and nothing stands still for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use poplar::mail::BlobId;

use crate::support::poplar::{Archive, mail};

const MESSAGES: usize = 3;

fn a_mail(n: usize) -> Vec<u8> {
    mail(&format!("number {n}"), &"words upon words ".repeat(200 * n))
}

fn import(archive: &Archive, n: usize) {
    let file = archive.path(&format!("{n}.eml"));
    fs::write(&file, a_mail(n)).unwrap();
    let ended = archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]);
    assert_eq!(ended.code, 75, "{ended}");
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// As if the power had failed just after the sealed pack was published: the catalog has still to hear of it. Its octets
/// are given too.
fn archive() -> (Archive, Vec<u8>) {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    (0..MESSAGES).for_each(|n| import(&archive, n));
    let aside = archive.path("aside");
    copy(&archive.data_dir(), &aside);
    archive.well(&["seal"]);
    let sealed = fs::read(pack(&archive, 1)).unwrap();
    fs::remove_dir_all(archive.data_dir()).unwrap();
    fs::rename(aside, archive.data_dir()).unwrap();
    assert_sound_mail(&archive, MESSAGES);
    (archive, sealed)
}

fn pack(archive: &Archive, number: u64) -> PathBuf {
    archive.data_dir().join(format!("packs/{number:08}.pack"))
}

fn flipped(octets: &[u8], at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    octets[at] ^= 4;
    octets
}

fn assert_sound_mail(archive: &Archive, upto: usize) {
    for n in 0..upto {
        assert_eq!(archive.raw(&BlobId::of(&a_mail(n)).to_string()), a_mail(n));
    }
}

fn assert_named(archive: &Archive, object: &str) {
    for arguments in [&["--json", "verify"][..], &["--json", "verify"]] {
        let ended = archive.run(arguments);
        ended.assert_said(1, &format!("damage: {object}: "));
        let report = ended.json();
        assert_eq!(report["damage"].as_array().unwrap().len(), 1, "{report}");
    }
}

#[test]
fn where_the_catalog_goes_by_the_open_one_it_is_named_and_left_alone() {
    for place in [|_| 17, |length| length / 2, |length| length - 1] {
        let (archive, sealed) = archive();
        let damaged = flipped(&sealed, place(sealed.len()));
        fs::write(pack(&archive, 1), &damaged).unwrap();
        import(&archive, MESSAGES);
        let warnings = archive.warnings();
        assert!(warnings.contains("DAMAGE") && warnings.contains("00000001.pack: damaged at byte"), "{warnings}");
        assert_named(&archive, "pack 1");
        assert_sound_mail(&archive, MESSAGES + 1);
        archive.run(&["seal"]).assert_said(1, "move it away");
        assert!(fs::read(pack(&archive, 1)).unwrap() == damaged, "it was touched");

        fs::remove_file(pack(&archive, 1)).unwrap();
        archive.assert_sound();
        archive.well(&["seal"]);
        assert!(!archive.data_dir().join("packs/00000001.open").exists());
        assert_sound_mail(&archive, MESSAGES + 1);
        assert!(!archive.warnings().contains("DAMAGE"), "{}", archive.warnings());
    }
}

#[test]
fn a_whole_one_is_adopted() {
    let (archive, sealed) = archive();
    fs::write(pack(&archive, 1), &sealed).unwrap();
    import(&archive, MESSAGES);
    assert!(!archive.data_dir().join("packs/00000001.open").exists());
    assert_sound_mail(&archive, MESSAGES + 1);
    archive.assert_sound();
}

#[test]
fn under_a_number_that_nobody_knows_it_is_named_and_left_alone() {
    let (archive, sealed) = archive();
    let damaged = flipped(&sealed, 17);
    fs::write(pack(&archive, 9), &damaged).unwrap();
    import(&archive, MESSAGES);
    assert!(archive.warnings().contains("00000009.pack: damaged at byte"), "{}", archive.warnings());
    assert_named(&archive, "pack 9");
    assert!(fs::read(pack(&archive, 9)).unwrap() == damaged, "it was touched");
    assert_sound_mail(&archive, MESSAGES + 1);
}

#[test]
fn a_rebuild_goes_by_the_open_one_beside_it() {
    let (archive, sealed) = archive();
    let damaged = flipped(&sealed, sealed.len() / 2);
    fs::write(pack(&archive, 1), &damaged).unwrap();
    let ended = archive.run(&["--json", "rebuild"]);
    ended.assert_said(1, "damage: pack 1: ");
    let outcome = ended.json();
    assert_eq!((&outcome["messages"], outcome["damage"].as_array().unwrap().len()), (&3.into(), 1), "{outcome}");
    assert_sound_mail(&archive, MESSAGES);
    assert!(fs::read(pack(&archive, 1)).unwrap() == damaged, "it was touched");
}

/// As if there had been a kill before the commit, when all of the batch had been written: its pack has no row.
#[test]
fn an_open_pack_that_nobody_names_is_told_of_and_a_rebuild_takes_it_in() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    (0..MESSAGES).for_each(|n| import(&archive, n));
    let books = archive.path("books");
    copy(&archive.data_dir(), &books);
    archive.well(&["seal"]);
    import(&archive, MESSAGES);
    let open = |number| archive.data_dir().join(format!("packs/{number:08}.open"));
    let number = (2..9).rfind(|number| open(*number).exists()).unwrap();
    let octets = fs::read(open(number)).unwrap();
    fs::remove_dir_all(archive.data_dir()).unwrap();
    fs::rename(books, archive.data_dir()).unwrap();
    fs::write(open(number), &octets).unwrap();
    import(&archive, MESSAGES + 1);
    assert!(!archive.warnings().contains("of no account"), "somebody may be writing to it");
    fs::File::options().write(true).open(open(number)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();

    let told = format!("pack {number} ({} octets) is of no account", octets.len());
    let ended = archive.run(&["--json", "verify"]);
    ended.assert_said(0, &told);
    assert_eq!(ended.json()["left_over"], serde_json::json!([{ "pack": number, "bytes": octets.len() }]));
    assert!(archive.warnings().contains(&told), "{}", archive.warnings());
    assert!(fs::read(open(number)).unwrap() == octets, "it was touched");
    archive.well(&["rebuild"]);
    assert_sound_mail(&archive, MESSAGES + 2);
    assert!(!archive.warnings().contains("of no account"), "{}", archive.warnings());
    archive.assert_sound();
}
