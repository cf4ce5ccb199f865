//! What a piece of a query asks for, in a person's words.

use super::{Comparison, Fact, Feature, Field, Period, Query, Size, Span, Term, Unit, When, Words};
use crate::mail::text::{sought_tokens, whole_address};

impl Query {
    /// What the outermost piece asks for; what it is made of not again.
    pub fn meaning(&self) -> String {
        match self {
            Self::All => "every message".to_owned(),
            Self::And(_) => "all of these".to_owned(),
            Self::Or(_) => "at least one of these".to_owned(),
            Self::Not(_) => "not this".to_owned(),
            Self::Term(term) => of_term(term),
            Self::Fact(fact) => of_fact(fact),
        }
    }
}

fn of_term(term: &Term) -> String {
    match term {
        Term::Words { field, words } => format!("{} {}", of_words(words, *field), of_field(*field)),
        Term::Id(prefix) => format!("the message whose id begins with {prefix}"),
        Term::MessageId(id) => format!("the message that calls itself <{id}>"),
        Term::When(when) => of_time(when),
        Term::Size(size) => of_size(size),
        Term::Has(Feature::Attachment) => "something is attached".to_owned(),
        Term::Has(Feature::Encryption) => "something in it is encrypted".to_owned(),
        Term::Has(Feature::Signature) => "something in it is signed".to_owned(),
        Term::Type(name) => format!("a part or a file of the type {name}"),
        Term::Language(code) => format!("most of its text is in the language {code}"),
    }
}

fn of_fact(fact: &Fact) -> String {
    match fact {
        Fact::Account(name) => format!("met at the account {name}"),
        Fact::Verdict(verdict) => format!("its verdict is {verdict}"),
        Fact::Tag(tag) => format!("tagged {tag}"),
        Fact::Thread(prefix) => format!("of the thread of the message whose id begins with {prefix}"),
        Fact::Quarantined => "something in it is in quarantine".to_owned(),
    }
}

fn of_words(words: &Words, field: Option<Field>) -> String {
    let tokens: Vec<String> = sought_tokens(words.text()).map(|token| token.text).collect();
    let several = tokens.len() > 1;
    let listed = tokens.join(" ");
    let is_address = words.text().contains('@') && field.is_none_or(Field::is_people);
    match words {
        Words::Word(text) if is_address && whole_address(text).is_some() => format!("the address {text}"),
        Words::Prefix(_) if several => format!("the words “{listed}…” in this order"),
        Words::Prefix(_) => format!("a word that begins with “{listed}”"),
        Words::Near(_) => format!("a word spelt nearly like “{listed}”"),
        Words::Word(_) | Words::Phrase(_) if several => format!("“{listed}”, next to each other in this order,"),
        Words::Word(_) | Words::Phrase(_) => format!("the word “{listed}”"),
    }
}

const fn of_field(field: Option<Field>) -> &'static str {
    match field {
        None => "in subject, text, people, lists, attachments or their names",
        Some(Field::From) => "in the sender",
        Some(Field::To) => "in a recipient",
        Some(Field::Cc) => "in who got a copy",
        Some(Field::Bcc) => "in who got a blind copy",
        Some(Field::With) => "in the sender or a recipient",
        Some(Field::Subject) => "in the subject",
        Some(Field::Body) => "in the text",
        Some(Field::Attachment) => "inside an attachment",
        Some(Field::Filename) => "in the name of an attachment",
        Some(Field::List) => "in the name or address of the mailing list",
    }
}

fn of_time(when: &When) -> String {
    let day = |period: Period| When::In(period).to_string().trim_start_matches("date:").to_owned();
    match *when {
        When::In(period) => format!("dated {} (UTC)", day(period)),
        When::Between(Some(start), Some(end)) => format!("dated {} to {} (UTC)", day(start), day(end)),
        When::Between(None, Some(end)) => format!("dated {} or earlier (UTC)", day(end)),
        When::Between(Some(start), None) | When::After(start) => format!("dated {} or later (UTC)", day(start)),
        When::Between(None, None) => "of any date".to_owned(),
        When::Before(period) => format!("dated before {} (UTC)", day(period)),
        When::Newer(span) => format!("newer than {}", of_span(span)),
        When::Older(span) => format!("older than {}", of_span(span)),
    }
}

fn of_span(Span { count, unit }: Span) -> String {
    let noun = match unit {
        Unit::Hour => "hour",
        Unit::Day => "day",
        Unit::Week => "week",
        Unit::Month => "month",
        Unit::Year => "year",
    };
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn of_size(size: &Size) -> String {
    let comparison = match size.comparison {
        Comparison::Less => "less than",
        Comparison::AtMost => "at most",
        Comparison::AtLeast => "at least",
        Comparison::Greater => "more than",
    };
    format!("{comparison} {} octets", size.size_bytes)
}
