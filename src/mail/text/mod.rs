//! Text into the tokens that are searched: the same for documents and queries, always, and for every engine.
//! Knows nothing about languages beyond their letters: no dictionary, no stemming, no stop words.
//!
//! * A **word** is a run of letters and digits: `example.org` is two, and a query for it is a phrase of two.
//! * Case, diacritics and compatibility forms do not matter: `Größe`, `GROSSE` and `ｇｒｏｓｓｅ` are one word.
//! * Scripts written without spaces give overlapping **pairs** of characters, and the last character alone, so that
//!   every part of a run is found: 東京都 gives 東京, 京都, 都.

mod address;
mod fold;
mod stem;

use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::{GraphemeIndices, UnicodeSegmentation};

pub use address::{address_tokens, whole_address};
pub use stem::Stemming;

/// Counts up whenever the same text gives other tokens: what was indexed before must be indexed again.
pub const VERSION: u32 = 1;

/// Longer words are cut into pieces of this many characters, each a token in the next position.
pub const LONGEST_TOKEN: usize = 64;

/// One searchable piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Folded: what is compared.
    pub text: String,
    /// Counts from 0; tokens of a phrase follow each other. Several tokens may share one.
    pub position: usize,
    /// Where it came from, in octets of the text.
    pub start: usize,
    pub end: usize,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Word,
    /// Two neighbours of a run without spaces.
    Pair,
    /// The last of a longer run; queries do without it.
    Tail,
    /// The only one of its run. In a query it may be any character of a run.
    Single,
    /// A mail address, its domain or its local part, with its punctuation.
    Whole,
}

impl Default for Token {
    fn default() -> Self {
        Self { text: String::new(), position: 0, start: 0, end: 0, kind: Kind::Word }
    }
}

/// The whole text in the form in which spellings are compared, with its punctuation and blanks.
pub fn folded(text: &str) -> String {
    fold::whole(text)
}

/// The tokens of a document's text, in order.
pub const fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0, position: 0, folded: String::new(), run: Run::Done }
}

/// The tokens of a query's text: those that must stand in a document, at the same distances.
pub fn sought_tokens(text: &str) -> impl Iterator<Item = Token> + '_ {
    tokens(text).filter(|token| token.kind != Kind::Tail)
}

/// A walk over a text; see [`tokens`].
#[derive(Debug, Clone)]
pub struct Tokens<'t> {
    text: &'t str,
    at: usize,
    position: usize,
    /// The word in hand.
    folded: String,
    run: Run<'t>,
}

/// What is left of the run of letters in hand.
#[derive(Debug, Clone)]
enum Run<'t> {
    Done,
    /// A word, of which the first `taken` octets of its folded form are done.
    Word {
        start: usize,
        end: usize,
        taken: usize,
    },
    /// A run of a script without spaces, from `start` on.
    Dense {
        start: usize,
        units: Box<GraphemeIndices<'t>>,
        last: Option<Unit>,
        is_first: bool,
    },
}

/// One character of a dense script as a person counts.
#[derive(Debug, Clone)]
struct Unit {
    folded: String,
    start: usize,
    end: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let mut token = Token::default();
        self.advance(&mut token).then_some(token)
    }
}

impl<'t> Tokens<'t> {
    /// Puts the next token into `token`, whose memory is used again. `false` at the end.
    pub fn advance(&mut self, token: &mut Token) -> bool {
        loop {
            let is_found = match self.run {
                Run::Done => false,
                Run::Word { .. } => self.take_word(token),
                Run::Dense { .. } => self.take_pair(token),
            };
            if is_found {
                token.position = self.position;
                self.position += 1;
                return true;
            }
            if !self.begin() {
                self.run = Run::Done;
                return false;
            }
        }
    }

    /// Finds the next run and takes it in hand; `false` at the end of the text.
    fn begin(&mut self) -> bool {
        let rest = &self.text[self.at..];
        let starts = rest.char_indices().map(|(at, letter)| (at, Class::of(letter)));
        let Some((offset, class)) = starts.clone().find(|(_, class)| class.begins()) else { return false };
        let start = self.at + offset;
        let length = match class {
            Class::Word => word_length(&self.text[start..]),
            _ => run_length(&self.text[start..], class),
        };
        self.at = start + length;
        let run = &self.text[start..self.at];
        if class == Class::Dense {
            self.run = Run::Dense { start, units: Box::new(run.grapheme_indices(true)), last: None, is_first: true };
        } else {
            self.folded.clear();
            fold::word(run, &mut self.folded);
            self.run = Run::Word { start, end: self.at, taken: 0 };
        }
        true
    }

    fn take_word(&mut self, token: &mut Token) -> bool {
        let Run::Word { start, end, taken } = &mut self.run else { return false };
        let rest = &self.folded[*taken..];
        if rest.is_empty() {
            return false;
        }
        let length = rest.char_indices().nth(LONGEST_TOKEN).map_or(rest.len(), |(at, _)| at);
        token.text.clear();
        token.text.push_str(&rest[..length]);
        *taken += length;
        (token.start, token.end, token.kind) = (*start, *end, Kind::Word);
        true
    }

    fn take_pair(&mut self, token: &mut Token) -> bool {
        let Run::Dense { start, units, last, is_first } = &mut self.run else { return false };
        if *is_first {
            *last = next_unit(*start, units);
        }
        let Some(first) = last.take() else { return false };
        let second = next_unit(*start, units);
        token.kind = match (&second, *is_first) {
            (Some(_), _) => Kind::Pair,
            (None, true) => Kind::Single,
            (None, false) => Kind::Tail,
        };
        *is_first = false;
        token.text.clear();
        token.text.push_str(&first.folded);
        (token.start, token.end) = (first.start, first.end);
        if let Some(second) = second {
            token.text.push_str(&second.folded);
            token.end = second.end;
            *last = Some(second);
        }
        true
    }
}

fn next_unit(start: usize, units: &mut GraphemeIndices<'_>) -> Option<Unit> {
    units.find_map(|(offset, unit)| {
        let mut folded = String::new();
        fold::word(unit, &mut folded);
        // Marks can be stacked without end on one character.
        let longest = folded.char_indices().nth(LONGEST_TOKEN / 2).map_or(folded.len(), |(at, _)| at);
        folded.truncate(longest);
        let start = start + offset;
        (!folded.is_empty()).then_some(Unit { folded, start, end: start + unit.len() })
    })
}

/// The length of the word at the start of `text`: most words are ASCII and need no tables.
fn word_length(text: &str) -> usize {
    let ascii = text.bytes().take_while(u8::is_ascii_alphanumeric).count();
    match text.as_bytes().get(ascii) {
        Some(next) if !next.is_ascii() => ascii + run_length(&text[ascii..], Class::Word),
        _ => ascii,
    }
}

fn run_length(text: &str, class: Class) -> usize {
    let end = text.char_indices().find(|(_, letter)| {
        let next = Class::of(*letter);
        next != class && next != Class::Joiner
    });
    end.map_or(text.len(), |(at, _)| at)
}

/// What a character does to a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    /// Of a script written without spaces between words.
    Dense,
    /// Belongs to what stands before it: marks, soft hyphens, invisible joiners.
    Joiner,
    /// Ends a run.
    Other,
}

impl Class {
    fn of(letter: char) -> Self {
        if letter.is_ascii() {
            return if letter.is_ascii_alphanumeric() { Self::Word } else { Self::Other };
        }
        match letter.is_alphanumeric() {
            _ if fold::is_invisible(letter) => Self::Joiner,
            true if is_dense(letter) => Self::Dense,
            true => Self::Word,
            false if is_combining_mark(letter) => Self::Joiner,
            false => Self::Other,
        }
    }

    const fn begins(self) -> bool {
        matches!(self, Self::Word | Self::Dense)
    }
}

/// Thai, Lao, Burmese, Khmer, Hangul, Kana, Bopomofo and Han, with their compatibility forms.
const fn is_dense(letter: char) -> bool {
    matches!(
        letter,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{2e80}'..='\u{2fdf}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3021}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{a960}'..='\u{a97f}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{ff66}'..='\u{ffdc}'
            | '\u{1b000}'..='\u{1b16f}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests;
