//! Looks into what was decoded and unpacked, as into what was sent.

use std::borrow::Cow;

use super::places::{owner_of, place};
use super::{MOST_LEVELS, Readings, Source, structural};
use crate::mail::message;
use crate::mail::views::carve;
use crate::mail::views::containers::zip::Strays;
use crate::mail::views::containers::{self, Budget, Member};
use crate::mail::views::doubt::Doubt;
use crate::mail::views::entities::{Entities, entities};

impl Readings<'_, '_> {
    /// Looks into all views, those that come out of it among them.
    pub(super) fn inside(&mut self, budget: &mut Budget) {
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
        let more = member.octets.len().min(self.left_growth);
        if self.left_bytes > 0 {
            self.left_growth -= more;
            self.left_bytes = self.left_bytes.saturating_add(more);
            self.left_work = self.left_work.saturating_add(4 * more);
        }
        if !member.is_hidden {
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
        self.text(&owner, carve::utf16(octets), level + 1);
        let is_message = found.first().is_some_and(|first| first.start == 0 && first.has_content_headers);
        let parts = if is_message && !is_guess { self.message(at, octets, &owner, level + 1) } else { Vec::new() };
        for entity in found {
            let is_structural = entity.is_placed && entity.has_content_headers && !is_guess;
            if is_structural && self.views[at].doubts.len() < 8 {
                self.views[at].doubts.extend(entity.declared.doubts.iter().cloned());
            }
            let is_part = parts.binary_search(&entity.body.start).is_ok();
            self.entity(&owner, &entity, is_part, Source::Made(octets), level);
        }
    }

    /// A message inside another, as who goes by the rules sees it when it is opened. Where the bodies of its parts begin.
    fn message(&mut self, at: usize, octets: &[u8], owner: &str, level: u8) -> Vec<usize> {
        let message = message::read(octets);
        self.views[at].doubts.extend(structural(&message));
        for part in &message.parts {
            self.add(owner, "part", Cow::Owned(part.decoded().into_owned()), level);
            self.part(at, part, owner, level);
        }
        let mut begins: Vec<usize> = message.parts.iter().filter_map(|part| Some(place(octets, part)?.start)).collect();
        begins.sort_unstable();
        begins
    }

    /// Whether anything would be read out of the octets: files, or parts.
    fn has_more(octets: &[u8], budget: &mut Budget) -> bool {
        let mut has_files = false;
        let is_cut_off = carve::files(octets, &mut |_, _| has_files = true);
        let mut strays = Strays::of(octets);
        let has_strays = strays.next(budget).is_some();
        let Entities { found, is_cut } = entities(octets);
        let has_parts = found.iter().any(|entity| entity.has_content_headers && entity.is_readable(false));
        let has_text = carve::utf16(octets).is_some();
        has_files || has_text || has_strays || is_cut_off || strays.is_cut() || has_parts || is_cut
    }
}
