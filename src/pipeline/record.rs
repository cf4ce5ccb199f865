use std::collections::HashSet;

use crate::mail::Fate;
use crate::mail::event::{Listed, Missed, SessionCounts};

/// What a session will leave in the ledger.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) counts: SessionCounts,
    pub(super) missed: Vec<Missed>,
    /// Messages of which the ledger says already that they wait for their turn.
    pub(super) deferred: HashSet<u32>,
    pub(super) gone: Vec<Listed>,
    pub(super) absent: Vec<Listed>,
}

impl Record {
    pub(super) fn miss(&mut self, listed: Listed, fate: Fate, reason: String) {
        self.count(fate);
        self.missed.push(Missed { listed, fate, reason });
    }

    /// One that waits for its turn, in the ledger if it does not say so yet. What has no name is only counted: nothing would
    /// tell later that it came.
    pub(super) fn defer(&mut self, number: u32, listed: Listed, reason: &str) {
        if self.deferred.contains(&number) || listed.uidl.as_bytes().is_empty() {
            self.count(Fate::Deferred);
        } else {
            self.miss(listed, Fate::Deferred, reason.to_owned());
        }
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
