//! Addresses are found whole, by local part, by domain and what it belongs to, and by every word of them.

use super::{Kind, Token, fold, tokens};

/// Longer ones are found by their words only.
const LONGEST_WHOLE: usize = 256;

/// Nobody's domain has more labels than this worth searching by.
const MOST_SUFFIXES: usize = 8;

/// The tokens of people's names and addresses, `Ann Lee <ann@mail.example.org>`: the words of both, and where the
/// words of an address begin also `ann@mail.example.org`, `mail.example.org` and `example.org` as they stand.
pub fn address_tokens(text: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut position = 0;
    for (start, piece) in pieces(text) {
        let begin = found.len();
        let words = tokens(piece).map(|token| Token {
            position: token.position + position,
            start: token.start + start,
            end: token.end + start,
            ..token
        });
        found.extend(words);
        let next = found.last().map_or(position, |token| token.position + 1);
        if next > position {
            let wholes = wholes(piece).into_iter().map(|text| whole_token(text, position, start, piece));
            found.splice(begin..begin, wholes);
        }
        position = next;
    }
    found
}

/// How a query names an address, a domain or a local part as a whole: `None` if it does not.
/// `@example.org` is the domain.
pub fn whole_address(text: &str) -> Option<String> {
    let text = text.trim_matches(is_around);
    let is_whole = text.len() <= LONGEST_WHOLE && !text.contains(char::is_whitespace) && text.contains(is_inside);
    is_whole.then(|| fold::whole(text.trim_start_matches('@')))
}

/// Blank-separated pieces without the punctuation around them, and where they begin.
fn pieces(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split(char::is_whitespace).flat_map(|piece| piece.split(['<', '>', ',', ';'])).filter_map(move |piece| {
        let piece = piece.trim_matches(is_around);
        let start = piece.as_ptr().addr() - text.as_ptr().addr();
        (!piece.is_empty()).then_some((start, piece))
    })
}

const fn is_around(letter: char) -> bool {
    matches!(letter, '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';' | ':')
}

/// What makes a whole differ from a word.
const fn is_inside(letter: char) -> bool {
    matches!(letter, '@' | '.' | '-' | '_' | '+')
}

fn wholes(piece: &str) -> Vec<String> {
    let Some((local, domain)) = piece.rsplit_once('@') else { return Vec::new() };
    if local.is_empty() || piece.len() > LONGEST_WHOLE {
        return Vec::new();
    }
    let labels = domain.char_indices().filter(|(_, letter)| *letter == '.').map(|(at, _)| &domain[at + 1..]);
    let parts = [piece, local, domain].into_iter().chain(labels.take(MOST_SUFFIXES));
    parts.filter(|part| part.contains(is_inside)).map(fold::whole).collect()
}

const fn whole_token(text: String, position: usize, start: usize, piece: &str) -> Token {
    Token { text, position, start, end: start + piece.len(), kind: Kind::Whole }
}
