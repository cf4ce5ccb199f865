//! Tags, notes and saved searches: what people say of messages, on record before it counts.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Archive, Error, Message, told};
use crate::catalog::{NoteRow, SavedRow, TagCount};
use crate::mail::event::{ForgottenSearch, Noted, SavedSearch, Tagging};
use crate::mail::query;
use crate::mail::{BlobIdPrefix, Event, Label};

/// Messages that are told of in one transaction.
const AT_ONCE: usize = 512;

/// What came of putting a tag on messages, or of taking it off.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tagged {
    #[schemars(with = "String")]
    pub tag: Label,
    /// How many messages were meant.
    pub messages: u64,
    /// On how many of them it was not yet, or still was.
    pub changed: u64,
    /// How the query was read, where that may surprise.
    pub notes: Vec<String>,
}

/// A tag, and on how many messages it is.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct TagShown {
    pub tag: String,
    pub messages: u64,
}

/// What somebody wrote about a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NoteShown {
    /// RFC 3339, UTC.
    pub at: String,
    pub by: String,
    pub text: String,
}

/// A search that has a name.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SavedShown {
    pub name: String,
    pub query: String,
    pub by: String,
    /// When it was saved: RFC 3339, UTC.
    pub at: String,
}

impl Archive {
    /// Puts a tag on a message, by the beginning of its id, or on all that a query finds.
    pub fn tag(&self, tag: &Label, of: &str, by: &str) -> Result<Tagged, Error> {
        let there: BTreeSet<u64> = self.catalog.numbers_with_tag(tag)?.into_iter().collect();
        self.change_tag(
            tag,
            of,
            |number| !there.contains(&number),
            |message| Event::Tagged(Tagging { message: message.message, tag: tag.clone(), by: by.to_owned() }),
        )
    }

    /// Takes a tag off again.
    pub fn untag(&self, tag: &Label, of: &str, by: &str) -> Result<Tagged, Error> {
        let there: BTreeSet<u64> = self.catalog.numbers_with_tag(tag)?.into_iter().collect();
        self.change_tag(
            tag,
            of,
            |number| there.contains(&number),
            |message| Event::Untagged(Tagging { message: message.message, tag: tag.clone(), by: by.to_owned() }),
        )
    }

    fn change_tag(
        &self,
        tag: &Label,
        of: &str,
        is_changed: impl Fn(u64) -> bool,
        event: impl Fn(&Message) -> Event,
    ) -> Result<Tagged, Error> {
        let (numbers, notes) = self.meant(of)?;
        let mut outcome = Tagged { tag: tag.clone(), messages: 0, changed: 0, notes };
        for numbers in numbers.chunks(AT_ONCE) {
            let mut rows = self.catalog.numbered(numbers)?;
            rows.retain(|row| row.purged.is_none());
            outcome.messages += rows.len() as u64;
            let changed = rows.iter().filter(|row| is_changed(row.number));
            let events: Vec<_> = changed.map(|row| self.occurred(event(row))).collect();
            if !events.is_empty() {
                self.catalog.commit(&[], &events)?.into_iter().try_for_each(|outcome| told(vec![outcome]))?;
            }
            outcome.changed += events.len() as u64;
        }
        Ok(outcome)
    }

    /// What a person meant by an id or a query, and how the query was read.
    fn meant(&self, of: &str) -> Result<(Vec<u64>, Vec<String>), Error> {
        if of.trim().parse::<BlobIdPrefix>().is_ok() {
            match self.find(of.trim()) {
                Ok(row) if row.purged.is_some() => self.is_there(&row)?,
                Ok(row) => return Ok((vec![row.number], Vec::new())),
                // Then it is a word that looks like one.
                Err(Error::NoMessage(_)) => {}
                Err(error) => return Err(error),
            }
        }
        let found = self.matching(of)?;
        Ok((found.numbers, found.notes))
    }

    /// All tags that are on a message, by name.
    pub fn tags(&self) -> Result<Vec<TagShown>, Error> {
        let shown = |TagCount { name, messages }| TagShown { tag: name, messages };
        Ok(self.catalog.tags()?.into_iter().map(shown).collect())
    }

    /// Puts on record what somebody writes about a message.
    ///
    /// # Errors
    /// [`Error::Destroyed`]: of what is gone nothing is kept.
    pub fn note(&self, row: &Message, text: &str, by: &str) -> Result<(), Error> {
        self.is_there(row)?;
        self.tell(Event::Noted(Noted { message: row.message, text: text.to_owned(), by: by.to_owned() }))
    }

    /// What people wrote about a message, the first one first.
    pub fn notes(&self, row: &Message) -> Result<Vec<NoteShown>, Error> {
        Ok(self.catalog.notes(row.number)?.into_iter().map(NoteShown::from).collect())
    }

    /// Gives a search a name, in place of the one that had it.
    pub fn save_search(&self, name: &Label, query: &str, by: &str) -> Result<(), Error> {
        let [query, by] = [query.trim(), by].map(str::to_owned);
        self.tell(Event::SearchSaved(SavedSearch { name: name.clone(), query, by }))
    }

    /// # Errors
    /// [`Error::NoSavedSearch`]
    pub fn forget_search(&self, name: &Label, by: &str) -> Result<(), Error> {
        self.saved_query(name)?;
        self.tell(Event::SearchForgotten(ForgottenSearch { name: name.clone(), by: by.to_owned() }))
    }

    /// The searches that have names, by name.
    pub fn saved_searches(&self) -> Result<Vec<SavedShown>, Error> {
        Ok(self.catalog.saved_searches()?.into_iter().map(SavedShown::from).collect())
    }

    /// The query that a name stands for.
    ///
    /// # Errors
    /// [`Error::NoSavedSearch`]
    pub fn saved_query(&self, name: &Label) -> Result<String, Error> {
        self.catalog.saved_search(name)?.ok_or_else(|| Error::NoSavedSearch(name.to_string()))
    }

    /// The same, of what it finds only what a further query finds too.
    ///
    /// # Errors
    /// [`Error::NoSavedSearch`]
    pub fn saved_query_with(&self, name: &Label, further: &str) -> Result<String, Error> {
        let saved = self.saved_query(name)?;
        if further.trim().is_empty() {
            return Ok(saved);
        }
        // Printed, so that a parenthesis which somebody forgot takes in nothing of the other.
        let [saved, further] = [saved.as_str(), further].map(|text| query::parse(text).query);
        Ok(format!("({saved}) ({further})"))
    }
}

impl From<NoteRow> for NoteShown {
    fn from(NoteRow { at, by, text }: NoteRow) -> Self {
        Self { at: at.to_string(), by, text }
    }
}

impl From<SavedRow> for SavedShown {
    fn from(SavedRow { name, query, at, by }: SavedRow) -> Self {
        Self { name, query, by, at: at.to_string() }
    }
}
