use schemars::JsonSchema;
use serde::Serialize;

use super::items::stands;
use crate::archive::{Archive, Error};
use crate::catalog::{Held, ItemState};
use crate::mail::event::Decision;
use crate::mail::{BlobId, Event};

/// A person's wish to let something out.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub reason: &'a str,
    pub by: &'a str,
    /// Two persons are needed.
    pub four_eyes: bool,
}

/// What became of the wish for one item.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Decided {
    #[schemars(with = "String")]
    pub hash: BlobId,
    /// The finding that is let pass.
    pub signature: String,
    pub outcome: Outcome,
    /// Who asked for it first, or released or destroyed it before.
    pub before: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Ordinary readers get it again.
    Released,
    /// It is on record that this person wants it; another has to do the same.
    Asked,
    /// The same person asked already: nothing has changed.
    NeedsAnotherPerson,
    /// Something else was found in it meanwhile; it stays sealed off.
    FoundAgain,
    /// It was released before: nothing has changed.
    AlreadyReleased,
    /// There is nothing left to release.
    Destroyed,
}

impl Outcome {
    /// Whether the person got what they wanted, as far as one person may.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Released | Self::Asked)
    }
}

impl Archive {
    /// Lets out what is sealed off: an item by the beginning of its hash, or all that was found in a message. It holds
    /// for what is found in it now, and for nothing else.
    pub fn release(&self, id: &str, wish: &Wish<'_>) -> Result<Vec<Decided>, Error> {
        self.held(id)?.iter().map(|held| self.decide(held, wish)).collect()
    }

    fn decide(&self, held: &Held, wish: &Wish<'_>) -> Result<Decided, Error> {
        let asked = held.asked.as_ref().filter(|(_, at, _)| stands(held, *at)).map(|(by, ..)| by.clone());
        let (outcome, before) = match (held.state, asked) {
            (ItemState::Purged, _) => (Outcome::Destroyed, None),
            (ItemState::Released, _) => (Outcome::AlreadyReleased, self.releaser(held)?),
            (ItemState::Sealed, Some(first)) if wish.four_eyes && is_same(&first, wish.by) => {
                (Outcome::NeedsAnotherPerson, Some(first))
            }
            (ItemState::Sealed, None) if wish.four_eyes => {
                self.tell(Event::ReleaseAsked(decision(held, wish, None)))?;
                (Outcome::Asked, None)
            }
            (ItemState::Sealed, first) => {
                let first = first.filter(|first| !is_same(first, wish.by));
                self.tell(Event::Released(decision(held, wish, first.clone())))?;
                (self.outcome(held)?, first)
            }
        };
        Ok(Decided { hash: held.blob, signature: held.signature.clone(), outcome, before })
    }

    /// The catalog decides: the scanner may have found something else in it a moment ago.
    fn outcome(&self, held: &Held) -> Result<Outcome, Error> {
        Ok(match self.catalog.held(&held.blob)?.map(|now| now.state) {
            Some(ItemState::Released) => Outcome::Released,
            Some(ItemState::Sealed) => Outcome::FoundAgain,
            Some(ItemState::Purged) | None => Outcome::Destroyed,
        })
    }

    fn releaser(&self, held: &Held) -> Result<Option<String>, Error> {
        Ok(self.catalog.releases(held.number)?.pop().map(|last| last.by))
    }
}

fn decision(held: &Held, wish: &Wish<'_>, asked_by: Option<String>) -> Decision {
    Decision {
        blob: held.blob,
        signature: held.signature.clone(),
        reason: wish.reason.trim().to_owned(),
        by: wish.by.to_owned(),
        asked_by,
    }
}

/// Whoever acts through `sudo` is still the same person.
fn is_same(one: &str, other: &str) -> bool {
    let person = |name: &str| name.strip_suffix(" (sudo)").unwrap_or(name).to_owned();
    person(one) == person(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sudo_makes_no_second_person() {
        assert!(is_same("ana", "ana (sudo)") && is_same("ana (sudo)", "ana"));
        assert!(!is_same("ana", "ivo (sudo)"));
    }
}
