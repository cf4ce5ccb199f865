use schemars::JsonSchema;
use serde::Serialize;

use super::quarantine::Judge;
use super::{Archive, Error, Message};
use crate::catalog::{Attachment, Stage};
use crate::index::{self, Facts, Index, NumberSet, Page, Sort};
use crate::mail::message::{self, READ_LIMIT_BYTES};
use crate::mail::query::{self, Fact, Query, Snippet};
use crate::mail::{BlobId, Verdict};

/// What to look for, and which of the hits are wanted.
#[derive(Clone, Debug)]
pub struct Search {
    pub query: String,
    pub order: Order,
    pub offset: usize,
    pub limit: usize,
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
    pub skipped: Skipped,
    /// How the query was read, where that may surprise.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hit {
    /// SHA-256 of the message's octets, in hex.
    #[schemars(with = "String")]
    pub id: BlobId,
    /// When it was sent, or kept if it does not say: RFC 3339, UTC.
    pub date: String,
    pub from: Option<String>,
    pub to: Option<String>,
    pub subject: Option<String>,
    /// Where it was met.
    pub accounts: Vec<String>,
    pub size_bytes: u64,
    pub verdict: Verdict,
    pub attachments: Vec<Attachment>,
    /// Some of the text around what was found, as plain text. From clean parts only: empty until they were scanned.
    pub snippet: String,
    /// Where in `snippet` the words looked for stand: beginnings and ends, in octets.
    pub highlights: Vec<(usize, usize)>,
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
    /// Kept, and not in the index yet.
    pub unindexed: u64,
    /// With attachments whose text is not in the index.
    pub unextracted: u64,
}

const SNIPPET_CHARS: usize = 160;

impl Archive {
    /// The messages that match, with exact total. A query is never wrong: what is no operator is a word.
    pub fn search(&self, search: &Search) -> Result<Results, Error> {
        let parsed = query::parse(&search.query);
        let facts = self.facts(&parsed.query)?;
        let page = Page { sort: search.order.into(), offset: search.offset, limit: search.limit };
        let found = match Index::open(&self.folder.join("index")) {
            Ok(index) => index.reader()?.search(&parsed.query, &facts, &page)?,
            Err(index::Error::Missing { .. }) => index::Hits::default(),
            Err(error) => return Err(error.into()),
        };
        let numbers: Vec<u64> = found.hits.iter().map(|hit| hit.number).collect();
        let mut rows = self.catalog.numbered(&numbers)?;
        // Destroyed, and not yet out of the index.
        let before = rows.len();
        rows.retain(|row| row.purged.is_none());
        let total = found.total - (before - rows.len()) as u64;
        let hits = rows.into_iter().map(|row| self.hit(row, &parsed.query)).collect::<Result<_, _>>()?;
        Ok(Results { total, hits, skipped: self.skipped()?, notes: parsed.notes })
    }

    /// The numbers of all messages that match, ascending; of an empty query, of all there are.
    pub fn matching(&self, query: &str) -> Result<Matching, Error> {
        if query.trim().is_empty() {
            return Ok(Matching { numbers: (1..self.catalog.next_number()?).collect(), notes: Vec::new() });
        }
        let parsed = query::parse(query);
        let facts = self.facts(&parsed.query)?;
        let page = Page { sort: Order::Newest.into(), offset: 0, limit: usize::MAX };
        let found = Index::open(&self.folder.join("index"))?.reader()?.search(&parsed.query, &facts, &page)?;
        let mut numbers: Vec<u64> = found.hits.iter().map(|hit| hit.number).collect();
        numbers.sort_unstable();
        Ok(Matching { numbers, notes: parsed.notes })
    }

    /// The catalog's answers to the parts of a query that are about what changes.
    fn facts(&self, query: &Query) -> Result<Facts, Error> {
        let mut facts = Facts::at(self.clock.now());
        for fact in query.facts() {
            let numbers = match fact {
                Fact::Account(name) => self.catalog.numbers_of_account(name)?,
                Fact::Verdict(verdict) => self.catalog.numbers_with_verdict(&[*verdict])?,
                Fact::Quarantined => self.catalog.numbers_in_quarantine()?,
            };
            facts = facts.with(fact.clone(), numbers.into_iter().collect::<NumberSet>());
        }
        Ok(facts)
    }

    fn hit(&self, row: Message, query: &Query) -> Result<Hit, Error> {
        let Snippet { text, highlights } = self.snippet(&row, query)?;
        let mut accounts: Vec<String> = self.catalog.met_at(row.number)?.into_iter().map(|met| met.account).collect();
        accounts.sort();
        accounts.dedup();
        Ok(Hit {
            id: row.message.id,
            date: row.summary.date.unwrap_or(row.kept).to_string(),
            from: row.summary.from,
            to: row.summary.to,
            subject: row.summary.subject,
            accounts,
            size_bytes: row.size_bytes,
            verdict: row.verdict,
            attachments: row.summary.attachments,
            snippet: text,
            highlights: highlights.into_iter().map(|range| (range.start, range.end)).collect(),
        })
    }

    /// From the text parts that are handed out to everybody: those that were found clean, or released.
    fn snippet(&self, row: &Message, query: &Query) -> Result<Snippet, Error> {
        if row.size_bytes > READ_LIMIT_BYTES as u64 || row.purged.is_some() {
            return Ok(Snippet::default());
        }
        let octets = self.blob(row)?.octets()?;
        let verdicts = self.catalog.verdicts(row.number)?;
        let judge = Judge::new(self, row, &verdicts)?;
        let message = message::read(&octets);
        let mut text = String::new();
        for part in &message.parts {
            if part.is_attachment || judge.part(part)?.is_withheld() {
                continue;
            }
            if let Some(readable) = part.readable() {
                text.push_str(&readable);
                text.push('\n');
            }
        }
        Ok(query::snippet(&text, query, SNIPPET_CHARS))
    }

    fn skipped(&self) -> Result<Skipped, Error> {
        let unindexed = self.catalog.backlog(Stage::Index, self.clock.now())?.waiting;
        Ok(Skipped { unindexed, unextracted: self.catalog.with_attachments_count()? })
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
