use std::collections::BTreeMap;
use std::sync::Arc;

use crate::mail::Timestamp;
use crate::mail::query::Fact;

/// A set of message numbers, one bit each. Numbers are the catalog's and therefore dense.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NumberSet(Arc<Vec<u64>>);

impl NumberSet {
    pub fn contains(&self, number: u64) -> bool {
        usize::try_from(number / 64)
            .ok()
            .and_then(|word| self.0.get(word))
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// How many numbers both have.
    pub fn common(&self, other: &Self) -> u64 {
        self.0.iter().zip(other.0.iter()).map(|(one, two)| u64::from((one & two).count_ones())).sum()
    }

    /// Whatever is in any of the sets.
    pub(super) fn union(sets: &[Self]) -> Self {
        let mut words = vec![0; sets.iter().map(|set| set.0.len()).max().unwrap_or(0)];
        for set in sets {
            words.iter_mut().zip(set.0.iter()).for_each(|(word, some)| *word |= some);
        }
        Self(Arc::new(words))
    }
}

impl FromIterator<u64> for NumberSet {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut words = Vec::new();
        for number in numbers {
            let Ok(word) = usize::try_from(number / 64) else { continue };
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (number % 64);
        }
        Self(Arc::new(words))
    }
}

/// What a search depends on besides the index: the time, what may be seen, and the catalog's answers.
#[derive(Debug, Clone)]
pub struct Facts {
    pub(super) now: Timestamp,
    pub(super) visible: Option<NumberSet>,
    pub(super) hidden: Option<NumberSet>,
    sets: BTreeMap<Fact, NumberSet>,
}

impl Facts {
    /// None yet; `now` is what `newer:` and `older:` count from.
    pub const fn at(now: Timestamp) -> Self {
        Self { now, visible: None, hidden: None, sets: BTreeMap::new() }
    }

    /// The messages for which `fact` holds.
    #[must_use]
    pub fn with(mut self, fact: Fact, messages: NumberSet) -> Self {
        self.sets.insert(fact, messages);
        self
    }

    /// These messages do not exist for anybody.
    #[must_use]
    pub fn without(mut self, hidden: NumberSet) -> Self {
        self.hidden = (!hidden.is_empty()).then_some(hidden);
        self
    }

    /// Only these messages exist for whoever searches; totals count nothing else.
    #[must_use]
    pub fn limited_to(mut self, visible: NumberSet) -> Self {
        self.visible = Some(visible);
        self
    }

    pub(super) fn of(&self, fact: &Fact) -> Option<&NumberSet> {
        self.sets.get(fact)
    }
}
