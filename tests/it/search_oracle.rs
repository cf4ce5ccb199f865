//! A few thousand made-up queries over real mail: the index finds exactly what a slow and obvious matcher finds that goes
//! through the analysed words of every message, in every order and by pages.

use std::collections::{BTreeSet, HashMap};
use std::fs;

use poplar::index::{Document, Facts, Index, Page, Sort, WRITER_HEAP_BYTES};
use poplar::mail::query::{Feature, Field, Query, Term, Words, near_distance, parse};
use poplar::mail::text::{Kind, Token, address_tokens, sought_tokens, tokens, whole_address};
use poplar::mail::{BlobId, Timestamp, message};

use crate::support::corpora::unpacked;
use crate::support::poplar::files_below;

const NOW: Timestamp = Timestamp::from_millis(1_030_000_000_000);
const MESSAGES: usize = 800;
const QUERIES: usize = 3_000;

/// Words by number, so that comparing is cheap.
#[derive(Default)]
struct Vocabulary {
    numbers: HashMap<String, u32>,
    words: Vec<String>,
}

impl Vocabulary {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = u32::try_from(self.words.len()).unwrap();
        self.numbers.insert(word.to_owned(), number);
        self.words.push(word.to_owned());
        number
    }

    /// For every word, whether it is one that is meant.
    fn meant(&self, is_meant: impl Fn(&str) -> bool) -> Vec<bool> {
        self.words.iter().map(|word| is_meant(word)).collect()
    }
}

/// The words of a field's value, with their positions.
type Value = Vec<(usize, u32)>;

/// What an oracle knows of a message: the words of each value of each field.
struct Known {
    document: Document,
    fields: Vec<(Field, Vec<Value>)>,
}

impl Known {
    fn of(document: Document, vocabulary: &mut Vocabulary) -> Self {
        let mut cut = |field: Field, values: &[String]| {
            let of_value = |text: &String| -> Vec<Token> {
                if field.is_people() { address_tokens(text) } else { tokens(text).collect() }
            };
            let values = values.iter().map(|text| {
                of_value(text).iter().map(|token| (token.position, vocabulary.number(&token.text))).collect()
            });
            (field, values.collect())
        };
        let fields = vec![
            cut(Field::From, &document.from),
            cut(Field::To, &document.to),
            cut(Field::Cc, &document.cc),
            cut(Field::Bcc, &document.bcc),
            cut(Field::List, &document.lists),
            cut(Field::Subject, document.subject.as_slice()),
            cut(Field::Body, std::slice::from_ref(&document.body)),
            cut(Field::Attachment, &document.attachments),
            cut(Field::Filename, &document.filenames),
        ];
        Self { document, fields }
    }
}

/// A query with its words looked up.
enum Wanted {
    All,
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Words { fields: Vec<Field>, in_people: Ways, in_text: Ways },
    Term(Term),
}

enum Ways {
    /// One is enough.
    Any(Vec<Way>),
    /// All of them, wherever in the field.
    Each(Vec<Way>),
}

/// One of the ways in which words may stand in a field: each at its distance from the first, in whichever of its spellings.
struct Way(Vec<(usize, Vec<bool>)>);

impl Wanted {
    fn of(query: &Query, vocabulary: &Vocabulary) -> Self {
        let all = |inner: &[Query]| inner.iter().map(|query| Self::of(query, vocabulary)).collect();
        match query {
            Query::All => Self::All,
            Query::And(inner) => Self::And(all(inner)),
            Query::Or(inner) => Self::Or(all(inner)),
            Query::Not(inner) => Self::Not(Box::new(Self::of(inner, vocabulary))),
            Query::Fact(fact) => panic!("the oracle has no catalog for {fact}"),
            Query::Term(Term::Words { field, words }) => {
                let text = in_text(words, vocabulary);
                let fields = match field {
                    None => Field::ALL.to_vec(),
                    Some(Field::With) => vec![Field::From, Field::To, Field::Cc, Field::Bcc],
                    Some(field) => vec![*field],
                };
                Self::Words { fields, in_people: in_people(words, vocabulary), in_text: text }
            }
            Query::Term(term) => Self::Term(term.clone()),
        }
    }

    fn matches(&self, known: &Known) -> bool {
        match self {
            Self::All => true,
            Self::And(inner) => inner.iter().all(|wanted| wanted.matches(known)),
            Self::Or(inner) => inner.iter().any(|wanted| wanted.matches(known)),
            Self::Not(inner) => !inner.matches(known),
            Self::Words { fields, in_people, in_text } => known.fields.iter().any(|(field, values)| {
                let ways = if field.is_people() { in_people } else { in_text };
                fields.contains(field) && ways.are_in(values)
            }),
            Self::Term(term) => holds(term, &known.document),
        }
    }
}

impl Ways {
    fn are_in(&self, values: &[Value]) -> bool {
        let is_somewhere = |way: &Way| values.iter().any(|value| way.is_in(value));
        match self {
            Self::Any(ways) => ways.iter().any(is_somewhere),
            Self::Each(ways) => ways.iter().all(is_somewhere),
        }
    }
}

impl Way {
    fn is_in(&self, value: &[(usize, u32)]) -> bool {
        let Some((_, first)) = self.0.first() else { return false };
        let starts = value.iter().filter(|(_, word)| first[*word as usize]);
        starts.into_iter().any(|(start, _)| {
            self.0.iter().all(|(distance, meant)| {
                value.iter().any(|(at, word)| *at == start + distance && meant[*word as usize])
            })
        })
    }
}

fn holds(term: &Term, document: &Document) -> bool {
    match term {
        Term::Has(feature) => document.features.contains(feature),
        Term::When(when) => when.range(NOW).contains(&document.date),
        Term::Size(size) => size.range().is_some_and(|(least, most)| (least..=most).contains(&document.size_bytes)),
        Term::Type(name) => document.types.contains(name),
        Term::Language(code) => document.languages.contains(&code.as_str()),
        Term::Id(prefix) => document.id.to_string().starts_with(prefix),
        Term::MessageId(id) => document.message_id.as_ref() == Some(id),
        Term::Words { .. } => unreachable!("looked up before"),
    }
}

/// All ways in which words may stand in text: next to each other, or if they are spelt nearly so each for itself.
fn in_text(words: &Words, vocabulary: &Vocabulary) -> Ways {
    let sought: Vec<Token> = sought_tokens(words.text()).collect();
    let last = sought.len().saturating_sub(1);
    let origin = sought.first().map_or(0, |token| token.position);
    let pieces = sought.iter().enumerate().map(|(at, token)| {
        let begins = token.kind == Kind::Single && at == last
            || token.kind == Kind::Word && at == last && matches!(words, Words::Prefix(_));
        let near = match words {
            Words::Near(_) if token.kind == Kind::Word => usize::from(near_distance(&token.text)),
            _ => 0,
        };
        let meant = vocabulary.meant(|word| match (begins, near) {
            (true, _) if !matches!(words, Words::Near(_)) => word.starts_with(&token.text),
            (_, 0) => word == token.text,
            _ => is_near(word, &token.text, near),
        });
        (token.position - origin, meant)
    });
    match words {
        Words::Near(_) => Ways::Each(pieces.map(|(_, meant)| Way(vec![(0, meant)])).collect()),
        _ => Ways::Any(vec![Way(pieces.collect())]),
    }
}

fn is_near(word: &str, other: &str, distance: usize) -> bool {
    // Most are of another length, which is soon seen.
    word.len().abs_diff(other.len()) <= 4 * distance && strsim::osa_distance(word, other) <= distance
}

/// In people also the whole address, or what stands for it; and nothing but that, if nothing else can be meant.
fn in_people(words: &Words, vocabulary: &Vocabulary) -> Ways {
    let whole = match words {
        Words::Word(text) | Words::Prefix(text) => whole_address(text),
        Words::Phrase(_) | Words::Near(_) => None,
    };
    let Some(whole) = whole else { return in_text(words, vocabulary) };
    let begins = matches!(words, Words::Prefix(_));
    let meant = vocabulary.meant(|word| if begins { word.starts_with(&whole) } else { word == whole });
    let mut ways = vec![Way(vec![(0, meant)])];
    let is_address = words.text().split_once('@').is_some_and(|(_, domain)| domain.contains(char::is_alphanumeric));
    if let (false, Ways::Any(others)) = (is_address, in_text(words, vocabulary)) {
        ways.extend(others);
    }
    Ways::Any(ways)
}

/// xorshift64*: the same queries everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % most
    }

    fn one_of<'t, T>(&mut self, all: &'t [T]) -> &'t T {
        &all[self.below(all.len())]
    }
}

/// A query of words that stand in the mail, and of some that do not.
fn made_up(dice: &mut Dice, mail: &[Known], depth: usize) -> String {
    let kinds = if depth == 0 { 12 } else { 17 };
    let known = dice.one_of(mail);
    let words: Vec<&str> = known.document.body.split_whitespace().filter(|word| word.len() < 40).collect();
    let word = |dice: &mut Dice| -> String {
        let word = if words.is_empty() { "empty" } else { dice.one_of(&words) };
        word.chars().filter(|letter| letter.is_alphanumeric() || ".-@'".contains(*letter)).collect()
    };
    match dice.below(kinds) {
        0..=3 => word(dice),
        4 => {
            let start = dice.below(words.len().max(1));
            format!("\"{}\"", words[start.min(words.len())..].iter().take(3).copied().collect::<Vec<_>>().join(" "))
        }
        5 => format!("{}*", word(dice).chars().take(4).collect::<String>()),
        6 => {
            let mut letters: Vec<char> = word(dice).chars().collect();
            if letters.len() > 3 {
                letters.swap(1, 2);
            }
            format!("{}~", letters.into_iter().collect::<String>())
        }
        7 => {
            let subject = known.document.subject.clone().unwrap_or_default();
            let subject: Vec<&str> = subject.split_whitespace().collect();
            format!("subject:{}", if subject.is_empty() { "none" } else { dice.one_of(&subject) })
        }
        8 => {
            let people: Vec<&String> = known.document.from.iter().chain(&known.document.to).collect();
            let person = people.first().map_or("nobody", |person| person.as_str());
            let pieces: Vec<&str> = person.split([' ', '<', '>', ',']).filter(|piece| !piece.is_empty()).collect();
            let piece = if pieces.is_empty() { "nobody" } else { dice.one_of(&pieces) };
            format!("{}{piece}", dice.one_of(&["from:", "to:", "with:", "", "list:"]))
        }
        9 => format!("{}:{}", dice.one_of(&["body", "attachment", "filename", "cc"]), word(dice)),
        10 => (*dice.one_of(&[
            "has:attachment",
            "has:signature",
            "type:html",
            "date:2002-08",
            "after:2002-10",
            "size:>5KiB",
            "lang:en",
            "older:30d",
        ]))
        .to_owned(),
        11 => format!("id:{}", &known.document.id.to_string()[..10]),
        12 | 13 => format!("{} {}", made_up(dice, mail, depth - 1), made_up(dice, mail, depth - 1)),
        14 => format!("({} OR {})", made_up(dice, mail, depth - 1), made_up(dice, mail, depth - 1)),
        15 => format!("{} -({})", made_up(dice, mail, depth - 1), made_up(dice, mail, depth - 1)),
        _ => format!("-{}", made_up(dice, mail, depth - 1)),
    }
}

#[test]
fn the_index_finds_exactly_what_a_plain_look_at_every_word_finds() {
    let folder = tempfile::tempdir().unwrap();
    let Some(corpus) = unpacked("bulk-spamassassin.tar.zst", "*", folder.path()) else { return };
    let mut files = files_below(&corpus);
    files.retain(|path| path.extension().is_some_and(|ending| ending == "eml"));
    files.sort();
    let apart = files.len() / MESSAGES;
    let index = Index::create_or_open(&folder.path().join("index")).unwrap();
    let mut writer = index.writer(WRITER_HEAP_BYTES).unwrap();
    let mut vocabulary = Vocabulary::default();
    let mut mail = Vec::new();
    for (number, file) in (1..).zip(files.iter().step_by(apart)) {
        let octets = fs::read(file).unwrap();
        let (id, size) = (BlobId::of(&octets), octets.len() as u64);
        let document = Document::of(id, number, size, NOW, &message::read(&octets));
        writer.add(&document).unwrap();
        if number % 400 == 0 {
            writer.commit().unwrap();
        }
        mail.push(Known::of(document, &mut vocabulary));
    }
    writer.commit().unwrap();
    let reader = index.reader().unwrap();
    let mut dice = Dice(42);
    let mut found_some = 0;
    for _ in 0..QUERIES {
        let text = made_up(&mut dice, &mail, 3);
        let query = parse(&text).query;
        let wanted = Wanted::of(&query, &vocabulary);
        let expected: BTreeSet<u64> =
            mail.iter().filter(|known| wanted.matches(known)).map(|known| known.document.number).collect();
        for sort in [Sort::Newest, Sort::Relevance] {
            let page = Page { sort, limit: mail.len(), ..Page::default() };
            let hits = reader.search(&query, &Facts::at(NOW), &page).unwrap();
            let found: BTreeSet<u64> = hits.hits.iter().map(|hit| hit.number).collect();
            assert_eq!(hits.total, found.len() as u64, "{text}");
            assert_eq!(found, expected, "{text} by {sort:?}, read as {query}");
        }
        let some = reader.search(&query, &Facts::at(NOW), &Page::default()).unwrap();
        assert_eq!(some.total, expected.len() as u64, "{text}: only counted");
        found_some += usize::from(!expected.is_empty());
    }
    assert!(found_some > QUERIES / 2, "only {found_some} queries find anything");
    assert!(mail.iter().any(|known| known.document.features.contains(&Feature::Signature)));
}
