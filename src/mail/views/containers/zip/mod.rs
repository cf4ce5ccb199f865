//! The directories of ZIP archives (PKWARE APPNOTE 6.3.10), wherever in the octets they lie. clamd cuts a member that is
//! larger than it takes and calls the rest of it clean: what it would not see is found here.

mod directory;
mod members;
mod strays;

use super::budget::exhausted;
use super::inflate::{inflate, length};
use super::{Budget, Limits};
use crate::mail::views::Doubt;

pub(in crate::mail::views) use strays::Strays;

/// Archives looked into, nested ones among them.
const MOST_ARCHIVES: usize = directory::MOST_ENDS;
/// Doubts told of one archive.
const MOST_DOUBTS: usize = 8;

/// What may hide in the archives: encrypted members, too large and too many ones, contradictions.
pub fn inspect(octets: &[u8], limits: &Limits) -> Vec<Doubt> {
    inspect_within(octets, limits, &mut Budget::of(octets.len(), limits))
}

pub(super) fn inspect_within(octets: &[u8], limits: &Limits, budget: &mut Budget) -> Vec<Doubt> {
    let mut inspection = Inspection { limits, budget, doubts: Vec::new(), archives: 0 };
    inspection.octets(octets, 1);
    inspection.doubts
}

struct Inspection<'l> {
    limits: &'l Limits,
    budget: &'l mut Budget,
    doubts: Vec<Doubt>,
    archives: usize,
}

impl Inspection<'_> {
    fn note(&mut self, doubt: Doubt) {
        if self.doubts.len() < MOST_DOUBTS && !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    fn octets(&mut self, octets: &[u8], level: u32) {
        if self.archives > MOST_ARCHIVES {
            return self.too_many();
        }
        let found = directory::find(octets);
        if found.is_cut {
            self.too_many();
        }
        let archives = directory::outermost(found.archives);
        // Streams of such a document lie in pieces; clamd puts them together.
        let is_scattered = octets.starts_with(super::OLE);
        let mut before = 0;
        if archives.is_empty() && octets.starts_with(directory::LOCAL) {
            self.note(Doubt::Truncated { what: "its directory is missing" });
        }
        for archive in archives {
            self.archives += 1;
            if level > self.limits.levels {
                self.note(Doubt::NestedTooDeep { levels: level, limit: self.limits.levels });
                return;
            }
            if self.archives > MOST_ARCHIVES {
                return self.too_many();
            }
            if is_scattered {
                self.scattered(&archive);
            } else {
                self.archive(octets, &archive, before, level);
            }
            before = before.max(archive.end as u64);
        }
    }

    fn too_many(&mut self) {
        self.note(Doubt::TooManyMembers { count: MOST_ARCHIVES as u64 + 1, limit: MOST_ARCHIVES as u64 });
    }

    fn scattered(&mut self, archive: &directory::Archive<'_>) {
        for member in &archive.members {
            members::claims(member, self.limits, &mut |doubt| self.note(doubt));
        }
    }

    /// `before`: where the archive before this one ends.
    fn archive(&mut self, octets: &[u8], archive: &directory::Archive<'_>, before: u64, level: u32) {
        if archive.count > self.limits.members {
            self.note(Doubt::TooManyMembers { count: archive.count, limit: self.limits.members });
        }
        for what in &archive.contradictions {
            self.note(Doubt::Contradiction { what, name: String::new() });
        }
        if let Some(what) = archive.truncated {
            self.note(Doubt::Truncated { what });
        }
        let claimed = archive.members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.size));
        if claimed > self.limits.total_bytes {
            self.note(Doubt::ContentTooLarge { size_bytes: claimed, limit_bytes: self.limits.total_bytes });
        }
        for doubt in members::layout(octets, archive, before) {
            self.note(doubt);
        }
        for member in &archive.members {
            self.member(octets, archive, member, level);
        }
    }

    fn member(&mut self, octets: &[u8], archive: &directory::Archive<'_>, member: &directory::Member<'_>, level: u32) {
        let is_sound = members::inspect(octets, archive, member, self.limits, &mut |doubt| self.note(doubt));
        let Some(data) = members::data(octets, archive, member).filter(|_| is_sound) else { return };
        if self.budget.is_spent() {
            return self.note(exhausted());
        }
        match member.method {
            members::STORED if data.starts_with(directory::LOCAL) => {
                self.budget.work(data.len() as u64);
                self.octets(data, level + 1);
            }
            members::DEFLATED => self.deflated(member, data, level),
            _ => {}
        }
    }

    /// Unpacks what may become too large, or is an archive again.
    fn deflated(&mut self, member: &directory::Member<'_>, data: &[u8], level: u32) {
        let may_be_large = (data.len() as u64).saturating_mul(members::MOST_DEFLATED) > self.limits.file_bytes;
        let begin = inflate(data, 4);
        self.budget.work(begin.read as u64);
        if begin.octets.starts_with(directory::LOCAL) || begin.octets.starts_with(directory::END) {
            self.nested(member, data, level);
        } else if may_be_large {
            self.measure(member, data);
        }
    }

    fn nested(&mut self, member: &directory::Member<'_>, data: &[u8], level: u32) {
        if member.size > self.budget.room() {
            return self.note(exhausted());
        }
        let whole = inflate(data, usize::try_from(member.size).unwrap_or(usize::MAX));
        self.budget.work(whole.read as u64);
        self.is_longer(member, whole.is_cut);
        self.budget.hold(&whole.octets);
        self.octets(&whole.octets, level + 1);
        self.budget.release(&whole.octets);
    }

    fn measure(&mut self, member: &directory::Member<'_>, data: &[u8]) {
        if member.size > self.budget.left_work() {
            return self.note(exhausted());
        }
        let whole = length(data, member.size);
        self.budget.work(whole.octets + whole.read as u64);
        self.is_longer(member, whole.is_cut);
    }

    fn is_longer(&mut self, member: &directory::Member<'_>, is_cut: bool) {
        if is_cut {
            self.note(Doubt::Contradiction { what: "a member is longer than it says", name: member.name() });
        }
    }
}
