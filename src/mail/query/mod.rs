//! The query language as values. Parsing never fails: what is no operator is a word.
//! Knows nothing about engines or tables: it says only who answers what.

mod describe;
mod lex;
mod parse;
mod print;
mod snippet;
mod value;

use std::collections::BTreeSet;

pub use parse::{Parsed, parse};
pub use snippet::{Snippet, near_distance, snippet};
pub use value::{Comparison, Period, Size, Span, Unit, When};

use crate::mail::Verdict;

/// A search. Prints as text that parses to the same value. Nested no deeper than the parser allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Query {
    /// Every message: what an empty query asks for.
    #[default]
    All,
    /// At least two, none of them `And`.
    And(Vec<Self>),
    /// At least two, none of them `Or`.
    Or(Vec<Self>),
    /// Never of a `Not`.
    Not(Box<Self>),
    Term(Term),
    Fact(Fact),
}

/// What the index answers: it never changes for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Without a field: anywhere in subject, text, addresses, attachments and their names.
    Words {
        field: Option<Field>,
        words: Words,
    },
    /// The first 8 or more hex digits of a message's id, in lower case.
    Id(String),
    /// A `Message-ID` without angle brackets.
    MessageId(String),
    When(When),
    Size(Size),
    Has(Feature),
    /// A content type, its first half, or a file's ending; in lower case.
    Type(String),
    /// A language's code of ISO 639-1, or of 639-3 where it has none there; in lower case.
    Language(String),
}

/// What a message may have, whatever it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    Attachment,
    /// Something in it only its recipients can read (S/MIME, PGP).
    Encryption,
    /// Somebody put a name under it (S/MIME, PGP). Whether rightly, nobody looked.
    Signature,
}

/// What the catalog answers: it changes while the message stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Kept from the account of this name.
    Account(String),
    Verdict(Verdict),
    Quarantined,
    /// Somebody put this tag on it.
    Tag(String),
    /// In one thread with a message whose id begins with these hex digits, 8 or more, in lower case.
    Thread(String),
}

/// Where words are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    From,
    To,
    Cc,
    Bcc,
    /// Any of the people above.
    With,
    Subject,
    /// The text that is shown when a message is opened.
    Body,
    /// The text inside what is attached.
    Attachment,
    Filename,
    /// The mailing list it came through: its name or address.
    List,
}

/// Text as it was typed. It holds at least one token; several are looked for next to each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Words {
    /// Something without blanks: `invoice`, `ann@example.org`.
    Word(String),
    /// Something in quotes.
    Phrase(String),
    /// Words that begin so: `inv*`.
    Prefix(String),
    /// Words spelt nearly so: `invoise~`.
    Near(String),
}

impl Query {
    /// What the catalog has to look up before the index can answer.
    pub fn facts(&self) -> BTreeSet<&Fact> {
        let mut facts = BTreeSet::new();
        self.walk(&mut |leaf| {
            if let Self::Fact(fact) = leaf {
                facts.insert(fact);
            }
        });
        facts
    }

    /// With every word in place of which `others` names some also found by each of those. Phrases stand as they are.
    #[must_use]
    pub fn with_forms(self, others: &mut impl FnMut(&str) -> Vec<String>) -> Self {
        match self {
            Self::And(inner) => Self::And(inner.into_iter().map(|query| query.with_forms(others)).collect()),
            Self::Or(inner) => Self::Or(inner.into_iter().map(|query| query.with_forms(others)).collect()),
            Self::Not(inner) => Self::Not(Box::new(inner.with_forms(others))),
            Self::Term(Term::Words { field, words: Words::Word(word) }) => {
                let term = |word| Self::Term(Term::Words { field, words: Words::Word(word) });
                let mut all = vec![term(word.clone())];
                all.extend(others(&word).into_iter().map(term));
                if all.len() > 1 { Self::Or(all) } else { all.remove(0) }
            }
            other => other,
        }
    }

    /// Calls `visit` with every leaf, those under `Not` too.
    fn walk<'q>(&'q self, visit: &mut impl FnMut(&'q Self)) {
        match self {
            Self::And(inner) | Self::Or(inner) => inner.iter().for_each(|query| query.walk(visit)),
            Self::Not(inner) => inner.walk(visit),
            leaf => visit(leaf),
        }
    }
}

impl Words {
    /// What was typed, without its mark.
    pub fn text(&self) -> &str {
        match self {
            Self::Word(text) | Self::Phrase(text) | Self::Prefix(text) | Self::Near(text) => text,
        }
    }
}

impl Feature {
    pub const ALL: [Self; 3] = [Self::Attachment, Self::Encryption, Self::Signature];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Attachment => "attachment",
            Self::Encryption => "encryption",
            Self::Signature => "signature",
        }
    }

    /// In whatever way people name it.
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "attachment" | "attachments" => Self::Attachment,
            "encryption" | "encrypted" => Self::Encryption,
            "signature" | "signed" => Self::Signature,
            _ => return None,
        })
    }
}

impl Field {
    pub const ALL: [Self; 10] = [
        Self::From,
        Self::To,
        Self::Cc,
        Self::Bcc,
        Self::With,
        Self::Subject,
        Self::Body,
        Self::Attachment,
        Self::Filename,
        Self::List,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::From => "from",
            Self::To => "to",
            Self::Cc => "cc",
            Self::Bcc => "bcc",
            Self::With => "with",
            Self::Subject => "subject",
            Self::Body => "body",
            Self::Attachment => "attachment",
            Self::Filename => "filename",
            Self::List => "list",
        }
    }

    /// Whether it holds people or lists, so that addresses are looked for as a whole.
    pub const fn is_people(self) -> bool {
        matches!(self, Self::From | Self::To | Self::Cc | Self::Bcc | Self::With | Self::List)
    }
}
