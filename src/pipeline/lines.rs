//! The lines of a listing, each beside what the ledger says of it; in little memory, for a maildrop may hold hundreds
//! of thousands. Decides nothing.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalog::{Archived, Known};
use crate::mail::event::{Listed, Uidl};
use crate::mail::{Fate, Timestamp};
use crate::net::pop3;

/// A message in the archive, as the ledger has the line that led to it.
#[derive(Clone, Debug)]
pub(super) struct Met {
    pub(super) archived: Arc<Archived>,
    pub(super) listed_bytes: Option<u64>,
    pub(super) fate_at: Timestamp,
    /// It was decided that the server is to delete it.
    pub(super) is_deleting: bool,
}

/// What became of a line before that led to nothing in the archive.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earlier {
    /// Under its unique-id there is a message in the archive, but of another size.
    pub(super) is_archived_otherwise: bool,
    pub(super) was_oversize: bool,
    pub(super) was_deferred: bool,
    pub(super) tried: Option<Tried>,
}

/// It was asked for before, and did not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) fate: Fate,
    pub(super) attempts: u32,
    pub(super) at: Timestamp,
}

#[derive(Debug)]
pub(super) struct Lines<'l> {
    listing: &'l [pop3::Listed],
    /// Among equal unique-ids of the listing, line by line.
    ordinals: Vec<u32>,
    /// The line that has a unique-id first, …
    first: HashMap<&'l [u8], usize>,
    /// … and those that have it again.
    again: HashMap<&'l [u8], Vec<usize>>,
    met: Vec<Option<Met>>,
    earlier: HashMap<usize, Earlier>,
}

impl<'l> Lines<'l> {
    pub(super) fn new(listing: &'l [pop3::Listed]) -> Self {
        let mut ordinals = Vec::with_capacity(listing.len());
        let mut first = HashMap::with_capacity(listing.len());
        let mut again: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (at, line) in listing.iter().enumerate() {
            if *first.entry(&line.uid[..]).or_insert(at) == at {
                ordinals.push(0);
            } else {
                let equal = again.entry(&line.uid[..]).or_default();
                equal.push(at);
                ordinals.push(u32::try_from(equal.len()).unwrap_or(u32::MAX));
            }
        }
        Self { listing, ordinals, first, again, met: vec![None; listing.len()], earlier: HashMap::new() }
    }

    /// Takes in a row of the ledger, the first of a message first; gives it back where no line is listed for it.
    pub(super) fn take(&mut self, row: Known) -> Option<Known> {
        let Some(at) = self.find(&row.listed) else { return Some(row) };
        let Known { listed: Listed { listed_bytes, .. }, fate, fate_at, attempts, archived, deleting } = row;
        match archived {
            Some(archived) if self.met[at].is_none() && self.has_size(at, listed_bytes) => {
                self.met[at] = Some(Met { archived, listed_bytes, fate_at, is_deleting: deleting.is_some() });
            }
            archived => {
                let earlier = self.earlier.entry(at).or_default();
                earlier.is_archived_otherwise |= archived.is_some();
                earlier.was_oversize |= fate == Fate::Oversize;
                earlier.was_deferred |= fate == Fate::Deferred;
                if matches!(fate, Fate::Failed | Fate::Interrupted) {
                    earlier.tried.get_or_insert(Tried { fate, attempts, at: fate_at });
                }
            }
        }
        None
    }

    /// All of the ledger has been taken in: how many lines the archive holds. Their names are not looked up any more.
    pub(super) fn finish(&mut self) -> usize {
        self.first = HashMap::new();
        self.met.iter().flatten().count()
    }

    pub(super) fn listed(&self, at: usize) -> Listed {
        let line = &self.listing[at];
        Listed { uidl: Uidl::new(&line.uid[..]), ordinal: self.ordinals[at], listed_bytes: line.size_bytes }
    }

    pub(super) fn met(&mut self, at: usize) -> Option<Met> {
        self.met[at].take()
    }

    pub(super) fn earlier(&self, at: usize) -> Earlier {
        self.earlier.get(&at).copied().unwrap_or_default()
    }

    /// Others in the listing have the same unique-id.
    pub(super) fn has_twins(&self, at: usize) -> bool {
        self.again.contains_key(&self.listing[at].uid[..])
    }

    fn find(&self, listed: &Listed) -> Option<usize> {
        let uid = listed.uidl.as_bytes();
        match usize::try_from(listed.ordinal).ok()?.checked_sub(1) {
            None => self.first.get(uid).copied(),
            Some(after) => self.again.get(uid)?.get(after).copied(),
        }
    }

    /// The same unique-id with another size is another message: servers do give an old id to new mail.
    fn has_size(&self, at: usize, known: Option<u64>) -> bool {
        match (known, self.listing[at].size_bytes) {
            (Some(known), Some(now)) => known == now,
            _ => true,
        }
    }
}
