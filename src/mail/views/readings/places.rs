//! Where in the octets parts stand, and what lies between them.

use std::borrow::Cow;
use std::ops::Range;

use crate::mail::message::{Part, header_block};

/// Where a part's body stands in the raw octets, if it does.
pub(super) fn place(raw: &[u8], part: &Part<'_>) -> Option<Range<usize>> {
    let Cow::Borrowed(body) = part.raw() else { return None };
    let start = (body.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
    (start + body.len() <= raw.len()).then(|| start..start + body.len())
}

/// Which part's body an octet stands in.
pub(super) fn part_at(ranges: &[Range<usize>], octet: usize) -> Option<usize> {
    let after = ranges.partition_point(|range| range.start <= octet);
    after.checked_sub(1).filter(|at| octet < ranges[*at].end)
}

/// What lies between the parts, the first header block left out.
pub(super) fn gaps(raw: &[u8], ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut gaps = Vec::new();
    let mut from = header_block(raw).len();
    for range in ranges {
        if range.start > from {
            gaps.push(from..range.start);
        }
        from = from.max(range.end);
    }
    gaps.push(from..raw.len());
    gaps.retain(|gap| !gap.is_empty());
    gaps
}

/// The notices that mail programs put before the first boundary.
pub(super) fn is_notice(octets: &[u8]) -> bool {
    const LONGEST: usize = 400;
    let has = |words: &[u8]| memchr::memmem::find(octets, words).is_some();
    octets.len() <= LONGEST && (has(b"MIME") || has(b"multi-part") || has(b"multipart")) && !has(b":")
}

/// `part N` of a reading of part N, else the first word.
pub(super) fn owner_of(name: &str) -> String {
    let words = if name.starts_with("part ") { 2 } else { 1 };
    name.split(' ').take(words).collect::<Vec<_>>().join(" ")
}
