//! Takes archives apart down to the last, one member at a time, as the scanner does: what is inside is looked at with
//! the same care as what was sent.

use super::source::{Member, Sources};
use super::{Budget, Limits, budget, sniff, source, zip};
use crate::mail::views::Doubt;

/// Doubts told of one view.
const MOST_DOUBTS: usize = 8;

/// Is given each member; whether it takes over to walk through that itself.
pub(super) type Visit<'v> = dyn FnMut(&mut Budget, &Member<'_>) -> bool + 'v;

/// What the octets, and all that can be taken out of them, say of themselves that the scanner does not report.
pub(super) fn walk(octets: &[u8], limits: &Limits, budget: &mut Budget, visit: &mut Visit<'_>) -> Vec<Doubt> {
    let mut walk = Walk { limits, budget, visit, doubts: Vec::new(), archives: 0 };
    walk.octets(octets, 1);
    walk.doubts
}

struct Walk<'w, 'v> {
    limits: &'w Limits,
    budget: &'w mut Budget,
    visit: &'w mut Visit<'v>,
    doubts: Vec<Doubt>,
    /// ZIP archives so far.
    archives: usize,
}

impl Walk<'_, '_> {
    fn note(&mut self, doubt: Doubt) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn octets(&mut self, octets: &[u8], level: u32) {
        for doubt in sniff::sniff(octets, self.limits).into_iter().chain(self.limits.doubt(octets)) {
            self.note(doubt);
        }
        let Sources { mut sources, covered } = source::sources(octets);
        let zips = zip::sources(octets, self.limits, &covered, self.archives);
        self.archives += zips.archives;
        zips.doubts.into_iter().for_each(|doubt| self.note(doubt));
        sources.extend(zips.sources);
        if level > self.limits.levels && (!sources.is_empty() || zips.archives > 0) {
            return self.note(Doubt::NestedTooDeep { levels: level, limit: self.limits.levels });
        }
        for source in sources {
            if self.budget.is_spent() {
                return self.note(budget::EXHAUSTED);
            }
            let unpacked = source.unpack(self.budget);
            unpacked.doubts.into_iter().for_each(|doubt| self.note(doubt));
            let held = unpacked.members.iter().map(Member::held_bytes).sum();
            self.budget.hold(held);
            for member in &unpacked.members {
                self.member(member, level);
            }
            self.budget.release(held);
        }
    }

    fn member(&mut self, member: &Member<'_>, level: u32) {
        if !self.budget.look(member.octets.len() as u64) {
            return self.note(budget::EXHAUSTED);
        }
        if !(self.visit)(self.budget, member) {
            self.octets(&member.octets, level + 1);
        }
    }
}
