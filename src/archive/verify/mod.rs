//! Checks everything against everything, beside the owner or alone. Repairs nothing.

mod journal;
mod pace;
mod packs;
mod strays;

use schemars::JsonSchema;
use serde::Serialize;

pub use pace::Pace;
pub use strays::LeftOver;

use super::Archive;
use crate::catalog;
use crate::index::{self, Index};
use crate::mail::{Event, event};

/// How much is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The catalog, the journal's checkpoint, and that the packs are as long as they should be.
    Quick,
    /// Every octet of every pack, of the journal and of the index.
    Full,
}

/// What was checked, and what is wrong.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
pub struct Report {
    pub checked: Checked,
    pub damage: Vec<Damage>,
    /// Open packs that nothing in the catalog names: no damage, but room that is taken.
    pub left_over: Vec<LeftOver>,
    /// Why it is not on record that this was checked, if it is not.
    pub unrecorded: Option<String>,
    /// Messages that the catalog has in the packs that were read, and entries there that say one was kept.
    #[serde(skip)]
    messages_known: u64,
    #[serde(skip)]
    messages_kept: u64,
}

#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Checked {
    /// Messages whose octets were read and hashed.
    pub messages: u64,
    /// Private records of the journal that were read, hashed and compared with their leaves.
    pub records: u64,
    /// Entries of the journal that were hashed up to the signed root.
    pub entries: u64,
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
    /// Checks the catalog in itself and against the packs, the packs octet by octet, the journal up to its signed
    /// checkpoint, and the index. A catalog that cannot be read is damage like any other: whatever is found is told.
    pub fn verify(&self, depth: Depth, pace: &mut Pace<'_>) -> Report {
        let mut report = self.check(depth, pace);
        self.check_index(depth, &mut report);
        self.record(if depth == Depth::Full { "all" } else { "quick" }, &mut report);
        report
    }

    /// The same without the index, and without putting it on record: for a copy that nobody works with.
    pub fn check(&self, depth: Depth, pace: &mut Pace<'_>) -> Report {
        let mut report = Report::default();
        self.check_catalog(&mut report);
        let log = self.check_journal(depth, &mut report);
        let packs = report.readable(self.catalog.packs()).unwrap_or_default();
        pace.expect(packs.iter().map(catalog::PackRow::stored_bytes).sum());
        for pack in &packs {
            self.check_pack(pack, depth, log.as_ref(), pace, &mut report);
            pace.read(pack.stored_bytes());
        }
        if report.damage.is_empty() && report.messages_known != report.messages_kept {
            let (known, kept) = (report.messages_known, report.messages_kept);
            report.found("catalog.db", format!("it has {known} messages, and the journal says that {kept} were kept"));
        }
        self.check_parts(&packs, &mut report);
        self.check_strays(&packs, depth, &mut report);
        report.left_over = report.readable(self.left_over()).unwrap_or_default();
        report
    }

    /// The scrub's share: one pack, and that it was looked at is on record.
    pub fn verify_pack(&self, pack: &catalog::PackRow, pace: &mut Pace<'_>) -> Report {
        let mut report = Report::default();
        let log = self.check_journal(Depth::Quick, &mut report);
        self.check_pack(pack, Depth::Full, log.as_ref(), pace, &mut report);
        self.record(&format!("pack {}", pack.number), &mut report);
        report
    }

    /// The scrub's share beside the packs: catalog, journal and index.
    pub fn verify_books(&self) -> Report {
        let mut report = Report::default();
        self.check_catalog(&mut report);
        drop(self.check_journal(Depth::Full, &mut report));
        if let Some(packs) = report.readable(self.catalog.packs()) {
            self.check_strays(&packs, Depth::Full, &mut report);
        }
        self.check_index(Depth::Full, &mut report);
        self.record("books", &mut report);
        report
    }

    fn record(&self, scope: &str, report: &mut Report) {
        report.unrecorded = self.tell(report.event(scope)).err().map(|error| error.to_string());
    }

    fn check_catalog(&self, report: &mut Report) {
        let problems = report.readable(self.catalog.problems()).unwrap_or_default();
        problems.into_iter().for_each(|problem| report.found("catalog.db", problem));
    }

    /// What is found is for the owner to mend, too.
    fn check_index(&self, depth: Depth, report: &mut Report) {
        let before = report.damage.len();
        self.look_at_index(depth, report);
        let mut found = report.damage.iter().skip(before).filter(|found| found.object.starts_with("index"));
        if let Some(found) = found.next() {
            index::suspect_of(&self.index_folder(), &found.problem);
        }
    }

    fn look_at_index(&self, depth: Depth, report: &mut Report) {
        // Asked before and after, since the owner may be indexing, or taking out what is destroyed.
        let before = report.readable(self.catalog.indexed_count());
        let most_before = report.readable(self.catalog.indexable_count());
        let index = match Index::open(&self.folder.join("index")) {
            Ok(index) => index,
            Err(index::Error::Missing { .. }) if before == Some(0) => return,
            Err(error) => return report.found("index", error.to_string()),
        };
        if depth == Depth::Full && !files_are_whole(&index, report) {
            return;
        }
        let counted = index.reader().and_then(|reader| reader.count());
        let before = before.min(report.readable(self.catalog.indexed_count()));
        let most = report.readable(self.catalog.indexable_count()).max(most_before);
        match counted {
            Ok(count) => {
                report.checked.indexed = count;
                if let (Some(before), Some(most)) = (before, most)
                    && !(before..=most).contains(&count)
                {
                    report.found("index", format!("holds {count} messages, the catalog says {before}"));
                }
            }
            Err(error) => report.found("index", error.to_string()),
        }
    }
}

/// What is damaged is not read any further.
fn files_are_whole(index: &Index, report: &mut Report) -> bool {
    match index.verify(&|| false) {
        Ok(problems) => {
            for (file, problem) in &problems {
                report.found(&format!("index/{}", file.display()), problem.clone());
            }
            problems.is_empty()
        }
        Err(error) => {
            report.found("index", error.to_string());
            false
        }
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

    fn event(&self, scope: &str) -> Event {
        Event::Verified(event::Verified {
            scope: scope.to_owned(),
            messages: self.checked.messages,
            packs: self.checked.packs,
            bytes: self.checked.bytes,
            damage: self.damage.iter().map(|damage| format!("{}: {}", damage.object, damage.problem)).collect(),
        })
    }
}
