//! What makes spellings equal: case, diacritics, compatibility forms, letters that only one language tells apart.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Appends the folded form of a run of letters; nothing but letters, digits and the marks that carry meaning. Marks
/// that have no letter before them are none of a word.
pub(super) fn word(text: &str, folded: &mut String) {
    if text.is_ascii() {
        folded
            .extend(text.bytes().filter(u8::is_ascii_alphanumeric).map(|octet| char::from(octet.to_ascii_lowercase())));
    } else {
        let kept = letters(text).filter(|letter| letter.is_alphanumeric() || is_combining_mark(*letter));
        folded.extend(kept.skip_while(|letter| is_combining_mark(*letter)));
    }
}

/// The folded form with its punctuation, for addresses.
pub(super) fn whole(text: &str) -> String {
    letters(text).collect()
}

/// Not seen, but able to split a word for whoever compares characters: soft hyphens, joiners, direction marks,
/// variation selectors.
pub(super) const fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

/// Taken apart to drop the marks, put together again because Hangul and voiced Kana are letters of their own.
fn letters(text: &str) -> impl Iterator<Item = char> + '_ {
    let plain = text.nfkd().filter(|letter| !is_diacritic(*letter) && !is_invisible(*letter));
    plain.flat_map(char::to_lowercase).filter(|letter| !is_diacritic(*letter)).flat_map(spelt_out).nfc()
}

/// Marks that tell spellings apart but not words: Latin, Greek, Cyrillic, Hebrew, Arabic and Syriac ones. In Indic
/// and South East Asian scripts marks are vowels and stay.
const fn is_diacritic(mark: char) -> bool {
    matches!(
        mark,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{489}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'..='\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{6d6}'..='\u{6ed}'
            | '\u{711}'
            | '\u{730}'..='\u{74a}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}'
    )
}

/// Letters that Unicode does not take apart, as people write them who lack the key.
fn spelt_out(letter: char) -> impl Iterator<Item = char> {
    let spelling = match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ŧ' => "t",
        'ı' => "i",
        'ς' => "σ",
        'ک' => "ك",
        'ی' | 'ى' => "ي",
        _ => "",
    };
    spelling.is_empty().then_some(letter).into_iter().chain(spelling.chars())
}
