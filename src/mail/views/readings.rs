//! Makes the readings: parts first, then whatever looks like a part or a file in what nobody has decoded yet, and the
//! same again in all that came out.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use super::containers::zip::Strays;
use super::containers::{Budget, Member};
use super::doubt::Doubt;
use super::entities::{Entities, Entity, entities};
use super::fields::Coding;
use super::transfer::{base64, quoted, uuencode};
use super::{Limits, View, Views, carve, containers};
use crate::mail::message::{Encoding, Message, Part, Problem};

/// Further readings of one message.
const MOST_READINGS: usize = 400;
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
            numbers: HashMap::new(),
            doubts: Vec::new(),
            parts: message.parts.len(),
            left_bytes: raw.len().saturating_mul(4).saturating_add(1 << 20),
            left_work: raw.len().saturating_mul(16).saturating_add(1 << 20),
            left_growth: MOST_GROWTH_BYTES,
        };
        // What may still be unpacked of archives in any of the views.
        let mut budget = Budget::of(raw.len(), limits);
        let problems = message.problems.iter().filter(|problem| **problem != Problem::NoHeaders);
        readings.doubts.extend(problems.map(|problem| Doubt::Structure(*problem)));
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
        for part in &message.parts {
            let owner = format!("part {}", part.number);
            for (kind, octets) in part_readings(part) {
                self.add(&owner, kind, Cow::Owned(octets), 1);
            }
            if let Some(text) = carve::hidden_text(part) {
                self.add(&owner, "text", Cow::Owned(text.into_bytes()), 1);
            }
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
        if let Some(text) = carve::utf16(raw) {
            self.doubt(Doubt::Charset("utf-16".to_owned()));
            self.add("body", "text", Cow::Owned(text.into_bytes()), 1);
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
            if !octets.is_empty() && !is_notice(octets) {
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
            self.add(owner, kind, Cow::Owned(octets), level + 1);
        }
    }

    /// Looks into all views, those that come out of it among them.
    fn inside(&mut self, budget: &mut Budget) {
        let mut at = 0;
        while at < self.views.len() {
            let octets = std::mem::take(&mut self.views[at].octets);
            let limits = self.limits;
            let doubts = containers::inspect(&octets, limits, budget, |budget, member| self.member(at, member, budget));
            self.look(at, &octets, matches!(octets, Cow::Owned(_)), budget);
            let view = &mut self.views[at];
            view.octets = octets;
            view.doubts.extend(doubts);
            at += 1;
        }
    }

    /// A member of an archive in a view. What the scanner comes upon by itself is only looked into, the rest it is shown.
    fn member(&mut self, at: usize, member: &Member<'_>, budget: &mut Budget) -> bool {
        if !member.is_hidden {
            let more = member.octets.len().min(self.left_growth);
            self.left_growth -= more;
            self.left_bytes = self.left_bytes.saturating_add(more);
            self.left_work = self.left_work.saturating_add(4 * more);
            self.look(at, &member.octets, true, budget);
        } else if self.levels[at] == MOST_LEVELS {
            self.too_deep(at);
        } else {
            let octets = Cow::Owned(member.octets.to_vec());
            self.add(&self.owner(at), member.kind, octets, self.levels[at] + 1);
        }
        member.is_hidden
    }

    fn too_deep(&mut self, at: usize) {
        let (doubts, doubt) = (&mut self.views[at].doubts, Doubt::TooDeep { levels: MOST_LEVELS });
        if !doubts.contains(&doubt) {
            doubts.push(doubt);
        }
    }

    /// Who answers for a view.
    fn owner(&self, at: usize) -> String {
        let name = &self.views[at].name;
        if at < self.parts { name.clone() } else { owner_of(name) }
    }

    /// `octets`: those of a view, or of a member of it. `is_made`: they stand nowhere in the message.
    fn look(&mut self, at: usize, octets: &[u8], is_made: bool, budget: &mut Budget) {
        let (owner, level) = (self.owner(at), self.levels[at]);
        if level == MOST_LEVELS {
            if Self::has_more(octets, budget) {
                self.too_deep(at);
            }
            return;
        }
        self.files(&owner, octets, level + 1, budget);
        if !is_made {
            return;
        }
        let is_guess = self.views[at].name.contains("quoted-printable");
        let Entities { found, is_cut } = entities(octets);
        if is_cut {
            self.too_many();
        }
        for entity in found {
            let is_structural = entity.is_placed && entity.has_content_headers && !is_guess;
            if is_structural && self.views[at].doubts.len() < 8 {
                self.views[at].doubts.extend(entity.declared.doubts.iter().cloned());
            }
            self.entity(&owner, &entity, false, Source::Made(octets), level);
        }
    }

    /// Adds every file inside the octets.
    fn files(&mut self, owner: &str, octets: &[u8], level: u8, budget: &mut Budget) {
        let files = carve::files(octets, false);
        for (kind, found) in files.found {
            if found != *octets {
                self.add(owner, kind, Cow::Owned(found), level);
            }
        }
        let mut strays = Strays::of(octets);
        while let Some(found) = strays.next(budget) {
            if self.left_bytes == 0 {
                self.exhausted();
                break;
            }
            self.add(owner, "zip", Cow::Owned(found.into_owned()), level);
        }
        if files.is_cut || strays.is_cut() {
            self.too_many();
        }
    }

    /// Whether anything would be read out of the octets: files, or parts.
    fn has_more(octets: &[u8], budget: &mut Budget) -> bool {
        let files = carve::files(octets, false);
        let mut strays = Strays::of(octets);
        let has_strays = strays.next(budget).is_some();
        let Entities { found, is_cut } = entities(octets);
        let has_parts = found.iter().any(|entity| entity.has_content_headers && entity.is_readable(false));
        !files.found.is_empty() || has_strays || files.is_cut || strays.is_cut() || has_parts || is_cut
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

    fn add_named(&mut self, name: String, octets: Cow<'x, [u8]>, level: u8) {
        if self.is_known(&owner_of(&name), &octets) {
            return;
        }
        let made = self.views.len() - self.parts;
        if made >= MOST_READINGS || octets.len() > self.left_bytes {
            return self.exhausted();
        }
        self.left_bytes -= octets.len();
        self.push(name, octets, level);
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
        self.by_length.entry(octets.len()).or_default().push(self.views.len());
        self.views.push(View { name, octets, doubts: Vec::new() });
        self.levels.push(level);
    }

    /// A part answers for what can be read out of it, also where the same octets stand elsewhere in the message.
    fn is_known(&self, owner: &str, octets: &[u8]) -> bool {
        let is_of_part = owner.starts_with("part ");
        let is_same = |at: &usize| {
            let view = &self.views[*at];
            *view.octets == *octets && (!is_of_part || owner_of(&view.name) == owner)
        };
        octets == self.raw || self.by_length.get(&octets.len()).is_some_and(|views| views.iter().any(is_same))
    }
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

/// Where a part's body stands in the raw octets, if it does.
fn place(raw: &[u8], part: &Part<'_>) -> Option<Range<usize>> {
    let Cow::Borrowed(body) = part.raw() else { return None };
    let start = (body.as_ptr() as usize).checked_sub(raw.as_ptr() as usize)?;
    (start + body.len() <= raw.len()).then(|| start..start + body.len())
}

/// Which part's body an octet stands in.
fn part_at(ranges: &[Range<usize>], octet: usize) -> Option<usize> {
    let after = ranges.partition_point(|range| range.start <= octet);
    after.checked_sub(1).filter(|at| octet < ranges[*at].end)
}

/// What lies between the parts, the first header block left out.
fn gaps(raw: &[u8], ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut gaps = Vec::new();
    let mut from = crate::mail::message::header_block(raw).len();
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
fn is_notice(octets: &[u8]) -> bool {
    const LONGEST: usize = 400;
    let has = |words: &[u8]| memchr::memmem::find(octets, words).is_some();
    octets.len() <= LONGEST && (has(b"MIME") || has(b"multi-part") || has(b"multipart")) && !has(b":")
}

/// Readings of a part's body other than the one that the rules give.
fn part_readings(part: &Part<'_>) -> Vec<(&'static str, Vec<u8>)> {
    let body = part.raw();
    match part.encoding() {
        Encoding::Base64 if base64::is_plain(body) => Vec::new(),
        Encoding::Base64 => {
            let mut all = decodings(body, Coding { base64: true, uuencode: true, ..Coding::default() });
            all.push(("undecoded", body.to_vec()));
            all
        }
        Encoding::QuotedPrintable if quoted::is_plain(body) && !base64::is_likely(body) => Vec::new(),
        Encoding::QuotedPrintable => decodings(body, Coding { quoted: true, ..Coding::default() }),
        Encoding::None => decodings(body, Coding::default()),
    }
}

/// What a body can be decoded to, by its headers or by its looks.
fn decodings(body: &[u8], coding: Coding) -> Vec<(&'static str, Vec<u8>)> {
    let mut all = Vec::new();
    if coding.base64 || base64::is_likely(body) {
        all.extend(base64::readings(body).into_iter().map(|octets| ("base64", octets)));
    }
    if coding.uuencode {
        all.extend(uuencode::files(body, true).into_iter().map(|octets| ("uuencode", octets)));
    }
    if coding.quoted || quoted::is_likely(body) {
        let readings = quoted::readings(body).into_iter().take(if coding.quoted { 3 } else { 1 });
        all.extend(readings.map(|octets| ("quoted-printable", octets)));
    }
    all
}

/// `part N` of a reading of part N, else the first word.
fn owner_of(name: &str) -> String {
    let words = if name.starts_with("part ") { 2 } else { 1 };
    name.split(' ').take(words).collect::<Vec<_>>().join(" ")
}
