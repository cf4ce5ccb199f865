//! Queries as text that parses to the same query.

use std::fmt::{self, Display, Formatter};

use super::lex::needs_quotes;
use super::{Fact, Query, Term, Words};

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::And(inner) => joined(f, inner, " ", |query| matches!(query, Self::Or(_))),
            Self::Or(inner) => joined(f, inner, " OR ", |_| false),
            Self::Not(inner) if matches!(**inner, Self::And(_) | Self::Or(_)) => write!(f, "-({inner})"),
            Self::Not(inner) => write!(f, "-{inner}"),
            Self::Term(term) => term.fmt(f),
            Self::Fact(fact) => fact.fmt(f),
        }
    }
}

fn joined(f: &mut Formatter<'_>, inner: &[Query], separator: &str, is_grouped: impl Fn(&Query) -> bool) -> fmt::Result {
    for (at, query) in inner.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        if is_grouped(query) { write!(f, "({query})")? } else { query.fmt(f)? }
    }
    Ok(())
}

impl Display for Term {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Words { field: Some(field), words } => write!(f, "{}:{words}", field.as_str()),
            Self::Words { field: None, words } => words.fmt(f),
            Self::Id(prefix) => write!(f, "id:{prefix}"),
            Self::MessageId(id) => write!(f, "msgid:{}", Value(id)),
            Self::When(when) => when.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Has(feature) => write!(f, "has:{}", feature.as_str()),
            Self::Type(name) => write!(f, "type:{}", Value(name)),
            Self::Language(code) => write!(f, "lang:{code}"),
        }
    }
}

impl Display for Words {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) => f.write_str(text),
            Self::Phrase(text) => write!(f, "\"{text}\""),
            Self::Prefix(text) => write!(f, "{text}*"),
            Self::Near(text) => write!(f, "{text}~"),
        }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(name) => write!(f, "account:{}", Value(name)),
            Self::Verdict(verdict) => write!(f, "is:{verdict}"),
            Self::Quarantined => f.write_str("is:quarantined"),
            Self::Tag(name) => write!(f, "tag:{}", Value(name)),
            Self::Thread(prefix) => write!(f, "thread:{prefix}"),
        }
    }
}

/// A field's value: in quotes where it would fall apart without.
struct Value<'t>(&'t str);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if needs_quotes(self.0) { write!(f, "\"{}\"", self.0) } else { f.write_str(self.0) }
    }
}
