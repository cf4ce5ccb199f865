//! Forms of one word, for queries: documents are never stemmed, so that what is found does not depend on their language.

use std::fmt;

use rust_stemmers::{Algorithm, Stemmer};

/// The languages there are rules for, by their codes of ISO 639-1.
const LANGUAGES: [(&str, Algorithm); 18] = [
    ("ar", Algorithm::Arabic),
    ("da", Algorithm::Danish),
    ("de", Algorithm::German),
    ("el", Algorithm::Greek),
    ("en", Algorithm::English),
    ("es", Algorithm::Spanish),
    ("fi", Algorithm::Finnish),
    ("fr", Algorithm::French),
    ("hu", Algorithm::Hungarian),
    ("it", Algorithm::Italian),
    ("nl", Algorithm::Dutch),
    ("no", Algorithm::Norwegian),
    ("pt", Algorithm::Portuguese),
    ("ro", Algorithm::Romanian),
    ("ru", Algorithm::Russian),
    ("sv", Algorithm::Swedish),
    ("ta", Algorithm::Tamil),
    ("tr", Algorithm::Turkish),
];

/// Shorter words have no other forms worth looking for, and too many words begin as they do.
const SHORTEST: usize = 3;

/// Which words count as forms of one: those that the rules of a language bring to the same stem.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Stemming(Vec<&'static str>);

impl Stemming {
    /// By these languages' rules. `None` if there are none for one of them.
    pub fn of(languages: &[String]) -> Option<Self> {
        let known = |code: &String| LANGUAGES.iter().find(|(known, _)| known == code).map(|(known, _)| *known);
        languages.iter().map(known).collect::<Option<Vec<_>>>().map(Self)
    }

    /// The codes that [`of`](Self::of) takes.
    pub fn languages() -> impl Iterator<Item = &'static str> {
        LANGUAGES.into_iter().map(|(code, _)| code)
    }

    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn codes(&self) -> &[&'static str] {
        &self.0
    }

    /// How all forms of a folded word begin, and what tells whether a word that begins so is one. `None` if it has none.
    pub fn forms(&self, word: &str) -> Option<(String, impl Fn(&str) -> bool + use<>)> {
        let stemmers = || self.0.iter().filter_map(|code| LANGUAGES.iter().find(|(known, _)| known == code));
        let stemmers: Vec<(Stemmer, String)> = stemmers()
            .map(|(_, algorithm)| {
                let stemmer = Stemmer::create(*algorithm);
                let stem = stemmer.stem(word).into_owned();
                (stemmer, stem)
            })
            .collect();
        // Rules change the end of a stem too (`happy`, `happi`): what they share with the word itself is sure.
        let shared = |stem: &String| stem.chars().zip(word.chars()).take_while(|(one, two)| one == two).count();
        let sure = stemmers.iter().map(|(_, stem)| shared(stem)).min()?;
        let start: String = word.chars().take(sure.max(SHORTEST)).collect();
        let is_form = move |other: &str| stemmers.iter().any(|(stemmer, stem)| stemmer.stem(other) == stem.as_str());
        (word.chars().count() > SHORTEST).then_some((start, is_form))
    }
}

impl fmt::Debug for Stemming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_are_told_by_the_rules_of_its_language() {
        let is_form = |languages: &[&str], word: &str, other: &str| {
            let languages: Vec<String> = languages.iter().map(|code| (*code).to_owned()).collect();
            let stemming = Stemming::of(&languages).unwrap();
            stemming.forms(word).is_some_and(|(start, is_form)| other.starts_with(&start) && is_form(other))
        };
        assert!(is_form(&["en"], "invoices", "invoice") && is_form(&["en"], "invoice", "invoicing"));
        assert!(is_form(&["en"], "happy", "happiness"));
        assert!(is_form(&["en", "de"], "rechnung", "rechnungen"));
        assert!(!is_form(&["en"], "rechnung", "rechnungen"));
        assert!(!is_form(&["en"], "invoice", "voice") && !is_form(&[], "invoices", "invoice"));
        assert_eq!(Stemming::of(&["xx".to_owned()]), None);
    }
}
