//! Makes the readings: parts first, then whatever looks like a part or a file in what nobody has decoded yet, and the
//! same again in all that came out.

mod decodings;
mod inside;
mod places;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::containers::Budget;
use super::containers::zip::Strays;
use super::doubt::Doubt;
use super::entities::{Entities, Entity, entities};
use super::transfer::base64;
use super::{Limits, View, Views, carve};
use crate::mail::message::{Message, Part, Problem};
use decodings::{decodings, part_readings};
use places::{gaps, is_notice, owner_of, part_at, place};

/// Further readings of one message.
const MOST_READINGS: usize = 2000;
/// Readings in readings in readings.
const MOST_LEVELS: u8 = 6;
/// What archives unpack to gives room for readings of it, but no more than this.
const MOST_GROWTH_BYTES: usize = 32 << 20;

pub(super) struct Readings<'x, 'l> {
    raw: &'x [u8],
    limits: &'l Limits,
    views: Vec<View<'x>>,
    /// How many decodings lie between the message and each view.
    levels: Vec<u8>,
    by_length: HashMap<usize, Vec<usize>>,
    /// The same for those of one part.
    by_owner: HashMap<(String, usize), Vec<usize>>,
    numbers: HashMap<(String, &'static str), u32>,
    doubts: Vec<Doubt>,
    parts: usize,
    left_bytes: usize,
    /// Octets that may still be looked at in bodies of what may be parts: they can lie in each other.
    left_work: usize,
    /// Members of archives up to this many octets add to both.
    left_growth: usize,
}

impl<'x, 'l> Readings<'x, 'l> {
    pub(super) fn of(raw: &'x [u8], message: &Message<'x>, limits: &'l Limits) -> Views<'x> {
        let mut readings = Self {
            raw,
            limits,
            views: Vec::new(),
            levels: Vec::new(),
            by_length: HashMap::new(),
            by_owner: HashMap::new(),
            numbers: HashMap::new(),
            doubts: Vec::new(),
            parts: message.parts.len(),
            left_bytes: raw.len().saturating_mul(4).saturating_add(1 << 20),
            left_work: raw.len().saturating_mul(16).saturating_add(1 << 20),
            left_growth: MOST_GROWTH_BYTES,
        };
        // What may still be unpacked of archives in any of the views.
        let mut budget = Budget::of(raw.len(), limits);
        readings.doubts.extend(structural(message));
        readings.doubts.extend(limits.doubt(raw));
        readings.parts(message);
        readings.undecoded(message, &mut budget);
        readings.inside(&mut budget);
        readings.share_exhaustion();
        Views { views: readings.views, doubts: readings.doubts }
    }

    fn doubt(&mut self, doubt: Doubt) {
        if !self.doubts.contains(&doubt) {
            self.doubts.push(doubt);
        }
    }

    /// What every reader that goes by the rules sees.
    fn parts(&mut self, message: &Message<'x>) {
        for part in &message.parts {
            self.push(format!("part {}", part.number), part.decoded(), 0);
        }
        for (at, part) in message.parts.iter().enumerate() {
            let owner = format!("part {}", part.number);
            self.part(at, part, &owner, 1);
        }
    }

    /// Further readings of a part. `at`: whose doubts its own are.
    fn part(&mut self, at: usize, part: &Part<'_>, owner: &str, level: u8) {
        for (kind, octets) in part_readings(part) {
            if self.is_spent() {
                break;
            }
            self.add(owner, kind, Cow::Owned(octets), level);
        }
        match carve::hidden_text(part) {
            Ok(text) => self.text(owner, text, level),
            Err(doubt) => self.views[at].doubts.push(doubt),
        }
    }

    fn text(&mut self, owner: &str, text: Option<String>, level: u8) {
        if let Some(text) = text {
            self.add(owner, "text", Cow::Owned(text.into_bytes()), level);
        }
    }

    /// What stands in the raw octets: parts that others see, and what lies between the parts.
    fn undecoded(&mut self, message: &Message<'x>, budget: &mut Budget) {
        let raw = self.raw;
        let (numbers, ranges): (Vec<u32>, Vec<Range<usize>>) =
            message.parts.iter().filter_map(|part| Some((part.number, place(raw, part)?))).unzip();
        let Entities { found, is_cut } = entities(raw);
        self.frame(&found, &ranges);
        for entity in found.iter().filter(|entity| entity.is_placed && part_at(&ranges, entity.start).is_none()) {
            entity.declared.doubts.iter().for_each(|doubt| self.doubt(doubt.clone()));
        }
        for entity in &found {
            let inside = part_at(&ranges, entity.start);
            let part = ranges.binary_search_by_key(&entity.body.start, |range| range.start);
            // What people quote inside a text says nothing of this message, unless all of it is open to doubt.
            if inside.is_some() && !entity.has_content_headers && self.doubts.is_empty() {
                continue;
            }
            let owner = match inside.or(part.ok()) {
                Some(at) => format!("part {}", numbers[at]),
                None => "body".to_owned(),
            };
            self.entity(&owner, entity, part.is_ok(), Source::Raw(raw), 0);
        }
        for gap in gaps(raw, &ranges) {
            self.files("body", &raw[gap], 1, budget);
        }
        if is_cut {
            self.too_many();
        }
        for (kind, octets) in carve::across(raw) {
            self.add("body", kind, Cow::Owned(octets), 1);
        }
        if let Some(text) = carve::utf16(raw) {
            self.doubt(Doubt::Charset("utf-16".to_owned()));
            self.text("body", Some(text), 1);
        }
    }

    /// What lies before the first boundary and behind the last.
    fn frame(&mut self, found: &[Entity], ranges: &[Range<usize>]) {
        let Some(top) = found.first().filter(|top| top.declared.is_multipart) else { return };
        let raw = self.raw;
        let first =
            found.iter().find(|entity| entity.body.start > top.body.start).map_or(raw.len(), |entity| entity.start);
        let preamble = top.body.start..top.body.end.min(first);
        let end = ranges.last().map_or(0, |range| range.end);
        let behind = raw.get(end..).unwrap_or_default();
        let close = memchr::memmem::rfind(behind, b"--").map_or(raw.len(), |at| end + at + 2);
        for (name, range) in [("preamble", preamble), ("epilogue", close..raw.len())] {
            let octets = raw.get(range).unwrap_or_default().trim_ascii();
            if !octets.is_empty() && !is_notice(octets) && !self.is_known(name, octets) {
                self.add_named(name.to_owned(), Cow::Borrowed(octets), 1);
            }
        }
    }

    fn entity(&mut self, owner: &str, entity: &Entity, is_part: bool, source: Source<'x, '_>, level: u8) {
        if !entity.is_readable(is_part) {
            return;
        }
        let declared = &entity.declared;
        let body = &source.octets()[entity.body.clone()];
        let is_container = declared.is_container();
        let Some(left) = self.left_work.checked_sub(body.len()) else { return self.exhausted() };
        self.left_work = left;
        if !(is_container || declared.coding.base64 && base64::is_plain(body)) {
            self.add(owner, "body", source.slice(entity.body.clone()), level + 1);
        }
        for (kind, octets) in decodings(body, declared.coding) {
            if self.is_spent() {
                break;
            }
            self.add(owner, kind, Cow::Owned(octets), level + 1);
        }
    }

    /// Adds every file inside the octets.
    fn files(&mut self, owner: &str, octets: &[u8], level: u8, budget: &mut Budget) {
        let is_cut = carve::files(octets, &mut |kind, found| {
            if found != *octets {
                self.add(owner, kind, Cow::Owned(found), level);
            }
        });
        let mut strays = Strays::of(octets);
        while let Some(found) = strays.next(budget) {
            if self.is_spent() {
                break;
            }
            self.add(owner, "zip", Cow::Owned(found.into_owned()), level);
        }
        if is_cut || strays.is_cut() {
            self.too_many();
        }
    }

    fn add(&mut self, owner: &str, kind: &'static str, octets: Cow<'x, [u8]>, level: u8) {
        if octets.is_empty() || self.is_known(owner, &octets) {
            return;
        }
        let number = self.numbers.entry((owner.to_owned(), kind)).or_default();
        *number += 1;
        let name = format!("{owner} {kind} {number}");
        self.add_named(name, octets, level);
    }

    /// What is not known yet.
    fn add_named(&mut self, name: String, octets: Cow<'x, [u8]>, level: u8) {
        let made = self.views.len() - self.parts;
        if made >= MOST_READINGS || octets.len() > self.left_bytes {
            return self.exhausted();
        }
        self.left_bytes -= octets.len();
        self.push(name, octets, level);
    }

    /// Whether there is no room for another reading, which is told.
    fn is_spent(&mut self) -> bool {
        if self.left_bytes == 0 {
            self.exhausted();
        }
        self.left_bytes == 0
    }

    fn exhausted(&mut self) {
        (self.left_bytes, self.left_work) = (0, 0);
        self.too_many();
    }

    fn too_many(&mut self) {
        let made = self.views.len() - self.parts;
        if !self.doubts.iter().any(|doubt| matches!(doubt, Doubt::TooManyReadings { .. })) {
            self.doubts.push(Doubt::TooManyReadings { made });
        }
    }

    /// Nobody knows which part was to be looked into next.
    fn share_exhaustion(&mut self) {
        let exhausted = self.doubts.iter().find(|doubt| matches!(doubt, Doubt::TooManyReadings { .. }));
        let Some(exhausted) = exhausted else { return };
        self.views.iter_mut().for_each(|view| view.doubts.push(exhausted.clone()));
    }

    fn push(&mut self, name: String, octets: Cow<'x, [u8]>, level: u8) {
        let (at, length) = (self.views.len(), octets.len());
        self.by_length.entry(length).or_default().push(at);
        let owner = if at < self.parts { name.clone() } else { owner_of(&name) };
        self.by_owner.entry((owner, length)).or_default().push(at);
        self.views.push(View { name, octets, doubts: Vec::new() });
        self.levels.push(level);
    }

    /// A part answers for what can be read out of it, also where the same octets stand elsewhere in the message.
    fn is_known(&self, owner: &str, octets: &[u8]) -> bool {
        let length = octets.len();
        let same = match owner.starts_with("part ") {
            true => self.by_owner.get(&(owner.to_owned(), length)),
            false => self.by_length.get(&length),
        };
        octets == self.raw || same.into_iter().flatten().any(|at| *self.views[*at].octets == *octets)
    }
}

/// What of a message could not be taken apart, or not surely.
fn structural(message: &Message<'_>) -> impl Iterator<Item = Doubt> {
    let problems = message.problems.iter().copied();
    let doubtful = problems.filter(|problem| !matches!(problem, Problem::NoHeaders | Problem::CutWhenReturned));
    doubtful.map(Doubt::Structure)
}

/// What readings are taken from: the message itself, or what was decoded out of it.
#[derive(Clone, Copy)]
enum Source<'x, 's> {
    Raw(&'x [u8]),
    Made(&'s [u8]),
}

impl<'x, 's> Source<'x, 's> {
    const fn octets(self) -> &'s [u8]
    where
        'x: 's,
    {
        match self {
            Self::Raw(octets) => octets,
            Self::Made(octets) => octets,
        }
    }

    fn slice(self, range: Range<usize>) -> Cow<'x, [u8]> {
        match self {
            Self::Raw(octets) => Cow::Borrowed(&octets[range]),
            Self::Made(octets) => Cow::Owned(octets[range].to_vec()),
        }
    }
}
