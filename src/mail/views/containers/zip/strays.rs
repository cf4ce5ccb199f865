use std::borrow::Cow;
use std::vec::IntoIter;

use memchr::memmem;

use super::directory::{self, Archive, LOCAL, u16_at, u32_at};
use super::members::{DEFLATED, STORED};
use crate::mail::views::containers::Budget;
use crate::mail::views::containers::inflate::inflate;

/// Shorter comments are for people.
const SHORTEST_COMMENT: usize = 32;
const MOST_STRAY_BYTES: usize = 16 << 20;

/// What programs take out of archives whose directory is broken or does not list it: members found by their own
/// headers, comments, what follows the end. They can lie in each other, so they are taken one at a time.
pub(in crate::mail::views) struct Strays<'o> {
    octets: &'o [u8],
    /// Where the headers of listed members begin.
    listed: Vec<u64>,
    /// Where directories begin and archives end.
    ends: Vec<usize>,
    comments: IntoIter<usize>,
    headers: memmem::FindIter<'o, 'static>,
    is_cut: bool,
}

impl<'o> Strays<'o> {
    pub(in crate::mail::views) fn of(octets: &'o [u8]) -> Self {
        let found = directory::find(octets);
        let is_archive = octets.starts_with(b"PK") || !found.archives.is_empty();
        let offsets = |archive: &Archive<'_>| {
            let begin = archive.begin;
            archive.members.iter().map(|member| begin.saturating_add(member.offset)).collect::<Vec<_>>()
        };
        let mut listed: Vec<u64> = found.archives.iter().flat_map(offsets).collect();
        listed.sort_unstable();
        let mut ends: Vec<usize> = found.archives.iter().flat_map(|archive| [archive.directory, archive.end]).collect();
        ends.sort_unstable();
        let outermost = directory::outermost(found.archives);
        let comments: Vec<usize> = outermost.iter().map(|archive| archive.end).collect();
        Self {
            octets,
            listed,
            ends,
            comments: comments.into_iter(),
            headers: memmem::find_iter(if is_archive { octets } else { &[] }, LOCAL),
            is_cut: found.is_cut,
        }
    }

    /// Whether there is more than was given.
    pub(in crate::mail::views) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(in crate::mail::views) fn next(&mut self, budget: &mut Budget) -> Option<Cow<'o, [u8]>> {
        self.comment(budget).map(Cow::Borrowed).or_else(|| self.member(budget))
    }

    /// What follows the end of an archive, up to another one.
    fn comment(&mut self, budget: &mut Budget) -> Option<&'o [u8]> {
        while let Some(end) = self.comments.next().filter(|_| self.goes_on(budget)) {
            let rest = self.octets.get(end..).unwrap_or_default();
            let comment = &rest[..memmem::find(rest, LOCAL).unwrap_or(rest.len())];
            budget.work(comment.len() as u64);
            if comment.len() >= SHORTEST_COMMENT {
                return Some(comment);
            }
        }
        None
    }

    fn member(&mut self, budget: &mut Budget) -> Option<Cow<'o, [u8]>> {
        let octets = self.octets;
        while let Some(at) = self.headers.next() {
            if self.listed.binary_search(&(at as u64)).is_ok() {
                continue;
            }
            if !self.goes_on(budget) {
                return None;
            }
            let end = self.ends.get(self.ends.partition_point(|end| *end <= at)).copied().unwrap_or(octets.len());
            if let Some(stray) = self.stray(&octets[at..end.min(octets.len())], budget)
                && !stray.is_empty()
            {
                return Some(stray);
            }
        }
        None
    }

    const fn goes_on(&mut self, budget: &Budget) -> bool {
        self.is_cut |= budget.is_spent();
        !budget.is_spent()
    }

    /// A member by its own header alone.
    fn stray(&mut self, octets: &'o [u8], budget: &mut Budget) -> Option<Cow<'o, [u8]>> {
        let packed = usize::try_from(u32_at(octets, 18)?).ok()?;
        let data = octets.get(30 + usize::from(u16_at(octets, 26)?) + usize::from(u16_at(octets, 28)?)..)?;
        let stray = match u16_at(octets, 8)? {
            STORED if packed == 0 => Cow::Borrowed(data),
            STORED => Cow::Borrowed(&data[..packed.min(data.len())]),
            DEFLATED => {
                let whole = inflate(data, budget.room().min(MOST_STRAY_BYTES));
                budget.work(whole.read as u64);
                self.is_cut |= whole.is_cut;
                Cow::Owned(whole.octets)
            }
            _ => return None,
        };
        budget.work(stray.len() as u64);
        Some(stray)
    }
}
