use std::vec::IntoIter;

use super::lex::{Lexeme, is_plain, lexemes};
use super::{Fact, Feature, Field, Period, Query, Size, Span, Term, When, Words};
use crate::mail::{language, text};

/// A query as it was understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parsed {
    pub query: Query,
    /// What was not taken as it was perhaps meant: whole sentences for the person who typed it.
    pub notes: Vec<String>,
}

/// Reads a query. Whatever is typed or pasted has a meaning; `notes` say where that may surprise.
pub fn parse(text: &str) -> Parsed {
    let (found, notes) = lexemes(text);
    let mut parser = Parser { rest: found.into_iter(), notes };
    let query = parser.alternatives(None).unwrap_or_default();
    Parsed { query, notes: parser.notes }
}

struct Parser {
    rest: IntoIter<Lexeme>,
    notes: Vec<String>,
}

/// `None` stands for something that asks for nothing, such as `()` or `!!!`.
impl Parser {
    /// Everything up to the parenthesis that closes this group. `field` is what a word without a field belongs to.
    fn alternatives(&mut self, field: Option<&'static str>) -> Option<Query> {
        let mut alternatives = Vec::new();
        let mut demands = Vec::new();
        while let Some(lexeme) = self.rest.next() {
            match lexeme {
                Lexeme::Close => break,
                Lexeme::Or => alternatives.extend(all_of(std::mem::take(&mut demands))),
                lexeme => demands.extend(self.operand(lexeme, field)),
            }
        }
        alternatives.extend(all_of(demands));
        any_of(alternatives)
    }

    fn operand(&mut self, mut lexeme: Lexeme, field: Option<&'static str>) -> Option<Query> {
        let mut is_negated = false;
        while matches!(lexeme, Lexeme::Not | Lexeme::Minus) {
            is_negated = !is_negated;
            lexeme = self.rest.next()?;
        }
        let operand = match lexeme {
            Lexeme::Field(name) => {
                let value = self.rest.next()?;
                self.value(value, Some(name))
            }
            lexeme => self.value(lexeme, field),
        };
        if is_negated { operand.map(not) } else { operand }
    }

    fn value(&mut self, lexeme: Lexeme, field: Option<&'static str>) -> Option<Query> {
        match lexeme {
            Lexeme::Open => self.alternatives(field),
            Lexeme::Text(text) => self.leaf(&text, words, field),
            Lexeme::Quoted(text) => self.leaf(&text, |text| Words::Phrase(text.to_owned()), field),
            Lexeme::Close | Lexeme::And | Lexeme::Or | Lexeme::Not | Lexeme::Minus | Lexeme::Field(_) => None,
        }
    }

    fn leaf(&mut self, text: &str, as_words: impl Fn(&str) -> Words, field: Option<&'static str>) -> Option<Query> {
        let Some(name) = field else { return self.words(None, as_words(text)) };
        if let Some(field) = Field::ALL.into_iter().find(|known| known.as_str() == name) {
            return self.words(Some(field), as_words(text));
        }
        if let Some(query) = value(name, text) {
            return Some(query);
        }
        self.note(format!("`{text}` is nothing `{name}:` knows ({}); it was searched as words.", example(name)));
        let words = if is_plain(text) { as_words(text) } else { Words::Phrase(text.to_owned()) };
        self.words(None, words)
    }

    fn words(&mut self, field: Option<Field>, words: Words) -> Option<Query> {
        if text::tokens(words.text()).next().is_none() {
            self.note(format!("`{words}` has no letters or digits; it was left out."));
            return None;
        }
        Some(Query::Term(Term::Words { field, words }))
    }

    fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

fn words(text: &str) -> Words {
    match (text.strip_suffix('*'), text.strip_suffix('~')) {
        (Some(start), _) => Words::Prefix(start.to_owned()),
        (_, Some(word)) => Words::Near(word.to_owned()),
        _ => Words::Word(text.to_owned()),
    }
}

/// The value of a field that does not hold words.
fn value(name: &str, text: &str) -> Option<Query> {
    let term = match name {
        "account" => return (!text.is_empty()).then(|| Query::Fact(Fact::Account(text.to_owned()))),
        "tag" => return (!text.trim().is_empty()).then(|| Query::Fact(Fact::Tag(text.trim().to_owned()))),
        "thread" => return id(text).map(|prefix| Query::Fact(Fact::Thread(prefix))),
        "is" if text == "quarantined" => return Some(Query::Fact(Fact::Quarantined)),
        "is" => return text.parse().ok().map(|verdict| Query::Fact(Fact::Verdict(verdict))),
        "type" => return any_of(types(text)),
        "date" => Term::When(When::parse_date(text)?),
        "before" => Term::When(When::Before(Period::parse(text)?)),
        "after" => Term::When(When::After(Period::parse(text)?)),
        "newer" => Term::When(When::Newer(Span::parse(text)?)),
        "older" => Term::When(When::Older(Span::parse(text)?)),
        "size" => Term::Size(Size::parse(text)?),
        "has" => Term::Has(Feature::parse(text)?),
        "lang" => Term::Language(language::code(text)?.to_owned()),
        "id" => Term::Id(id(text)?),
        "msgid" => Term::MessageId(message_id(text)?),
        _ => return None,
    };
    Some(Query::Term(term))
}

fn example(name: &str) -> &'static str {
    match name {
        "date" => "such as 2024, 2024-03, 2024-03-05 or 2024..2025",
        "before" | "after" => "such as 2024, 2024-03 or 2024-03-05",
        "newer" | "older" => "such as 12h, 7d, 2w, 3m or 1y",
        "size" => "such as >5MiB or <=200KB",
        "has" => "attachment, encryption or signature",
        "lang" => "a language such as de or German",
        "is" => "a verdict such as clean or infected, or quarantined",
        "id" => "8 or more hex digits",
        "thread" => "8 or more hex digits of the id of a message in it",
        _ => "it needs a value",
    }
}

fn types(text: &str) -> Vec<Query> {
    let names = text.split(',').map(|name| {
        let name = name.trim_end().trim_start_matches(|letter: char| letter == '.' || letter.is_whitespace());
        name.to_lowercase()
    });
    names.filter(|name| !name.is_empty()).map(|name| Query::Term(Term::Type(name))).collect()
}

fn id(text: &str) -> Option<String> {
    let is_id = (8..=64).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase())
}

fn message_id(text: &str) -> Option<String> {
    let id = text.trim_matches(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>'));
    (!id.is_empty()).then(|| id.to_owned())
}

fn not(query: Query) -> Query {
    match query {
        Query::Not(inner) => *inner,
        query => Query::Not(Box::new(query)),
    }
}

fn all_of(demands: Vec<Query>) -> Option<Query> {
    flat(demands, Query::And, |query| match query {
        Query::And(inner) => Ok(inner),
        other => Err(other),
    })
}

fn any_of(alternatives: Vec<Query>) -> Option<Query> {
    flat(alternatives, Query::Or, |query| match query {
        Query::Or(inner) => Ok(inner),
        other => Err(other),
    })
}

/// One query of many: those of the same kind opened, a single one as it is.
fn flat(
    queries: Vec<Query>,
    join: fn(Vec<Query>) -> Query,
    open: fn(Query) -> Result<Vec<Query>, Query>,
) -> Option<Query> {
    let mut flat = Vec::with_capacity(queries.len());
    for query in queries {
        match open(query) {
            Ok(inner) => flat.extend(inner),
            Err(other) => flat.push(other),
        }
    }
    match flat.len() {
        0 | 1 => flat.pop(),
        _ => Some(join(flat)),
    }
}
