//! Packs and journal, read without the catalog; and what can be wrong with them that nothing else makes.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use poplar::catalog::{Catalog, Told};
use poplar::journal::{Checkpoint, Entry, LogReader};
use poplar::mail::event::Verified;
use poplar::mail::{AccountId, BlobId, Event, Occurrence, Timestamp};
use poplar::store::{self, Append, Extent, Location, Packed, Reader, RecordKind, Writer};

use super::lab::Lab;
use super::state::rows;
use crate::support::quarantine::seal_off;

/// The journal's checkpoint; `None` as long as there is none.
pub(crate) fn signed(archive: &Path) -> Option<Checkpoint> {
    Some(LogReader::open(&archive.join("journal")).unwrap()?.checkpoint().clone())
}

/// What was signed once stays signed.
pub(crate) fn assert_continues(archive: &Path, earlier: Option<Checkpoint>) {
    let Some(earlier) = earlier else { return };
    let log = LogReader::open(&archive.join("journal")).unwrap().unwrap();
    assert!(log.continues(&earlier).unwrap(), "the journal does not go on from {}", earlier.text());
}

/// Whether there is a catalog or not: what the server has not, the packs have; and every signed leaf can be read.
pub(crate) fn assert_ground_has_all(lab: &Lab) {
    let mut intact = Vec::new();
    let folder = lab.archive().join("packs");
    for files in store::packs(&folder).unwrap() {
        let packed = match files.sealed {
            true => Packed::Sealed(files.pack),
            false => Packed::Open(store::whole_extent(&folder, files.pack, None).unwrap()),
        };
        let mut visit = |walked: store::WalkedRecord<'_>| intact.extend(walked.intact.then_some(walked.stored.id));
        Reader::new(&folder).walk(packed, &mut visit).unwrap();
    }
    for (uid, message) in lab.deleted() {
        assert!(intact.contains(&BlobId::of(&message)), "{} is in no pack", String::from_utf8_lossy(&uid));
    }
    let log = LogReader::open(&lab.archive().join("journal")).unwrap().unwrap();
    assert_eq!(log.verify(&mut |_, _| ()).unwrap(), []);
}

const NOBODYS: &[u8] = b"a record that no commit names";

/// Puts a record into the pack that grows which the catalog counts and does not name: a batch can leave one. Sealing
/// leaves it out.
pub(crate) fn leave_a_nameless_record(lab: &Lab) {
    let catalog = Catalog::open(lab.archive()).unwrap();
    let archive: AccountId = catalog.archive_value("id").unwrap().unwrap().parse().unwrap();
    let (sealed, open): (Vec<_>, Vec<_>) =
        catalog.packs().unwrap().into_iter().partition(|pack| pack.sealed_bytes.is_some());
    let sealed: Vec<u64> = sealed.iter().map(|pack| pack.number).collect();
    let open: Vec<Extent> = open.iter().map(extent).collect();
    let mut writer = Writer::open(&lab.archive().join("packs"), *archive.as_bytes(), &open, &sealed).unwrap();
    let (_, grown) = writer.append(&[Append::Private(NOBODYS)], Timestamp::from_millis(0)).unwrap();
    let grown: Vec<(u64, u64, u32)> = grown.iter().map(|pack| (pack.pack, pack.bytes, pack.records)).collect();
    catalog.records_stored(&grown, &[]).unwrap();
}

const fn extent(pack: &poplar::catalog::PackRow) -> Extent {
    Extent { pack: pack.number, bytes: pack.committed_bytes, records: pack.records }
}

/// Seals the open packs with all that is in them, named or not: a compaction finds something to leave out.
pub(crate) fn seal_with_everything(lab: &Lab) {
    let catalog = Catalog::open(lab.archive()).unwrap();
    let folder = lab.archive().join("packs");
    for pack in catalog.packs().unwrap().iter().filter(|pack| pack.sealed_bytes.is_none()) {
        let known_part = |id: &BlobId| {
            let (pack, ordinal) = catalog.part(id).unwrap()?;
            Some(Location { pack, ordinal })
        };
        let stopped = AtomicBool::new(false);
        let sealing =
            store::Sealing { folder: &folder, level: 1, wanted: &|_| true, known_part: &known_part, stopped: &stopped };
        let sealed = store::seal(&sealing, &Packed::Open(extent(pack))).unwrap();
        let parts: Vec<(BlobId, u32)> = sealed.parts.iter().map(|part| (part.id, part.location.ordinal)).collect();
        catalog.sealed((sealed.pack, sealed.bytes, sealed.records), &parts).unwrap();
        store::remove_open(&folder, sealed.pack).unwrap();
    }
}

/// What has become of the packs by sealing, in words: what does not depend on how many processes there were.
pub(crate) fn sealed_facts(lab: &Lab) -> Vec<String> {
    let folder = lab.archive().join("packs");
    let mut facts = Vec::new();
    for pack in Catalog::open(lab.archive()).unwrap().packs().unwrap() {
        let Some(bytes) = pack.sealed_bytes else { continue };
        let sealed = store::read_sealed(&folder, pack.number).unwrap();
        assert_eq!((sealed.bytes, sealed.records), (bytes, pack.records), "pack {}", pack.number);
        let mut list = |stored: &store::Stored, _: Option<&[u8]>| match stored.kind {
            RecordKind::Private if stored.id != BlobId::of(NOBODYS) => {}
            kind => facts.push(format!("sealed {kind:?} {}", stored.id)),
        };
        Reader::new(&folder).list(&Packed::Sealed(pack.number), &mut list).unwrap();
    }
    facts
}

/// So many entries wait for the next checkpoint.
pub(crate) fn let_entries_wait(lab: &Lab, count: usize) {
    let event =
        Event::Verified(Verified { scope: "all".to_owned(), messages: 0, packs: 0, bytes: 0, damage: Vec::new() });
    let occurrence = Occurrence { at: Timestamp::from_millis(0), event };
    let told = |_| {
        let Entry { leaf, record } = Entry::new(&occurrence);
        Told::new(occurrence.clone(), leaf, record)
    };
    let told: Vec<Told> = (0..count).map(told).collect();
    Catalog::open(lab.archive()).unwrap().commit(&[], &told).unwrap();
}

/// What [`find_something`] has found in three messages.
pub(crate) fn found() -> BlobId {
    BlobId::of(b"what was found")
}

/// Messages with something in them: in pack 1, which has their attachment and is destroyed already; in pack 2; and in the
/// pack that grows.
pub(crate) fn find_something(lab: &Lab) {
    for account in ["home", "office"] {
        (0..2).for_each(|_| drop(lab.must(&["fetch", account, "--wait", "0s"], &[75])));
        lab.must(&["seal"], &[0]);
    }
    lab.must(&["import", "--wait", "0s", &lab.mail_folder().join("a.eml").display().to_string()], &[75]);
    let named = |subject: &str| {
        let query = format!("SELECT lower(hex(id)) FROM message WHERE subject = '{subject}'");
        rows(lab.archive(), &query)[0].parse::<BlobId>().unwrap()
    };
    let messages = ["plan, once more", "plan", "old letter"].map(named);
    seal_off(lab.archive(), found(), &messages);
    lab.must(&["quarantine", "purge", &messages[0].to_string(), "--reason", "drill"], &[0]);
}

/// All messages and parts that are in packs, and that nothing is left to destroy.
pub(crate) fn purged_facts(lab: &Lab) -> Vec<String> {
    let folder = lab.archive().join("packs");
    let mut facts = rows(lab.archive(), "SELECT 'purging', pack, error FROM purging");
    for pack in Catalog::open(lab.archive()).unwrap().packs().unwrap() {
        let packed = match pack.sealed_bytes {
            Some(_) => Packed::Sealed(pack.number),
            None => Packed::Open(extent(&pack)),
        };
        let mut list = |stored: &store::Stored, _: Option<&[u8]>| match stored.kind {
            RecordKind::Private => {}
            kind => facts.push(format!("{kind:?} {}", stored.id)),
        };
        Reader::new(&folder).list(&packed, &mut list).unwrap();
    }
    facts
}
