//! Why a message is a hit, or is none.

use tantivy::query::{EnableScoring, Query as EngineQuery};
use tantivy::{DocAddress, DocSet, Searcher};

use super::page::place_of;
use super::translate::{Purpose, translate, translate_words};
use super::{Error, Facts, Reader, guarded};
use crate::mail::BlobId;
use crate::mail::query::{Field, Query, Term, Words};

/// How it stands with one message and one piece of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    pub matches: bool,
    /// Where the words were found, if it asks for words.
    pub found_in: Vec<Field>,
    /// How it stands with the pieces of the piece, in their order.
    pub inner: Vec<Self>,
}

impl Reader {
    /// Why `query` finds the message or does not: a tree like that of the query. `None` if the message is not in the
    /// index.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn explain(&self, query: &Query, facts: &Facts, id: BlobId) -> Result<Option<Explained>, Error> {
        let fields = &self.index.fields;
        let searcher = guarded(&self.index.folder, || self.fresh_searcher())?;
        let place = guarded(&self.index.folder, || place_of(&searcher, fields, id))?;
        let Some((address, _)) = place else { return Ok(None) };
        Explaining { reader: self, searcher: &searcher, facts, address }.piece(query).map(Some)
    }

    /// For each message, where the words that the query asks for stand in it; in the order of `Field::ALL`.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn found_in(&self, query: &Query, ids: &[BlobId]) -> Result<Vec<Vec<Field>>, Error> {
        let wanted = wanted(query);
        guarded(&self.index.folder, || {
            let searcher = self.fresh_searcher()?;
            let mut found = Vec::with_capacity(ids.len());
            for id in ids {
                let mut fields = Vec::new();
                if let Some((address, _)) = place_of(&searcher, &self.index.fields, *id)? {
                    for (field, words) in &wanted {
                        fields.extend(self.standing(&searcher, address, *field, words)?);
                    }
                }
                found.push(Field::ALL.into_iter().filter(|field| fields.contains(field)).collect());
            }
            Ok(found)
        })
    }

    /// Of the fields that are meant, those in which the words stand.
    fn standing(
        &self,
        searcher: &Searcher,
        address: DocAddress,
        field: Option<Field>,
        words: &Words,
    ) -> tantivy::Result<Vec<Field>> {
        let fields = &self.index.fields;
        let meant = match field {
            None => Field::ALL.into_iter().filter(|field| *field != Field::With).collect(),
            Some(Field::With) => vec![Field::From, Field::To, Field::Cc, Field::Bcc],
            Some(field) => vec![field],
        };
        let mut found = Vec::new();
        for field in meant {
            for held in fields.holding(field) {
                if is_hit(searcher, &*translate_words(words, held, fields), address)? {
                    found.push(field);
                }
            }
        }
        Ok(found)
    }
}

struct Explaining<'r> {
    reader: &'r Reader,
    searcher: &'r Searcher,
    facts: &'r Facts,
    address: DocAddress,
}

impl Explaining<'_> {
    fn piece(&self, query: &Query) -> Result<Explained, Error> {
        let index = &self.reader.index;
        let translated = translate(query, self.facts, &index.fields, Purpose::Match)?;
        let matches = guarded(&index.folder, || is_hit(self.searcher, &*translated, self.address))?;
        let found_in = match query {
            Query::Term(Term::Words { field, words }) => {
                guarded(&index.folder, || self.reader.standing(self.searcher, self.address, *field, words))?
            }
            _ => Vec::new(),
        };
        let inner = match query {
            Query::And(inner) | Query::Or(inner) => {
                inner.iter().map(|query| self.piece(query)).collect::<Result<_, _>>()?
            }
            Query::Not(inner) => vec![self.piece(inner)?],
            Query::All | Query::Term(_) | Query::Fact(_) => Vec::new(),
        };
        Ok(Explained { matches, found_in, inner })
    }
}

/// The words that a hit has, or may have; not those it must not have.
fn wanted(query: &Query) -> Vec<(Option<Field>, &Words)> {
    match query {
        Query::And(inner) | Query::Or(inner) => inner.iter().flat_map(wanted).collect(),
        Query::Term(Term::Words { field, words }) => vec![(*field, words)],
        Query::All | Query::Not(_) | Query::Term(_) | Query::Fact(_) => Vec::new(),
    }
}

fn is_hit(searcher: &Searcher, query: &dyn EngineQuery, address: DocAddress) -> tantivy::Result<bool> {
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    let mut scorer = weight.scorer(searcher.segment_reader(address.segment_ord), 1.0)?;
    Ok(scorer.doc() <= address.doc_id && scorer.seek(address.doc_id) == address.doc_id)
}
