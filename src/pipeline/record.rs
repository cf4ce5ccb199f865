use crate::mail::Fate;
use crate::mail::event::{Listed, Missed, SessionCounts};

/// What a session will leave in the ledger.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) counts: SessionCounts,
    pub(super) missed: Vec<Missed>,
    pub(super) gone: Vec<Listed>,
    pub(super) absent: Vec<Listed>,
}

impl Record {
    pub(super) fn miss(&mut self, listed: Listed, fate: Fate, reason: String) {
        self.count(fate);
        self.missed.push(Missed { listed, fate, reason });
    }

    pub(super) const fn count(&mut self, fate: Fate) {
        match fate {
            Fate::Oversize => self.counts.oversize += 1,
            Fate::Failed => self.counts.failed += 1,
            Fate::Vanished => self.counts.vanished += 1,
            _ => self.counts.deferred += 1,
        }
    }
}
