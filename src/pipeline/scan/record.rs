use crate::catalog::{MessageRow, Stage, Task};
use crate::mail::event::{MessageRef, Quarantined, Scanned};
use crate::mail::{Event, Verdict};
use crate::pipeline::Error;
use crate::pipeline::holds::Holds;
use crate::telemetry;

use super::judge;
use super::look::Seen;

/// Writes down what the scanner said.
#[derive(Clone, Debug)]
pub(super) struct Recording {
    pub(super) holds: Holds,
}

/// What a batch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Messages with another verdict than before.
    pub(super) changed: u64,
    pub(super) infected: u64,
}

impl Recording {
    /// For messages that were due. What fails is tried again later.
    pub(super) fn due(&self, outcomes: Vec<(Task, Seen)>) -> Result<(), Error> {
        let (mut scanned, mut failed) = (Vec::new(), Vec::new());
        for (task, seen) in outcomes {
            match seen {
                Seen::Scanned(message) if message.verdict == Verdict::Error => {
                    let why = message.views.iter().find_map(|view| view.detail.clone()).unwrap_or_default();
                    if task.message.verdict == Verdict::Pending {
                        scanned.push((task.message.clone(), Seen::Scanned(message)));
                    }
                    failed.push((task, format!("the scanner failed on it: {why}")));
                }
                Seen::Scanned(_) => scanned.push((task.message, seen)),
                Seen::Unanswered(why) => failed.push((task, why)),
                // It says nothing about this message.
                Seen::Away(_) => {}
            }
        }
        self.scanned(scanned)?;
        let now = self.holds.clock.now();
        for (task, why) in failed {
            self.holds.catalog.work_failed(Stage::Scan, &task, &why, now)?;
        }
        Ok(())
    }

    /// Puts on record what is new: another verdict, another finding. A last word is never taken back by a failure.
    pub(super) fn scanned(&self, messages: Vec<(MessageRow, Seen)>) -> Result<Outcome, Error> {
        let mut outcome = Outcome::default();
        let mut events = Vec::new();
        let mut unchanged = Vec::new();
        for (row, seen) in messages {
            let Seen::Scanned(scanned) = seen else { continue };
            let is_first = !row.verdict.is_final();
            let known = if is_first { Vec::new() } else { self.holds.catalog.verdicts(row.number)? };
            if !is_first && scanned.verdict == Verdict::Error {
                continue;
            }
            if !is_first && judge::is_same(&known, &scanned.views) {
                unchanged.push(row.number);
                continue;
            }
            if !is_first && scanned.verdict != row.verdict {
                outcome.changed += 1;
                outcome.infected += u64::from(scanned.verdict == Verdict::Infected);
            }
            self.told(&row, scanned, &mut events)?;
        }
        self.holds.tell(events)?;
        unchanged.into_iter().try_for_each(|number| self.holds.catalog.scanned_as_before(number))?;
        Ok(outcome)
    }

    /// The events for one message; and where something was found in what people may have read already, who did.
    fn told(&self, row: &MessageRow, scanned: Scanned, events: &mut Vec<Event>) -> Result<(), Error> {
        telemetry::message_scanned(&row.message.id, scanned.verdict);
        let items = judge::items(row.message.id, row.size_bytes, &scanned.views);
        let message: MessageRef = scanned.message;
        let was_infected = row.verdict == Verdict::Infected;
        events.push(Event::Scanned(scanned));
        if items.is_empty() {
            return Ok(());
        }
        let signatures: Vec<&str> = items.iter().map(|item| item.signature.as_str()).collect();
        // Its exact octets are for everybody, also before they were scanned.
        let readers: Vec<String> = self.holds.catalog.read_by(row.number)?.iter().map(reader).collect();
        if !was_infected && (row.verdict.is_final() || !readers.is_empty()) {
            telemetry::infected_after_the_fact(&row.message.id, &signatures.join(", "), &readers);
        } else {
            telemetry::quarantined(&row.message.id, &signatures.join(", "));
        }
        events.push(Event::Quarantined(Quarantined { message, items }));
        Ok(())
    }
}

fn reader(read: &crate::catalog::ReadBy) -> String {
    format!("{} {} {} at {}", read.by, read.kind, read.what, read.at)
}
