use std::collections::{BTreeMap, HashMap};

use super::{Depth, Pace, Report};
use crate::archive::Archive;
use crate::catalog::{PackRow, PackedMessage};
use crate::journal::{self, Commitment, LogReader};
use crate::mail::{BlobId, Event, Nonce, event};
use crate::store::{self, Blob, Extent, Location, Packed, RecordKind, Stored, WalkedRecord};

impl Archive {
    /// A pack's file, every frame and record in it, and that it holds what catalog and journal say.
    pub(super) fn check_pack(
        &self,
        pack: &PackRow,
        depth: Depth,
        log: Option<&LogReader>,
        pace: &mut Pace<'_>,
        report: &mut Report,
    ) {
        let object = format!("pack {}", pack.number);
        report.checked.packs += 1;
        if let Some(problem) = self.length_problem(pack) {
            report.found(&object, problem);
        }
        if pack.sealed_bytes.is_none() {
            self.check_stray(pack.number, depth, report);
        }
        if depth == Depth::Quick {
            return;
        }
        let mut expected = self.expected(pack, log, report);
        let walked = self.reader.walk(packed(pack), &mut |record| {
            if !expected.is_about_to_go(&record, self) {
                expected.meet(&record, &object, report);
            }
            pace.hashed(record.stored.size_bytes);
        });
        if let Err(error) = walked {
            report.found(&object, error.to_string());
        }
        for (location, index, commitment) in std::mem::take(&mut expected.long) {
            match self.reader.open(location).and_then(Blob::octets) {
                Ok(record) => expected.check_entry(index, commitment, &record, report),
                Err(error) => report.found(&format!("journal entry {index}"), error.to_string()),
            }
        }
        for (index, kept) in std::mem::take(&mut expected.elsewhere) {
            let said = report.readable(self.catalog.message(&kept.message.id)).flatten();
            check_kept(index, &kept, said.map(|row| (row.journal, row.message.nonce)), report);
        }
        report.messages_known += (expected.kept.len() + expected.destroyed.len()) as u64;
        report.messages_kept += expected.kept_entries;
        expected.messages.retain(|_, message| !self.is_destroyed(&message.id));
        expected.missed(&object, report);
    }

    fn is_destroyed(&self, id: &BlobId) -> bool {
        self.catalog.message(id).is_ok_and(|row| row.is_some_and(|row| row.purged.is_some()))
    }

    fn length_problem(&self, pack: &PackRow) -> Option<String> {
        // It may have been sealed since the catalog was read, or compacted since the catalog was written.
        let sealed = self.reader.sealed_length(pack.number);
        match (pack.sealed_bytes, sealed, self.reader.length(pack.number)) {
            (Some(bytes), Some(length), _) if length != bytes && self.own_length(pack.number) != Some(length) => {
                Some(format!("has {length} octets, {bytes} were sealed"))
            }
            (Some(_), None, _) | (None, None, None) => Some("is not there".to_owned()),
            (None, _, Some(length)) if length < pack.committed_bytes => Some("is shorter than committed".to_owned()),
            _ => None,
        }
    }

    /// How long a sealed pack is by its own trailer, if that and the table can be read.
    fn own_length(&self, pack: u64) -> Option<u64> {
        store::read_sealed(&self.folder.join("packs"), pack).ok().map(|sealed| sealed.bytes)
    }

    /// What should be among the records of a pack: it may have grown since its row was read.
    fn expected(&self, pack: &PackRow, log: Option<&LogReader>, report: &mut Report) -> Expected {
        let mut messages = report.readable(self.catalog.in_pack(pack.number)).unwrap_or_default();
        let mut entries = report.readable(self.catalog.entries_in_pack(pack.number)).unwrap_or_default();
        // In this order: of what is noted no more when the file is opened, it holds nothing any more.
        let destroyed = report.readable(self.catalog.destroyed_in(pack.number)).unwrap_or_default();
        let noted = report.readable(self.catalog.purging()).unwrap_or_default();
        let destroyed: BTreeMap<u32, BlobId> = destroyed
            .iter()
            .filter(|record| record.may_go && record.ordinal < pack.records)
            .map(|record| (record.ordinal, record.id))
            .collect();
        messages.retain(|message| message.ordinal < pack.records && !destroyed.contains_key(&message.ordinal));
        entries.retain(|entry| entry.ordinal < pack.records);
        let indices: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
        let mut commitments = self.commitments(&indices, log, report);
        for index in indices.iter().filter(|index| !commitments.contains_key(index)) {
            report.found(&format!("journal entry {index}"), "its leaf cannot be read".to_owned());
        }
        let entries =
            entries.into_iter().map(|entry| (entry.ordinal, (entry.index, commitments.remove(&entry.index)))).collect();
        let kept = messages.iter().map(|message| (message.id, *message)).collect();
        Expected {
            messages: messages.into_iter().map(|message| (message.ordinal, message)).collect(),
            kept,
            destroyed,
            is_noted: noted.iter().any(|noted| noted.pack == pack.number),
            entries,
            long: Vec::new(),
            elsewhere: Vec::new(),
            kept_entries: 0,
        }
    }

    /// The catalog's list of parts against those of the sealed packs.
    pub(super) fn check_parts(&self, packs: &[PackRow], report: &mut Report) {
        for pack in packs.iter().filter(|pack| pack.sealed_bytes.is_some()) {
            let known = report.readable(self.catalog.parts_in_pack(pack.number)).unwrap_or_default();
            // A pack whose table cannot be read has been named.
            let Ok(sealed) = store::read_sealed(&self.folder.join("packs"), pack.number) else { continue };
            if pack.sealed_bytes != Some(sealed.bytes) {
                // Compacted, and the catalog has still to hear of it.
                continue;
            }
            let there: HashMap<u32, BlobId> =
                sealed.parts.iter().map(|part| (part.location.ordinal, part.id)).collect();
            for (ordinal, id) in known {
                if there.get(&ordinal) != Some(&id) {
                    let problem = format!("part {id} is not record {ordinal} of pack {}", pack.number);
                    report.found("catalog.db", problem);
                }
            }
            if sealed.records != pack.records {
                let problem = format!("pack {} has {} records, not {}", pack.number, sealed.records, pack.records);
                report.found("catalog.db", problem);
            }
        }
    }
}

const fn packed(pack: &PackRow) -> Packed {
    match pack.sealed_bytes {
        Some(_) => Packed::Sealed(pack.number),
        None => Packed::Open(Extent { pack: pack.number, bytes: pack.committed_bytes, records: pack.records }),
    }
}

/// What the catalog says lies in a pack; what has been met is taken out.
struct Expected {
    messages: BTreeMap<u32, PackedMessage>,
    /// The same messages by their ids, for the entries that say they were kept.
    kept: HashMap<BlobId, PackedMessage>,
    /// Those whose octets may be destroyed; and whether they may be there still, because that goes on.
    destroyed: BTreeMap<u32, BlobId>,
    is_noted: bool,
    /// Indices, and what their leaves commit to, by the ordinals of the records.
    entries: BTreeMap<u32, (u64, Option<Commitment>)>,
    /// Entries whose records are longer than a frame, to be read once more.
    long: Vec<(Location, u64, Option<Commitment>)>,
    /// Entries about messages that lie in another pack: a batch may go on in the next.
    elsewhere: Vec<(u64, event::Kept)>,
    kept_entries: u64,
}

impl Expected {
    /// What is left was not met.
    fn missed(self, pack: &str, report: &mut Report) {
        for (ordinal, message) in self.messages {
            report.found(&format!("message {}", message.id), format!("is not readable at record {ordinal} of {pack}"));
        }
        for (ordinal, (index, _)) in self.entries {
            let problem = format!("its private record is not readable at record {ordinal} of {pack}");
            report.found(&format!("journal entry {index}"), problem);
        }
    }

    /// A message that is destroyed on record while its pack is still to be written anew, or is being. What it needs of other
    /// packs may be gone already.
    fn is_about_to_go(&self, record: &WalkedRecord<'_>, archive: &Archive) -> bool {
        let Stored { kind, id, location, .. } = record.stored;
        let is_known = self.destroyed.contains_key(&location.ordinal);
        kind == RecordKind::Message
            && ((is_known && self.is_noted) || (!is_known && !record.intact && archive.is_destroyed(&id)))
    }

    fn meet(&mut self, record: &WalkedRecord<'_>, pack: &str, report: &mut Report) {
        let stored = &record.stored;
        let ordinal = stored.location.ordinal;
        report.checked.bytes += stored.size_bytes;
        if !record.intact {
            let problem = record.problem.unwrap_or("its octets do not have their hash");
            report.found(&format!("record {ordinal} of {pack}"), problem.to_owned());
            // Named again as the message or the entry that it is.
            return;
        }
        match stored.kind {
            RecordKind::Message => {
                report.checked.messages += 1;
                if self.destroyed.get(&ordinal) == Some(&stored.id) {
                    let problem = format!("was destroyed, and record {ordinal} of {pack} has its octets still");
                    return report.found(&format!("message {}", stored.id), problem);
                }
                match self.messages.remove(&ordinal) {
                    Some(message) if message.id != stored.id => {
                        let problem = format!("record {ordinal} of {pack} is {}", stored.id);
                        report.found(&format!("message {}", message.id), problem);
                    }
                    // A message that no commit names: its batch failed after it was written. Sealing sweeps it.
                    Some(_) | None => {}
                }
            }
            RecordKind::Private => {
                report.checked.records += 1;
                match (self.entries.remove(&ordinal), record.octets) {
                    (Some((index, commitment)), Some(octets)) => self.check_entry(index, commitment, octets, report),
                    (Some((index, commitment)), None) => self.long.push((stored.location, index, commitment)),
                    (None, _) => {}
                }
            }
            RecordKind::Part => {}
        }
    }

    /// The leaf must carry the commitment that the record opens; and what the record says of a message that was kept,
    /// the catalog must say too.
    fn check_entry(&mut self, index: u64, leaf: Option<Commitment>, record: &[u8], report: &mut Report) {
        let object = format!("journal entry {index}");
        match journal::read_record(record) {
            Ok((occurrence, commitment)) => {
                if leaf.is_some_and(|leaf| leaf != commitment) {
                    report.found(&object, "does not commit to its private record".to_owned());
                }
                if let Event::Kept(kept) = occurrence.event {
                    self.kept_entries += 1;
                    match self.kept.get(&kept.message.id) {
                        Some(said) => check_kept(index, &kept, Some((said.journal, said.nonce)), report),
                        None => self.elsewhere.push((index, kept)),
                    }
                }
            }
            Err(error) => report.found(&object, error.to_string()),
        }
    }
}

/// `said`: the index and the nonce that the catalog has.
fn check_kept(index: u64, kept: &event::Kept, said: Option<(u64, Nonce)>, report: &mut Report) {
    if said != Some((index, kept.message.nonce)) {
        let problem = format!("the catalog does not say what journal entry {index} says of it");
        report.found(&format!("message {}", kept.message.id), problem);
    }
}
