//! The directories of ZIP archives (PKWARE APPNOTE 6.3.10), wherever in the octets they lie. clamd cuts a member that is
//! larger than it takes and calls the rest of it clean, and opens no ZIP64: what it would not see is found here.

mod directory;
mod members;
mod strays;

use std::ops::Range;

use super::source::Source;
use super::{Budget, Limits, walk};
use crate::mail::views::Doubt;

pub(super) use directory::{printable, u16_at, u32_at};
pub(in crate::mail::views) use strays::Strays;

/// Archives looked into, nested ones among them.
const MOST_ARCHIVES: usize = directory::MOST_ENDS;

/// What may hide in the octets, and in archives inside them: encrypted members, too large and too many ones,
/// contradictions.
pub fn inspect(octets: &[u8], limits: &Limits) -> Vec<Doubt> {
    walk::walk(octets, limits, &mut Budget::of(octets.len(), limits), &mut |_, _| false)
}

/// The archives that lie in the octets, but for those inside each other.
#[derive(Debug, Default)]
pub(super) struct Zips<'o> {
    pub(super) archives: usize,
    /// Members that can be unpacked.
    pub(super) sources: Vec<Source<'o>>,
    pub(super) doubts: Vec<Doubt>,
}

/// `covered`: where files lie that are looked at by themselves. `before`: how many archives there were already.
pub(super) fn sources<'o>(octets: &'o [u8], limits: &Limits, covered: &[Range<usize>], before: usize) -> Zips<'o> {
    let mut zips = Zips::default();
    let found = directory::find(octets);
    if found.is_cut {
        zips.too_many();
    }
    let archives = directory::outermost(found.archives);
    if archives.is_empty() && octets.starts_with(directory::LOCAL) {
        zips.doubts.push(Doubt::Truncated { what: "its directory is missing" });
    }
    // Streams of such a document lie in pieces; clamd puts them together.
    let is_scattered = octets.starts_with(super::OLE);
    // clamd looks for one archive, at the beginning.
    let is_first = [directory::LOCAL, directory::END].iter().any(|begin| octets.starts_with(begin));
    let is_hidden = archives.len() > 1 || !is_first;
    let mut reached = 0;
    for archive in archives {
        zips.archives += 1;
        if before + zips.archives > MOST_ARCHIVES {
            zips.too_many();
            break;
        }
        if is_scattered {
            let note = &mut |doubt| zips.doubts.push(doubt);
            archive.members.iter().for_each(|member| _ = members::claims(member, limits, note));
        } else {
            let is_sound = zips.archive(octets, &archive, limits, reached);
            if is_sound && !is_covered(&archive, covered) {
                zips.members(octets, &archive, limits, is_hidden);
            }
        }
        reached = reached.max(archive.end as u64);
    }
    zips
}

fn is_covered(archive: &directory::Archive<'_>, covered: &[Range<usize>]) -> bool {
    let at = covered.partition_point(|range| range.start <= archive.directory);
    at.checked_sub(1).is_some_and(|at| covered[at].contains(&archive.directory))
}

impl<'o> Zips<'o> {
    fn too_many(&mut self) {
        self.doubts.push(Doubt::TooManyMembers { count: MOST_ARCHIVES as u64 + 1, limit: MOST_ARCHIVES as u64 });
    }

    /// What the archive as a whole says. `before`: where the archive before this one ends. Whether its members lie where
    /// members may: of those that lie over each other few octets would make endless work, and none of them is clean.
    fn archive(&mut self, octets: &[u8], archive: &directory::Archive<'_>, limits: &Limits, before: u64) -> bool {
        if archive.count > limits.members {
            self.doubts.push(Doubt::TooManyMembers { count: archive.count, limit: limits.members });
        }
        let contradictions = archive.contradictions.iter();
        self.doubts.extend(contradictions.map(|what| Doubt::Contradiction { what, name: String::new() }));
        self.doubts.extend(archive.truncated.map(|what| Doubt::Truncated { what }));
        let claimed = archive.members.iter().fold(0_u64, |sum, member| sum.saturating_add(member.size));
        if claimed > limits.total_bytes {
            self.doubts.push(Doubt::ContentTooLarge { size_bytes: claimed, limit_bytes: limits.total_bytes });
        }
        let layout = members::layout(octets, archive, before);
        let is_sound = !layout.iter().any(|doubt| matches!(doubt, Doubt::Contradiction { what: members::OVERLAP, .. }));
        self.doubts.extend(layout);
        is_sound
    }

    fn members(&mut self, octets: &'o [u8], archive: &directory::Archive<'o>, limits: &Limits, is_hidden: bool) {
        for member in &archive.members {
            let is_sound = members::inspect(octets, archive, member, limits, &mut |doubt| self.doubts.push(doubt));
            let Some(data) = members::data(octets, archive, member).filter(|_| is_sound) else { continue };
            let is_hidden = is_hidden || members::is_long(octets, archive, member);
            self.sources.extend(match member.method {
                members::STORED => Some(Source::Stored { octets: data, is_hidden }),
                members::DEFLATED => {
                    Some(Source::Deflated { data, size_bytes: member.size, name: member.name, is_hidden })
                }
                _ => None,
            });
        }
    }
}
