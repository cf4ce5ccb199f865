//! `poplar seal --rewrite`: parts that no message uses any more go, all others stay.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use poplar::catalog::Catalog;
use poplar::mail::BlobId;
use poplar::store;
use rusqlite::Connection;

use crate::support::poplar::{Archive, mail};

fn attachment(seed: u32) -> Vec<u8> {
    (0..6000_u32).map(|n| (n.wrapping_mul(n ^ seed) >> 5) as u8).collect()
}

fn a_mail(n: usize, attached: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(attached);
    let lines: Vec<&str> = text.as_bytes().chunks(76).map(|line| str::from_utf8(line).unwrap()).collect();
    mail(&format!("number {n}"), &lines.join("\r\n"))
}

/// Two messages with an attachment each in pack 1, and a third in pack 2, with the attachment of the first.
struct Scene {
    archive: Archive,
    mails: [Vec<u8>; 3],
    attached: [BlobId; 2],
}

fn scene() -> Scene {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let (shared, alone) = (attachment(1), attachment(2));
    let mails = [a_mail(0, &shared), a_mail(1, &alone), a_mail(2, &shared)];
    import(&archive, "0.eml", &mails[0]);
    import(&archive, "1.eml", &mails[1]);
    archive.well(&["seal"]);
    import(&archive, "2.eml", &mails[2]);
    archive.well(&["seal"]);
    let scene = Scene { archive, mails, attached: [BlobId::of(&shared), BlobId::of(&alone)] };
    assert_eq!((scene.parts(1), scene.parts(2)), (scene.sorted(&[0, 1]), vec![]));
    scene
}

fn import(archive: &Archive, name: &str, octets: &[u8]) {
    let file = archive.path(name);
    fs::write(&file, octets).unwrap();
    assert_eq!(archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]).code, 75);
}

impl Scene {
    fn packs(&self) -> PathBuf {
        self.archive.data_dir().join("packs")
    }

    /// The parts of a pack: as its table says, and as the catalog does.
    fn parts(&self, pack: u64) -> Vec<BlobId> {
        let mut held: Vec<BlobId> =
            store::read_sealed(&self.packs(), pack).unwrap().parts.iter().map(|part| part.id).collect();
        let catalog = Catalog::beside(&self.archive.data_dir()).unwrap().unwrap();
        let mut known: Vec<BlobId> = catalog.parts_in_pack(pack).unwrap().into_iter().map(|(_, id)| id).collect();
        held.sort();
        known.sort();
        assert_eq!(held, known);
        held
    }

    fn sorted(&self, which: &[usize]) -> Vec<BlobId> {
        let mut ids: Vec<BlobId> = which.iter().map(|n| self.attached[*n]).collect();
        ids.sort();
        ids
    }

    /// As a purge will do it: the catalog does not name the message any more.
    fn purge(&self, n: usize) {
        let id: String = BlobId::of(&self.mails[n]).to_string();
        let sql = Connection::open(self.archive.data_dir().join("catalog.db")).unwrap();
        let number: i64 =
            sql.query_row(&format!("SELECT number FROM message WHERE id = x'{id}'"), [], |row| row.get(0)).unwrap();
        // The triggers of these tables use a function of poplar's; none is for removing.
        sql.execute_batch(&format!(
            "DELETE FROM work WHERE message = {number};
             DELETE FROM reading WHERE message = {number};
             DELETE FROM tie WHERE message = {number};
             DELETE FROM document WHERE message = {number};
             DELETE FROM sighting WHERE message = {number};
             DELETE FROM message WHERE number = {number};"
        ))
        .unwrap();
    }

    fn assert_reads(&self, n: usize) {
        assert!(self.archive.raw(&BlobId::of(&self.mails[n]).to_string()) == self.mails[n]);
    }
}

#[test]
fn a_part_goes_with_the_last_message_that_uses_it() {
    let scene = scene();
    scene.purge(0);
    scene.purge(1);
    scene.archive.well(&["seal", "--rewrite"]);
    assert_eq!(scene.parts(1), scene.sorted(&[0]), "the other pack uses this, and nobody the other");
    scene.assert_reads(2);

    scene.purge(2);
    scene.archive.well(&["seal", "--rewrite"]);
    assert_eq!(scene.parts(1), []);
}

#[test]
fn nothing_goes_that_is_used() {
    let scene = scene();
    scene.archive.well(&["seal", "--rewrite"]);
    assert_eq!(scene.parts(1), scene.sorted(&[0, 1]));
    (0..3).for_each(|n| scene.assert_reads(n));
    scene.archive.assert_sound();
}

#[test]
fn a_pack_that_cannot_be_read_may_use_any() {
    let scene = scene();
    scene.purge(0);
    scene.purge(1);
    let other = scene.packs().join("00000002.pack");
    let mut octets = fs::read(&other).unwrap();
    octets[17] ^= 4;
    fs::write(&other, &octets).unwrap();
    scene.archive.run(&["seal", "--rewrite"]).assert_said(1, "pack 2: ");
    octets[17] ^= 4;
    fs::write(&other, &octets).unwrap();
    assert_eq!(scene.parts(1), scene.sorted(&[0, 1]));
    scene.assert_reads(2);
}

/// The power fails between the pack and the catalog.
#[test]
fn a_compaction_that_the_catalog_has_not_heard_of_is_adopted() {
    let scene = scene();
    scene.purge(0);
    scene.purge(1);
    let (live, aside, file) = (scene.archive.data_dir(), scene.archive.path("aside"), "packs/00000001.pack");
    assert!(Command::new("cp").arg("-a").arg(&live).arg(&aside).status().unwrap().success());
    scene.archive.well(&["seal", "--rewrite"]);
    fs::copy(live.join(file), aside.join(file)).unwrap();
    fs::remove_dir_all(&live).unwrap();
    fs::rename(&aside, &live).unwrap();

    import(&scene.archive, "3.eml", &a_mail(3, &attachment(2)));
    assert_eq!(scene.parts(1), scene.sorted(&[0]));
    scene.archive.well(&["seal"]);
    scene.assert_reads(2);
}
