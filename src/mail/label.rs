use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use unicode_normalization::UnicodeNormalization;

/// The name of a tag, or of a saved search: in small letters, so that it is one however it was typed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(String);

const LONGEST_CHARS: usize = 64;

/// Why something is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    #[error("a name has at least one letter, digit or sign")]
    Empty,
    #[error("a name has at most {LONGEST_CHARS} characters")]
    TooLong,
    #[error("a name has no quotation marks and no control characters, so that it can be searched for")]
    Unsearchable,
}

impl Label {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        let small: String = text.nfc().flat_map(char::to_lowercase).collect();
        let name = small.split_whitespace().collect::<Vec<_>>().join(" ");
        if name.is_empty() {
            Err(LabelError::Empty)
        } else if name.chars().count() > LONGEST_CHARS {
            Err(LabelError::TooLong)
        } else if name.chars().any(|letter| letter.is_control() || matches!(letter, '"' | '“' | '”' | '„' | '«' | '»'))
        {
            Err(LabelError::Unsearchable)
        } else {
            Ok(Self(name))
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_however_it_is_typed() {
        let name = |text: &str| text.parse::<Label>().map(|label| label.to_string());
        assert_eq!(name("  To \t Do "), Ok("to do".to_owned()));
        assert_eq!(name("MU\u{308}LL"), Ok("müll".to_owned()));
        assert_eq!(name(" "), Err(LabelError::Empty));
        assert_eq!(name(&"x".repeat(65)), Err(LabelError::TooLong));
        assert_eq!(name("a\"b"), Err(LabelError::Unsearchable));
        assert_eq!(name("a\u{7}b"), Err(LabelError::Unsearchable));
    }
}
