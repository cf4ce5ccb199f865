//! Our own analysis behind the engine's trait.

use std::vec::IntoIter;

use tantivy::tokenizer::{PreTokenizedString, Token, TokenStream, Tokenizer};

use super::schema::versioned;
use crate::mail::text::{self, Tokens};

pub(super) fn text_name() -> String {
    versioned("text")
}

pub(super) fn people_name() -> String {
    versioned("people")
}

pub(super) fn register(index: &tantivy::Index) {
    index.tokenizers().register(&text_name(), Text);
    index.tokenizers().register(&people_name(), People);
}

/// A person as [`people_name`] cuts them, for a field that mostly holds other text.
pub(super) fn people_tokens(text: &str) -> PreTokenizedString {
    let tokens = text::address_tokens(text).into_iter().map(|mut ours| {
        let mut theirs = Token { text: std::mem::take(&mut ours.text), ..Token::default() };
        place(&mut theirs, &ours);
        theirs
    });
    PreTokenizedString { text: String::new(), tokens: tokens.collect() }
}

#[derive(Clone)]
struct Text;

#[derive(Clone)]
struct People;

struct TextStream<'t> {
    tokens: Tokens<'t>,
    ours: text::Token,
    theirs: Token,
}

struct PeopleStream {
    tokens: IntoIter<text::Token>,
    theirs: Token,
}

impl Tokenizer for Text {
    type TokenStream<'t> = TextStream<'t>;

    fn token_stream<'t>(&'t mut self, text: &'t str) -> TextStream<'t> {
        TextStream { tokens: text::tokens(text), ours: text::Token::default(), theirs: Token::default() }
    }
}

impl Tokenizer for People {
    type TokenStream<'t> = PeopleStream;

    fn token_stream<'t>(&'t mut self, text: &'t str) -> PeopleStream {
        PeopleStream { tokens: text::address_tokens(text).into_iter(), theirs: Token::default() }
    }
}

impl TokenStream for TextStream<'_> {
    fn advance(&mut self) -> bool {
        // The two strings change places, so that the memory of both is used again.
        let has_next = self.tokens.advance(&mut self.ours);
        if has_next {
            std::mem::swap(&mut self.theirs.text, &mut self.ours.text);
            place(&mut self.theirs, &self.ours);
        }
        has_next
    }

    fn token(&self) -> &Token {
        &self.theirs
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.theirs
    }
}

impl TokenStream for PeopleStream {
    fn advance(&mut self) -> bool {
        let Some(mut ours) = self.tokens.next() else { return false };
        std::mem::swap(&mut self.theirs.text, &mut ours.text);
        place(&mut self.theirs, &ours);
        true
    }

    fn token(&self) -> &Token {
        &self.theirs
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.theirs
    }
}

const fn place(theirs: &mut Token, ours: &text::Token) {
    theirs.position = ours.position;
    theirs.offset_from = ours.start;
    theirs.offset_to = ours.end;
}
