use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Archive;
use crate::catalog::{self, PackExtent};
use crate::index::{self, Index};
use crate::journal;
use crate::mail::{BlobId, Event, event};
use crate::store::{Blob, Extent, Location, RecordKind, WalkedRecord};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The catalog, and that the packs are as long as they should be.
    Quick,
    /// Every octet of every pack and of the index.
    Full,
}

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Report {
    pub checked: Checked,
    pub damage: Vec<Damage>,
    /// Why it is not on record that this was checked, if it is not.
    pub unrecorded: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Checked {
    /// Messages whose octets were read and hashed.
    pub messages: u64,
    /// Private records of the journal that were read, hashed and compared with their leaves.
    pub records: u64,
    pub packs: u64,
    /// Octets of messages and records that were hashed.
    pub bytes: u64,
    /// Messages in the index.
    pub indexed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Damage {
    pub object: String,
    pub problem: String,
}

impl Archive {
    /// Checks everything against everything. `progress` is told the octets of packs read so far, and of all. A catalog
    /// that cannot be read is damage like any other: whatever is found is told.
    pub fn verify(&self, depth: Depth, progress: &mut dyn FnMut(u64, u64)) -> Report {
        let mut report = Report::default();
        let problems = report.readable(self.catalog.integrity_problems()).unwrap_or_default();
        for problem in problems {
            report.found("catalog.db", problem);
        }
        let extents = report.readable(self.catalog.extents()).unwrap_or_default();
        let all = extents.iter().map(|(_, bytes, _)| bytes).sum();
        let mut done = 0;
        for extent in &extents {
            self.pack(extent, depth, &mut report);
            done += extent.1;
            progress(done, all);
        }
        self.index(depth, &mut report);
        report.unrecorded = self.tell(report.event()).err().map(|error| error.to_string());
        report
    }

    fn pack(&self, extent: &PackExtent, depth: Depth, report: &mut Report) {
        let (number, bytes, records) = *extent;
        let object = format!("pack {number}");
        report.checked.packs += 1;
        let length = self.reader.length(number);
        if length.is_none_or(|length| length < bytes) {
            report.found(&object, length.map_or("is not there".to_owned(), |_| "is shorter than committed".to_owned()));
        }
        if depth == Depth::Quick {
            return;
        }
        let mut expected = self.expected(number, records, report);
        let extent = Extent { pack: number, bytes, records };
        if let Err(error) = self.reader.walk(&extent, &mut |record| expected.meet(&record, &object, report)) {
            report.found(&object, error.to_string());
        }
        for (location, index, leaf) in std::mem::take(&mut expected.long) {
            match self.reader.open(location).and_then(Blob::octets) {
                Ok(record) => check_entry(index, &leaf, &record, report),
                Err(error) => report.found(&format!("journal entry {index}"), error.to_string()),
            }
        }
        expected.missed(&object, report);
    }

    /// What should be among the first `records` of a pack: it may have grown since its extent was read.
    fn expected(&self, pack: u64, records: u32, report: &mut Report) -> Expected {
        let messages = report.readable(self.catalog.in_pack(pack)).unwrap_or_default();
        let entries = report.readable(self.catalog.entries_in_pack(pack)).unwrap_or_default();
        Expected {
            messages: messages.into_iter().filter(|(ordinal, _)| *ordinal < records).collect(),
            entries: entries.into_iter().filter(|(_, _, ordinal)| *ordinal < records).map(by_ordinal).collect(),
            long: Vec::new(),
        }
    }

    fn index(&self, depth: Depth, report: &mut Report) {
        // Asked before and after, since the owner may be indexing.
        let before = report.readable(self.catalog.indexed_count());
        let index = match Index::open(&self.folder.join("index")) {
            Ok(index) => index,
            Err(index::Error::Missing { .. }) if before == Some(0) => return,
            Err(error) => return report.found("index", error.to_string()),
        };
        let counted = index.reader().and_then(|reader| reader.count());
        let after = report.readable(self.catalog.totals());
        match counted {
            Ok(count) => {
                report.checked.indexed = count;
                if let (Some(before), Some((messages, _))) = (before, after)
                    && !(before..=messages).contains(&count)
                {
                    report.found("index", format!("holds {count} messages, the catalog says {before}"));
                }
            }
            Err(error) => report.found("index", error.to_string()),
        }
        if depth == Depth::Full {
            files_of(&index, report);
        }
    }
}

fn files_of(index: &Index, report: &mut Report) {
    match index.verify() {
        Ok(damaged) => {
            for file in damaged {
                report.found(&format!("index/{}", file.display()), "its checksum is wrong".to_owned());
            }
        }
        Err(error) => report.found("index", error.to_string()),
    }
}

impl Report {
    fn found(&mut self, object: &str, problem: String) {
        self.damage.push(Damage { object: object.to_owned(), problem });
    }

    /// What the catalog says; where it cannot be read, that is damage.
    fn readable<T>(&mut self, answer: Result<T, catalog::Error>) -> Option<T> {
        answer.map_err(|error| self.found("catalog.db", error.to_string())).ok()
    }

    fn event(&self) -> Event {
        Event::Verified(event::Verified {
            messages: self.checked.messages,
            packs: self.checked.packs,
            bytes: self.checked.bytes,
            damage: self.damage.iter().map(|damage| format!("{}: {}", damage.object, damage.problem)).collect(),
        })
    }
}

/// What the catalog says lies in a pack; what has been met is taken out.
struct Expected {
    messages: BTreeMap<u32, BlobId>,
    entries: BTreeMap<u32, (u64, Vec<u8>)>,
    /// Entries whose records are longer than a frame, to be read once more.
    long: Vec<(Location, u64, Vec<u8>)>,
}

fn by_ordinal((index, leaf, ordinal): (u64, Vec<u8>, u32)) -> (u32, (u64, Vec<u8>)) {
    (ordinal, (index, leaf))
}

impl Expected {
    /// What is left was not met.
    fn missed(self, pack: &str, report: &mut Report) {
        for (ordinal, id) in self.messages {
            report.found(&format!("message {id}"), format!("is not readable at record {ordinal} of {pack}"));
        }
        for (ordinal, (index, _)) in self.entries {
            let problem = format!("its private record is not readable at record {ordinal} of {pack}");
            report.found(&format!("journal entry {index}"), problem);
        }
    }

    fn meet(&mut self, record: &WalkedRecord<'_>, pack: &str, report: &mut Report) {
        let stored = &record.stored;
        let ordinal = stored.location.ordinal;
        report.checked.bytes += stored.size_bytes;
        if !record.intact {
            report.found(&format!("record {ordinal} of {pack}"), record.problem.unwrap_or_default().to_owned());
        }
        match stored.kind {
            RecordKind::Message => {
                report.checked.messages += 1;
                match self.messages.remove(&ordinal) {
                    Some(id) if id != stored.id => {
                        report.found(&format!("message {id}"), format!("record {ordinal} of {pack} is {}", stored.id));
                    }
                    // A message that no commit names: its batch failed after it was written. Sealing sweeps it.
                    Some(_) | None => {}
                }
            }
            RecordKind::Private => {
                report.checked.records += 1;
                match (self.entries.remove(&ordinal), record.octets) {
                    (Some((index, leaf)), Some(octets)) => check_entry(index, &leaf, octets, report),
                    (Some((index, leaf)), None) => self.long.push((stored.location, index, leaf)),
                    (None, _) => {}
                }
            }
            RecordKind::Part => {}
        }
    }
}

/// The leaf must carry the commitment that the record opens.
fn check_entry(index: u64, leaf: &[u8], record: &[u8], report: &mut Report) {
    let object = format!("journal entry {index}");
    match journal::read_record(record) {
        Ok((_, commitment)) => {
            let leaf = String::from_utf8_lossy(leaf);
            if !leaf.contains(&format!("\"commit\":\"{commitment}\"")) {
                report.found(&object, "does not commit to its private record".to_owned());
            }
        }
        Err(error) => report.found(&object, error.to_string()),
    }
}
