//! Scans the archive again when the signatures have changed: the newest messages first, and only while nothing else is
//! due.

use super::look::Seen;
use super::scanner::Standing;
use super::{Outcome, Recording};
use crate::catalog::{MessageRow, Rescan};
use crate::mail::event::Rescanned;
use crate::mail::{Event, Verdict};
use crate::pipeline::Error;
use crate::pipeline::error::blocking;
use crate::pipeline::holds::Holds;
use crate::telemetry;

/// Messages of one step: few, so that new mail need not wait for long.
const AT_ONCE: u32 = 16;

/// The next messages of a rescan.
pub(super) struct Again {
    rescan: Rescan,
    pub(super) messages: Vec<MessageRow>,
}

impl Again {
    /// Notes what is to be scanned again now that these signatures are there: every message with a last word by others.
    pub(super) async fn begin(holds: &Holds, standing: &Standing) -> Result<(), Error> {
        let Some(set) = standing.set.clone() else { return Ok(()) };
        let (holds, signatures) = (holds.clone(), standing.signatures.clone());
        blocking(move || begun(&holds, set, signatures)).await
    }

    /// The next messages to be scanned again; `None` where all is as it should be.
    pub(super) async fn next(holds: &Holds, standing: &Standing) -> Result<Option<Self>, Error> {
        let Some(set) = standing.set.clone() else { return Ok(None) };
        let holds = holds.clone();
        blocking(move || {
            let under_way = |rescan: &Rescan| rescan.signature_set == set && rescan.below > 0;
            let Some(rescan) = holds.catalog.rescan()?.filter(under_way) else { return Ok(None) };
            let messages = holds.catalog.to_rescan(rescan.below, AT_ONCE)?;
            if messages.is_empty() {
                ended(&holds, rescan)?;
                return Ok(None);
            }
            Ok(Some(Self { rescan, messages }))
        })
        .await
    }

    /// Notes what came of all of these messages, and after how many questions to the scanner. A crash before the note
    /// repeats them. What could not be scanned is due like a new message, and its last verdict stands meanwhile.
    pub(super) fn record(
        mut self,
        recording: &Recording,
        outcomes: Vec<(MessageRow, Seen)>,
        questions: u64,
    ) -> Result<(), Error> {
        let Recording { holds } = recording;
        let below = self.messages.iter().map(|row| row.number).min().unwrap_or(1);
        let failed: Vec<u64> =
            outcomes.iter().filter(|(_, seen)| !is_answered(seen)).map(|(row, _)| row.number).collect();
        holds.catalog.scan_again(&failed, holds.clock.now())?;
        let Outcome { changed, infected } = recording.scanned(outcomes)?;
        let rescan = &mut self.rescan;
        rescan.below = below;
        rescan.messages += self.messages.len() as u64;
        rescan.parts += questions;
        rescan.changed += changed;
        rescan.infected += infected;
        Ok(holds.catalog.note_rescan(rescan)?)
    }
}

fn is_answered(seen: &Seen) -> bool {
    matches!(seen, Seen::Scanned(scanned) if scanned.verdict != Verdict::Error)
}

fn begun(holds: &Holds, set: String, signatures: String) -> Result<(), Error> {
    let last = holds.catalog.rescan()?.map(|rescan| rescan.signature_set);
    if last.or(holds.catalog.rescanned_with()?).is_some_and(|last| last == set) {
        return Ok(());
    }
    let (below, total) = holds.catalog.scanned_upto()?;
    let rescan = Rescan {
        why: format!("signatures: {signatures}"),
        signature_set: set,
        began: holds.clock.now(),
        below: if total == 0 { 0 } else { below },
        total,
        messages: 0,
        parts: 0,
        changed: 0,
        infected: 0,
    };
    if total > 0 {
        telemetry::rescan_began(&rescan.why, total);
    }
    Ok(holds.catalog.note_rescan(&rescan)?)
}

fn ended(holds: &Holds, rescan: Rescan) -> Result<(), Error> {
    let Rescan { why, signature_set, began, messages, parts, changed, infected, .. } = rescan;
    telemetry::rescan_ended(messages, changed, infected);
    let rescanned = Rescanned { why, signature_set, began, messages, parts, changed, infected };
    Ok(holds.tell(vec![Event::Rescanned(rescanned)])?)
}
