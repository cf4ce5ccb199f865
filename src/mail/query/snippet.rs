//! The place of a text that shows best why it was found.

use std::ops::Range;

use super::{Field, Query, Term, Words};
use crate::mail::text::{Kind, Token, sought_tokens, tokens};

/// Of a longer text the rest is not looked at.
const LONGEST_BYTES: usize = 1 << 20;

/// What stands before the first hit, as a share of the snippet.
const LEAD: usize = 4;

/// A piece of a text on one line, as plain text: escaping is for whoever shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snippet {
    pub text: String,
    /// What the query asked for, in octets of `text`; ascending, not touching each other.
    pub highlights: Vec<Range<usize>>,
}

/// The piece of `text` of at most `max_chars` characters that shows most of what `query` asks for; its beginning if
/// it shows nothing. Words that must not occur, and those looked for in other fields than the one the text is of, do not
/// count; those of the subject mostly stand in the body too.
pub fn snippet(text: &str, query: &Query, field: Field, max_chars: usize) -> Snippet {
    let text = &text[..text.floor_char_boundary(LONGEST_BYTES)];
    let mut wanted = Vec::new();
    collect(query, field, &mut wanted);
    let hits = hits(text, &wanted);
    let start = best_start(text, &hits, max_chars);
    cut(text, start, &hits, max_chars)
}

/// A token the query asks for, and how it may differ.
struct Wanted {
    text: String,
    likeness: Likeness,
}

enum Likeness {
    Same,
    Begins,
    /// Differs by at most so many letters.
    Near(usize),
}

struct Hit {
    range: Range<usize>,
    /// Which of the wanted it is.
    wanted: usize,
}

fn collect(query: &Query, of: Field, wanted: &mut Vec<Wanted>) {
    let counts = |field: &Field| *field == of || of == Field::Body && *field == Field::Subject;
    match query {
        Query::And(inner) | Query::Or(inner) => inner.iter().for_each(|query| collect(query, of, wanted)),
        Query::Term(Term::Words { field, words }) if field.as_ref().is_none_or(counts) => {
            let found: Vec<_> = sought_tokens(words.text()).collect();
            let last = found.len().saturating_sub(1);
            wanted.extend(found.into_iter().enumerate().map(|(at, token)| Wanted::of(token, words, at == last)));
        }
        Query::All | Query::Not(_) | Query::Term(_) | Query::Fact(_) => {}
    }
}

impl Wanted {
    fn of(token: Token, words: &Words, is_last: bool) -> Self {
        let likeness = match words {
            _ if token.kind == Kind::Single => Likeness::Begins,
            Words::Prefix(_) if is_last => Likeness::Begins,
            Words::Near(_) => Likeness::Near(usize::from(near_distance(&token.text))),
            _ => Likeness::Same,
        };
        Self { text: token.text, likeness }
    }

    fn is(&self, token: &Token) -> bool {
        match self.likeness {
            Likeness::Same => token.text == self.text,
            Likeness::Begins => token.text.starts_with(&self.text),
            Likeness::Near(distance) => strsim::osa_distance(&token.text, &self.text) <= distance,
        }
    }
}

/// How many letters a near spelling may differ by: short words have too many neighbours.
pub fn near_distance(word: &str) -> u8 {
    match word.chars().count() {
        0..=2 => 0,
        3..=6 => 1,
        _ => 2,
    }
}

fn hits(text: &str, wanted: &[Wanted]) -> Vec<Hit> {
    if wanted.is_empty() {
        return Vec::new();
    }
    let find = |token: Token| {
        let found = wanted.iter().position(|wanted| wanted.is(&token))?;
        Some(Hit { range: token.start..token.end, wanted: found })
    };
    tokens(text).filter_map(find).collect()
}

/// Where the piece with the most different hits begins, a little before the first of them.
fn best_start(text: &str, hits: &[Hit], max_chars: usize) -> usize {
    let mut best = (0, None);
    let mut end = 0;
    let mut counts = std::collections::BTreeMap::<usize, usize>::new();
    for (at, first) in hits.iter().enumerate() {
        while end < hits.len() && hits[end].range.end - first.range.start <= max_chars {
            *counts.entry(hits[end].wanted).or_default() += 1;
            end += 1;
        }
        if counts.len() > best.0 {
            best = (counts.len(), Some(first.range.start));
        }
        if end > at {
            if let Some(count) = counts.get_mut(&first.wanted) {
                *count -= 1;
            }
            counts.retain(|_, count| *count > 0);
        } else {
            end = at + 1;
        }
    }
    best.1.map_or(0, |start| begin_before(text, start, max_chars / LEAD))
}

/// The begin of a word at most `lead` characters before `start`.
fn begin_before(text: &str, start: usize, lead: usize) -> usize {
    let before = &text[..start];
    let Some((earliest, _)) = before.char_indices().rev().take(lead).last() else { return start };
    if earliest == 0 {
        return 0;
    }
    let lead = &before[earliest..];
    lead.find(char::is_whitespace).map_or(earliest, |blank| earliest + blank)
}

/// The piece from `start` on, white space made single blanks, with the hits in it.
fn cut(text: &str, start: usize, hits: &[Hit], max_chars: usize) -> Snippet {
    let mut snippet = Snippet::default();
    let ranges = merged(hits.iter().filter(|hit| hit.range.start >= start).map(|hit| hit.range.clone()));
    let mut ranges = ranges.into_iter().peekable();
    let mut highlight_start = 0;
    let mut is_blank_due = false;
    for (offset, letter) in text[start..].char_indices().take(max_chars) {
        if letter.is_whitespace() || letter.is_control() {
            is_blank_due = !snippet.text.is_empty();
            continue;
        }
        if std::mem::take(&mut is_blank_due) {
            snippet.text.push(' ');
        }
        let at = start + offset;
        if ranges.peek().is_some_and(|range| range.start == at) {
            highlight_start = snippet.text.len();
        }
        snippet.text.push(letter);
        if ranges.next_if(|range| range.end == at + letter.len_utf8()).is_some() {
            snippet.highlights.push(highlight_start..snippet.text.len());
        }
    }
    let next = text[start..].chars().nth(max_chars);
    if next.is_some_and(char::is_alphanumeric) && !is_blank_due {
        drop_torn_word(&mut snippet);
    }
    snippet
}

/// Cuts the last word, unless it is all there is or belongs to what was asked for.
fn drop_torn_word(snippet: &mut Snippet) {
    let needed = snippet.highlights.last().map_or(0, |range| range.end);
    if let Some(blank) = snippet.text.rfind(' ').filter(|blank| *blank >= needed) {
        snippet.text.truncate(blank);
    }
}

/// Ranges that meet or overlap, as pairs of characters do, made one.
fn merged(ranges: impl Iterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}
