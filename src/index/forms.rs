//! Which words of the index are forms of one.

use std::collections::BTreeSet;

use super::{Error, Reader, guarded};

/// Of the words that begin as a form must, so many are looked at in each field of a segment …
const LOOKED_AT: usize = 20_000;
/// … and so many forms are searched for.
const MOST: usize = 64;

impl Reader {
    /// The words of the index that begin with `start` and that `is_form` accepts, `word` left out.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if files cannot be read.
    pub fn forms(&self, word: &str, start: &str, is_form: &dyn Fn(&str) -> bool) -> Result<Vec<String>, Error> {
        let mut found = BTreeSet::new();
        guarded(&self.index.folder, || {
            let searcher = self.fresh_searcher()?;
            for segment in searcher.segment_readers() {
                for field in self.index.fields.summed_up() {
                    let inverted = segment.inverted_index(field)?;
                    let mut terms = inverted.terms().range().ge(start.as_bytes()).into_stream()?;
                    for _ in 0..LOOKED_AT {
                        if !terms.advance() || !terms.key().starts_with(start.as_bytes()) {
                            break;
                        }
                        let Ok(other) = std::str::from_utf8(terms.key()) else { continue };
                        if other != word && is_form(other) {
                            found.insert(other.to_owned());
                        }
                    }
                }
            }
            Ok(())
        })?;
        Ok(found.into_iter().filter(|other| other.chars().all(char::is_alphanumeric)).take(MOST).collect())
    }
}
