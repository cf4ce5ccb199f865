//! What can be taken out of octets, and how: nothing is unpacked before it is asked for.

use std::borrow::Cow;
use std::io::{ErrorKind, Read};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::inflate::inflate;
use super::zip::printable;
use super::{Budget, OLE, budget, ole, sevenz, streams, tar};
use crate::mail::views::Doubt;

/// A file that was taken out of an archive.
#[derive(Debug)]
pub(in crate::mail::views) struct Member<'o> {
    /// The archive's format.
    pub(in crate::mail::views) kind: &'static str,
    pub(in crate::mail::views) octets: Cow<'o, [u8]>,
    /// The scanner does not come upon it by itself.
    pub(in crate::mail::views) is_hidden: bool,
}

impl Member<'_> {
    pub(super) fn held_bytes(&self) -> u64 {
        match &self.octets {
            Cow::Borrowed(_) => 0,
            Cow::Owned(octets) => octets.len() as u64,
        }
    }
}

/// One piece of work: a member of a ZIP archive, or all of another archive.
#[derive(Debug)]
pub(super) enum Source<'o> {
    Stored { octets: &'o [u8], is_hidden: bool },
    Deflated { data: &'o [u8], size_bytes: u64, name: &'o [u8], is_hidden: bool },
    Whole { format: &'static Format, octets: &'o [u8] },
}

/// How octets begin, and what takes them apart within so much room.
#[derive(Debug)]
pub(super) struct Format {
    beginning: &'static [u8],
    name: &'static str,
    unpack: for<'o> fn(&'o [u8], usize) -> Unpacked<'o>,
}

const FORMATS: &[Format] = &[
    Format { beginning: &[0x1f, 0x8b, 8], name: "gzip file", unpack: streams::gzip },
    Format { beginning: b"BZh", name: "bzip2 file", unpack: streams::bzip2 },
    Format { beginning: b"\xfd7zXZ\0", name: "XZ file", unpack: streams::xz },
    Format { beginning: b"7z\xbc\xaf\x27\x1c", name: "7z archive", unpack: sevenz::members },
    Format { beginning: OLE, name: "compound file", unpack: ole::streams },
];
/// Their beginnings can be many things.
const ZLIB: &Format = &Format { beginning: b"", name: "zlib stream", unpack: streams::zlib };
const TAR: &Format = &Format { beginning: b"", name: "tar archive", unpack: tar::members };

#[derive(Debug, Default)]
pub(super) struct Unpacked<'o> {
    pub(super) members: Vec<Member<'o>>,
    pub(super) doubts: Vec<Doubt>,
}

/// What the octets can be taken apart to, ZIP archives aside, and where in them that lies which needs no unpacking.
#[derive(Debug, Default)]
pub(super) struct Sources<'o> {
    pub(super) sources: Vec<Source<'o>>,
    pub(super) covered: Vec<Range<usize>>,
}

pub(super) fn sources(octets: &[u8]) -> Sources<'_> {
    if tar::is_tar(octets) {
        let covered = catch_unwind(|| tar::covered(octets)).unwrap_or_default();
        return Sources { sources: vec![Source::Whole { format: TAR, octets }], covered };
    }
    let format = FORMATS.iter().find(|format| octets.starts_with(format.beginning));
    let format = format.or_else(|| streams::is_zlib(octets).then_some(ZLIB));
    Sources {
        sources: format.map(|format| Source::Whole { format, octets }).into_iter().collect(),
        ..Sources::default()
    }
}

impl<'o> Source<'o> {
    /// Takes out what there is room for. A library that fails costs its own archive alone.
    pub(super) fn unpack(&self, budget: &mut Budget) -> Unpacked<'o> {
        let unpacked = match *self {
            Self::Stored { octets, is_hidden } => {
                let member = Member { kind: "zip", octets: Cow::Borrowed(octets), is_hidden };
                Unpacked { members: vec![member], doubts: Vec::new() }
            }
            Self::Deflated { data, size_bytes, name, is_hidden } => {
                return deflated(data, size_bytes, name, is_hidden, budget);
            }
            Self::Whole { format, octets } => {
                let room = budget.room();
                catch_unwind(AssertUnwindSafe(|| (format.unpack)(octets, room)))
                    .unwrap_or_else(|_| unopened(format!("this {}", format.name)))
            }
        };
        budget.work(unpacked.members.iter().map(|member| member.octets.len() as u64).sum());
        unpacked
    }
}

fn deflated<'o>(data: &[u8], size_bytes: u64, name: &[u8], is_hidden: bool, budget: &mut Budget) -> Unpacked<'o> {
    let Some(most) = usize::try_from(size_bytes).ok().filter(|size| *size <= budget.room()) else {
        return Unpacked { members: Vec::new(), doubts: vec![budget::EXHAUSTED] };
    };
    let whole = inflate(data, most);
    budget.work(whole.read as u64);
    let longer = Doubt::Contradiction { what: "a member is longer than it says", name: printable(name) };
    let doubts = whole.is_cut.then_some(longer).into_iter().collect();
    let octets = Cow::Owned(whole.octets);
    Unpacked { members: vec![Member { kind: "zip", octets, is_hidden }], doubts }
}

pub(super) fn unopened<'o>(what: String) -> Unpacked<'o> {
    Unpacked { members: Vec::new(), doubts: vec![Doubt::Unopened { what }] }
}

/// What came out of a reader.
pub(super) struct Content {
    pub(super) octets: Vec<u8>,
    /// There is more.
    pub(super) is_cut: bool,
    /// Something other than an early end kept the rest from being read.
    pub(super) is_broken: bool,
}

/// All that can be read, up to `most` octets. What breaks off is taken as far as it goes.
pub(super) fn read_within(reader: impl Read, most: usize) -> Content {
    let mut octets = Vec::new();
    let read = reader.take((most as u64).saturating_add(1)).read_to_end(&mut octets);
    let is_cut = octets.len() > most;
    octets.truncate(most);
    let is_broken = read.is_err_and(|error| error.kind() != ErrorKind::UnexpectedEof);
    Content { octets, is_cut, is_broken }
}
