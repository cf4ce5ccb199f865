//! Queries in the engine's terms.

use std::ops::Bound;

use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{
    AllQuery, BooleanQuery, BoostQuery, EmptyQuery, FuzzyTermQuery, Occur, PhrasePrefixQuery, PhraseQuery,
    Query as EngineQuery, RangeQuery, TermQuery,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, SegmentReader, Term};

use super::schema::{Fields, NUMBER};
use super::{Error, Facts, NumberSet};
use crate::mail::query::{self, Query, Size, When, Words, near_distance};
use crate::mail::text::{Kind, Token, sought_tokens, whole_address};
use crate::mail::{BlobIdPrefix, Timestamp};

type Boxed = Box<dyn EngineQuery>;

/// A word in the subject says more about a message than one in its text.
const SUBJECT_WEIGHT: f32 = 2.0;

/// In so many ways the last word of a phrase may go on, in each segment. The engine takes 2 KB for each beforehand.
const MOST_ENDINGS: u32 = 10_000;

/// What an answer is wanted for. The messages are the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Which messages, as fast as can be.
    Match,
    /// How well each fits, too: then it counts in which field a word stands.
    Rank,
}

/// The query as the engine knows it, over what may be seen only.
pub(super) fn translate(query: &Query, facts: &Facts, fields: &Fields, purpose: Purpose) -> Result<Boxed, Error> {
    let translated = Translation { facts, fields, purpose }.query(query)?;
    let mut demands = vec![(Occur::Must, translated)];
    demands.extend(facts.visible.iter().map(|visible| (Occur::Must, members(visible))));
    demands.extend(facts.hidden.iter().map(|hidden| (Occur::MustNot, members(hidden))));
    Ok(if demands.len() == 1 { demands.remove(0).1 } else { all_of(demands) })
}

/// Words in one of the fields that `Fields::anywhere` and `Fields::holding` name.
pub(super) fn translate_words(words: &Words, field: Field, fields: &Fields) -> Boxed {
    if fields.holds_addresses(field) { people(field, words) } else { text(field, words) }
}

struct Translation<'q> {
    facts: &'q Facts,
    fields: &'q Fields,
    purpose: Purpose,
}

impl Translation<'_> {
    fn query(&self, query: &Query) -> Result<Boxed, Error> {
        Ok(match query {
            Query::All => Box::new(AllQuery),
            Query::And(inner) => all_of(inner.iter().map(|query| self.demand(query)).collect::<Result<_, _>>()?),
            Query::Not(_) => all_of(vec![self.demand(query)?]),
            Query::Or(inner) => any_of(inner.iter().map(|query| self.query(query)).collect::<Result<_, _>>()?),
            Query::Term(term) => self.term(term),
            Query::Fact(fact) => match self.facts.of(fact) {
                Some(messages) => members(messages),
                None => return Err(Error::UnknownFact { fact: fact.to_string() }),
            },
        })
    }

    fn demand(&self, query: &Query) -> Result<(Occur, Boxed), Error> {
        match query {
            Query::Not(inner) => Ok((Occur::MustNot, self.query(inner)?)),
            query => Ok((Occur::Must, self.query(query)?)),
        }
    }

    fn term(&self, term: &query::Term) -> Boxed {
        match term {
            query::Term::Words { field: Some(field), words } => self.words_in(&self.fields.holding(*field), words),
            query::Term::Words { field: None, words } => match self.purpose {
                Purpose::Match if is_one_token(words) => {
                    any_of(self.fields.summed_up().map(|field| text(field, words)).into())
                }
                _ => self.words_in(&self.fields.anywhere(), words),
            },
            query::Term::Id(prefix) => self.id(prefix),
            query::Term::MessageId(id) => exactly(Term::from_field_text(self.fields.message_id, id)),
            query::Term::Type(name) => exactly(Term::from_field_text(self.fields.kind, name)),
            query::Term::Has(feature) => exactly(Term::from_field_text(self.fields.feature, feature.as_str())),
            query::Term::Language(code) => exactly(Term::from_field_text(self.fields.language, code)),
            query::Term::When(when) => self.when(when),
            query::Term::Size(size) => self.size(size),
        }
    }

    /// The words in any of the fields, but all of them in the same one.
    fn words_in(&self, fields: &[Field], words: &Words) -> Boxed {
        any_of(fields.iter().map(|field| self.words(*field, words)).collect())
    }

    fn words(&self, field: Field, words: &Words) -> Boxed {
        let found = translate_words(words, field, self.fields);
        if field == self.fields.subject { Box::new(BoostQuery::new(found, SUBJECT_WEIGHT)) } else { found }
    }

    fn id(&self, prefix: &str) -> Boxed {
        let Ok(prefix) = prefix.parse::<BlobIdPrefix>() else { return Box::new(EmptyQuery) };
        let (low, high) = prefix.range();
        let term = |id: crate::mail::BlobId| Bound::Included(Term::from_field_bytes(self.fields.id, id.as_bytes()));
        Box::new(RangeQuery::new(term(low), term(high)))
    }

    fn when(&self, when: &When) -> Boxed {
        let range = when.range(self.facts.now);
        let term = |moment: Timestamp| Term::from_field_i64(self.fields.date, moment.as_millis());
        Box::new(RangeQuery::new(Bound::Included(term(range.start)), Bound::Excluded(term(range.end))))
    }

    fn size(&self, size: &Size) -> Boxed {
        let Some((least, most)) = size.range() else { return Box::new(EmptyQuery) };
        let term = |size_bytes: u64| Bound::Included(Term::from_field_u64(self.fields.size_bytes, size_bytes));
        Box::new(RangeQuery::new(term(least), term(most)))
    }
}

/// Whether a field without positions answers as well.
fn is_one_token(words: &Words) -> bool {
    let is_whole = matches!(words, Words::Word(text) | Words::Prefix(text) if whole_address(text).is_some());
    !is_whole && sought_tokens(words.text()).nth(1).is_none()
}

/// Words in a field of text: one as it is, several next to each other.
fn text(field: Field, words: &Words) -> Boxed {
    let tokens: Vec<_> = sought_tokens(words.text()).collect();
    if matches!(words, Words::Near(_)) {
        return all_of(tokens.iter().map(|token| (Occur::Must, near(field, token))).collect());
    }
    let Some(last) = tokens.last() else { return Box::new(EmptyQuery) };
    // Whatever follows a pair of characters, the pair itself is there; a single one may begin any pair.
    let is_prefix = last.kind == Kind::Single || last.kind == Kind::Word && matches!(words, Words::Prefix(_));
    let mut terms: Vec<_> = tokens.iter().map(|token| (token.position, term(field, &token.text))).collect();
    match (terms.len(), is_prefix) {
        (1, true) => beginning(terms.remove(0).1),
        (1, false) => Box::new(TermQuery::new(terms.remove(0).1, IndexRecordOption::WithFreqs)),
        (_, true) => {
            let mut phrase = PhrasePrefixQuery::new_with_offset(terms);
            phrase.set_max_expansions(MOST_ENDINGS);
            Box::new(phrase)
        }
        (_, false) => Box::new(PhraseQuery::new_with_offset(terms)),
    }
}

/// Words in a field of people: an address is meant as a whole, a domain or a dotted name possibly.
fn people(field: Field, words: &Words) -> Boxed {
    let whole = match words {
        Words::Word(text) | Words::Prefix(text) => whole_address(text),
        Words::Phrase(_) | Words::Near(_) => None,
    };
    let Some(whole) = whole else { return text(field, words) };
    let whole = term(field, &whole);
    let whole = if matches!(words, Words::Prefix(_)) { beginning(whole) } else { exactly(whole) };
    if is_address(words.text()) { whole } else { any_of(vec![whole, text(field, words)]) }
}

/// `local@domain`, or `@domain`: nothing else can be meant.
fn is_address(text: &str) -> bool {
    text.split_once('@').is_some_and(|(_, domain)| domain.contains(char::is_alphanumeric))
}

fn near(field: Field, token: &Token) -> Boxed {
    let term = term(field, &token.text);
    match if token.kind == Kind::Word { near_distance(&token.text) } else { 0 } {
        0 => exactly(term),
        distance => Box::new(FuzzyTermQuery::new(term, distance, true)),
    }
}

fn term(field: Field, text: &str) -> Term {
    Term::from_field_text(field, text)
}

fn exactly(term: Term) -> Boxed {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn beginning(term: Term) -> Boxed {
    Box::new(FuzzyTermQuery::new_prefix(term, 0, false))
}

fn any_of(mut queries: Vec<Boxed>) -> Boxed {
    match queries.len() {
        1 => queries.remove(0),
        _ => Box::new(BooleanQuery::new(queries.into_iter().map(|query| (Occur::Should, query)).collect())),
    }
}

/// What must not be is taken from what must; from everything, where nothing must.
fn all_of(mut demands: Vec<(Occur, Boxed)>) -> Boxed {
    if demands.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        demands.push((Occur::Must, Box::new(AllQuery)));
    }
    Box::new(BooleanQuery::new(demands))
}

fn members(messages: &NumberSet) -> Boxed {
    let messages = messages.clone();
    let predicate = FunctionPredicate::from(move |segment: &SegmentReader| {
        let numbers = segment.fast_fields().u64(NUMBER)?;
        let messages = messages.clone();
        Ok(move |document: DocId| numbers.first(document).is_some_and(|number| messages.contains(number)))
    });
    Box::new(DocPredicateQuery::from(predicate))
}
