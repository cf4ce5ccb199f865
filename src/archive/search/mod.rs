//! Searching: hits with snippets, counts, and why a message is a hit.
//! Knows nothing about how the index finds them, nor about screens.

mod explain;
mod facets;
mod hit;
mod texts;

use schemars::JsonSchema;
use serde::Serialize;

pub use explain::{Explanation, Piece};
pub use facets::{Count, Facets};
pub use hit::Hit;
pub(super) use texts::Recent;

use super::{Archive, Error};
use crate::catalog::Stage;
use crate::index::{self, Facts, Index, NumberSet, Page, Sort};
use crate::mail::query::{self, Fact, Query};
use crate::mail::text::sought_tokens;

/// What to look for, and which of the hits are wanted.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub query: String,
    pub order: Order,
    /// Only hits behind this message: its id, or the beginning of it.
    pub after: Option<String>,
    pub offset: usize,
    /// With 0, only the total is looked for.
    pub limit: usize,
    /// Whether all hits are to be counted by kind, too.
    pub with_facets: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Newest,
    Oldest,
    Relevance,
}

/// The answer to a search.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Results {
    /// How many messages match, exactly.
    pub total: u64,
    pub hits: Vec<Hit>,
    /// What `--after` takes for the hits behind these; `null` if there are none.
    pub next: Option<String>,
    pub skipped: Skipped,
    /// How the query was read, where that may surprise; and what is amiss with the index.
    pub notes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facets: Option<Facets>,
}

/// Every message that a query finds.
#[derive(Clone, Debug)]
pub struct Matching {
    pub numbers: Vec<u64>,
    /// How the query was read, where that may surprise.
    pub notes: Vec<String>,
}

/// What could not be looked into.
#[derive(Clone, Copy, Debug, Default, Serialize, JsonSchema)]
pub struct Skipped {
    /// Messages that are kept, and not in the index yet, or about to be indexed again.
    pub unindexed: u64,
    /// Messages with attachments whose text is not in the index: not read yet, or unreadable, or only in part.
    pub unextracted: u64,
    /// Messages with something encrypted in them.
    pub encrypted: u64,
}

impl Archive {
    /// The messages that match, with exact total. A query is never wrong: what is no operator is a word.
    pub fn search(&self, search: &Search) -> Result<Results, Error> {
        let parsed = query::parse(&search.query);
        let facts = self.facts(&parsed.query)?;
        let after = search.after.as_deref().map(|id| self.find(id)).transpose()?;
        let after = after.map(|row| row.message.id);
        // One more than is wanted says whether there are more.
        let limit = if search.limit == 0 { 0 } else { search.limit.saturating_add(1) };
        let page = Page { sort: search.order.into(), after, offset: search.offset, limit };
        match self.suspecting(self.found(search, parsed.query, &facts, &page, parsed.notes.clone())) {
            Err(Error::Index(error)) if error.wants_rebuild() => {
                self.nothing(search, parsed.notes.into_iter().chain([format!("{error}.")]).collect())
            }
            outcome => outcome,
        }
    }

    fn found(
        &self,
        search: &Search,
        query: Query,
        facts: &Facts,
        page: &Page,
        mut notes: Vec<String>,
    ) -> Result<Results, Error> {
        let reader = self.index()?;
        let query = self.with_forms(query, reader, &mut notes)?;
        let mut found = reader.search(&query, facts, page)?;
        let has_more = found.hits.len() > search.limit;
        found.hits.truncate(search.limit);
        let facets = match search.with_facets {
            true => Some(self.told_facets(reader.facets(&query, facts)?)?),
            false => None,
        };
        let ids: Vec<_> = found.hits.iter().map(|hit| hit.id).collect();
        let numbers: Vec<u64> = found.hits.iter().map(|hit| hit.number).collect();
        let fields = reader.found_in(&query, &ids)?;
        let mut rows = self.catalog.numbered(&numbers)?;
        // Destroyed since.
        rows.iter().filter(|row| row.purged.is_some()).for_each(|row| self.forget_texts(row));
        rows.retain(|row| row.purged.is_none());
        let threads = self.threads(&rows)?;
        let mut hits = Vec::with_capacity(rows.len());
        for (row, thread) in rows.into_iter().zip(threads) {
            let at = ids.iter().position(|id| *id == row.message.id);
            let found_in = at.and_then(|at| fields.get(at)).map_or(&[][..], Vec::as_slice);
            hits.push(self.hit(row, thread, &query, found_in)?);
        }
        let next = ids.last().filter(|_| has_more).map(ToString::to_string);
        Ok(Results { total: found.total, hits, next, skipped: self.skipped()?, notes, facets })
    }

    /// The numbers of all messages that match, ascending; of an empty query, of all there are.
    pub fn matching(&self, query: &str) -> Result<Matching, Error> {
        if query.trim().is_empty() {
            return Ok(Matching { numbers: (1..self.catalog.next_number()?).collect(), notes: Vec::new() });
        }
        let parsed = query::parse(query);
        let facts = self.facts(&parsed.query)?;
        let page = Page { sort: Order::Newest.into(), limit: usize::MAX, ..Page::default() };
        let mut notes = parsed.notes;
        let found = self.suspecting(self.index().and_then(|reader| {
            let query = self.with_forms(parsed.query, reader, &mut notes)?;
            Ok(reader.search(&query, &facts, &page)?)
        }))?;
        let mut numbers: Vec<u64> = found.hits.iter().map(|hit| hit.number).collect();
        numbers.sort_unstable();
        Ok(Matching { numbers, notes })
    }

    /// With every word found by its other forms, too, if that is wanted; and a note of which those are.
    fn with_forms(&self, query: Query, reader: &index::Reader, notes: &mut Vec<String>) -> Result<Query, Error> {
        if self.stemming.is_empty() {
            return Ok(query);
        }
        let mut trouble = None;
        let query = query.with_forms(&mut |word| {
            let mut tokens = sought_tokens(word);
            let (Some(token), None) = (tokens.next(), tokens.next()) else { return Vec::new() };
            let Some((start, is_form)) = self.stemming.forms(&token.text) else { return Vec::new() };
            match reader.forms(&token.text, &start, &is_form) {
                Ok(forms) if forms.is_empty() => Vec::new(),
                Ok(forms) => {
                    notes.push(format!("`{word}` was searched as {} too.", forms.join(", ")));
                    forms
                }
                Err(error) => {
                    trouble = Some(error);
                    Vec::new()
                }
            }
        });
        trouble.map_or(Ok(query), |error| Err(error.into()))
    }

    /// The catalog's answers to the parts of a query that are about what changes.
    fn facts(&self, query: &Query) -> Result<Facts, Error> {
        let destroyed = self.catalog.numbers_destroyed_but_indexed()?;
        let mut facts = Facts::at(self.clock.now()).without(destroyed.into_iter().collect::<NumberSet>());
        for fact in query.facts() {
            let numbers = match fact {
                Fact::Account(name) => self.catalog.numbers_of_account(name)?,
                Fact::Verdict(verdict) => self.catalog.numbers_with_verdict(&[*verdict])?,
                Fact::Quarantined => self.catalog.numbers_in_quarantine()?,
                Fact::Tag(tag) => self.catalog.numbers_tagged(tag)?,
                Fact::Thread(prefix) => self.thread_of(prefix)?,
            };
            facts = facts.with(fact.clone(), numbers.into_iter().collect::<NumberSet>());
        }
        Ok(facts)
    }

    /// The outcome of what read the index; where that seems damaged, its owner is to look.
    fn suspecting<T>(&self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(Error::Index(error)) = &outcome {
            index::suspect(&self.index_folder(), error);
        }
        outcome
    }

    /// The index, opened once for as long as this archive is open.
    fn index(&self) -> Result<&index::Reader, Error> {
        if let Some(reader) = self.index.get() {
            return Ok(reader);
        }
        let reader = Index::open(&self.index_folder())?.reader()?;
        Ok(self.index.get_or_init(|| reader))
    }

    /// What is answered while there is no index to search: it is made, or made anew, by whoever owns the archive.
    fn nothing(&self, search: &Search, notes: Vec<String>) -> Result<Results, Error> {
        let skipped = Skipped { unindexed: self.catalog.totals()?.0, ..self.skipped()? };
        let facets = search.with_facets.then(Facets::default);
        Ok(Results { total: 0, hits: Vec::new(), next: None, skipped, notes, facets })
    }

    fn skipped(&self) -> Result<Skipped, Error> {
        let unindexed = self.catalog.backlog(Stage::Index, self.clock.now())?.waiting;
        let unsearchable = self.catalog.unsearchable()?;
        Ok(Skipped { unindexed, unextracted: unsearchable.unextracted, encrypted: unsearchable.encrypted })
    }
}

impl From<Order> for Sort {
    fn from(order: Order) -> Self {
        match order {
            Order::Newest => Self::Newest,
            Order::Oldest => Self::Oldest,
            Order::Relevance => Self::Relevance,
        }
    }
}
