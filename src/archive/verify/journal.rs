use std::collections::HashMap;

use super::{Depth, Report};
use crate::archive::Archive;
use crate::catalog::Half;
use crate::journal::{self, Commitment, Error, LogReader};
use crate::store::{Blob, Location};

impl Archive {
    /// The journal against its signed checkpoint, and against the catalog; the log, if there is one that can be read.
    pub(super) fn check_journal(&self, depth: Depth, report: &mut Report) -> Option<LogReader> {
        // The catalog first: the owner may sign meanwhile.
        let signed = report.readable(self.catalog.checkpoint()).flatten();
        let log = match LogReader::open(&self.folder.join("journal")) {
            Ok(log) => log,
            Err(error) => {
                report.found("journal", error.to_string());
                return None;
            }
        };
        let size = log.as_ref().map_or(0, |log| log.checkpoint().size());
        if let Some((expected, note)) = signed {
            if size < expected {
                report.found("journal", format!("it has {size} entries, and {expected} were signed"));
            }
            let text = log.as_ref().map_or("", |log| log.checkpoint().text());
            if size == expected && text != note {
                report.found("journal/checkpoint", "not the one that was signed last".to_owned());
            }
        }
        // Asked again: whatever is signed was in the catalog before.
        let known = report.readable(self.catalog.entry_count());
        if let Some(known) = known.filter(|known| *known < size) {
            let problem = format!("an older copy: it knows {known} journal entries, and {size} are signed");
            report.found("catalog.db", problem);
        }
        let Some(log) = log else {
            self.check_unsigned(None, report);
            return None;
        };
        if depth == Depth::Full {
            match log.verify(&mut |_, _| ()) {
                Ok(damage) => {
                    damage.into_iter().for_each(|(file, problem)| report.found(&format!("journal/{file}"), problem));
                }
                Err(error) => report.found("journal", error.to_string()),
            }
            report.checked.entries = size;
        }
        self.check_unsigned(Some(&log), report);
        Some(log)
    }

    /// Why nothing may be written to the archive, if the journal is not what was signed.
    pub(in crate::archive) fn journal_alarm(&self) -> Result<Vec<String>, crate::archive::Error> {
        let mut report = Report::default();
        drop(self.check_journal(Depth::Quick, &mut report));
        Ok(report.damage.into_iter().map(|damage| format!("ALARM: {}: {}", damage.object, damage.problem)).collect())
    }

    /// Entries that are not signed yet: a leaf must be the one that its private record makes.
    pub(super) fn check_unsigned(&self, log: Option<&LogReader>, report: &mut Report) {
        let signed = log.map_or(0, |log| log.checkpoint().size());
        for index in signed..report.readable(self.catalog.entry_count()).unwrap_or_default() {
            // One that is signed meanwhile is checked there.
            let halves = report.readable(self.catalog.unsigned_halves(index)).flatten();
            if let Some(problem) = halves.and_then(|(leaf, record)| self.halves_problem(&leaf, record)) {
                report.found(&format!("journal entry {index}"), problem);
            }
        }
    }

    fn halves_problem(&self, leaf: &[u8], record: Half) -> Option<String> {
        let octets = match record {
            Half::Waiting(octets) => Ok(octets),
            Half::Stored((pack, ordinal)) => self.reader.open(Location { pack, ordinal }).and_then(Blob::octets),
        };
        // What cannot be read of a pack is told of the pack.
        match octets.ok().map(|octets| journal::read_record(&octets))? {
            Ok((occurrence, commitment)) if journal::leaf(&occurrence, &commitment) == leaf => None,
            Ok(_) => Some("its leaf is not the one of its private record".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// What the leaves of these entries commit to, by their indices.
    pub(super) fn commitments(
        &self,
        indices: &[u64],
        log: Option<&LogReader>,
        report: &mut Report,
    ) -> HashMap<u64, Commitment> {
        let mut found = HashMap::with_capacity(indices.len());
        if let Some(log) = log {
            signed_commitments(log, indices, &mut found, report);
        }
        let mut signed_meanwhile = Vec::new();
        for index in indices {
            if found.contains_key(index) {
                continue;
            }
            match report.readable(self.catalog.unsigned_leaf(*index)).flatten() {
                Some(leaf) => found.extend(Commitment::in_leaf(&leaf).map(|commitment| (*index, commitment))),
                None => signed_meanwhile.push(*index),
            }
        }
        if !signed_meanwhile.is_empty()
            && let Ok(Some(log)) = LogReader::open(&self.folder.join("journal"))
        {
            signed_commitments(&log, &signed_meanwhile, &mut found, report);
        }
        found
    }
}

fn signed_commitments(log: &LogReader, indices: &[u64], found: &mut HashMap<u64, Commitment>, report: &mut Report) {
    let signed = indices.iter().copied().filter(|index| *index < log.checkpoint().size());
    let (Some(first), Some(last)) = (signed.clone().min(), signed.max()) else { return };
    let outcome = log.leaves(first, |index, leaf| {
        found.extend(Commitment::in_leaf(leaf).map(|commitment| (index, commitment)));
        if index < last { Ok(()) } else { Err(Walk::Done) }
    });
    if let Err(Walk::Failed(error)) = outcome {
        report.found("journal", error.to_string());
    }
}

/// Why a walk over leaves ended.
enum Walk {
    Done,
    Failed(Error),
}

impl From<Error> for Walk {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
