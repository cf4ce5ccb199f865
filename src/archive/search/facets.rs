use std::cmp::Reverse;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{Archive, Error};
use crate::index::NumberSet;
use crate::mail::Verdict;

/// How many of all hits there are of each kind, the most frequent first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Facets {
    /// A message that was met at several accounts counts for each.
    pub account: Vec<Count>,
    /// By address, at most 50 of them.
    pub sender: Vec<Count>,
    /// Of UTC, the latest first.
    pub year: Vec<Count>,
    /// By the endings of what is attached, at most 50 of them; a message counts once for each.
    #[serde(rename = "type")]
    pub kind: Vec<Count>,
    pub verdict: Vec<Count>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Count {
    pub value: String,
    pub messages: u64,
}

const MOST: usize = 50;

impl Archive {
    pub(super) fn told_facets(&self, counted: crate::index::Facets) -> Result<Facets, Error> {
        let all = &counted.numbers;
        let mut account = BTreeMap::new();
        for known in self.catalog.accounts()? {
            let met: NumberSet = self.catalog.numbers_of_account(&known.name)?.into_iter().collect();
            account.insert(known.name, met.common(all));
        }
        let mut verdict = BTreeMap::new();
        for known in Verdict::ALL.into_iter().filter(|verdict| *verdict != Verdict::Clean) {
            let judged: NumberSet = self.catalog.numbers_with_verdict(&[known])?.into_iter().collect();
            verdict.insert(known.to_string(), judged.common(all));
        }
        // Those that are left: the catalog has no list of the clean ones.
        let others: u64 = verdict.values().sum();
        verdict.insert(Verdict::Clean.to_string(), all.common(all).saturating_sub(others));
        let mut year = most_frequent(counted.years);
        year.sort_by_key(|count| Reverse(count.value.clone()));
        Ok(Facets {
            account: most_frequent(account),
            sender: first(most_frequent(counted.senders)),
            year,
            kind: first(most_frequent(counted.kinds)),
            verdict: most_frequent(verdict),
        })
    }
}

fn most_frequent<K: ToString>(counts: BTreeMap<K, u64>) -> Vec<Count> {
    let counts = counts.into_iter().filter(|(_, messages)| *messages > 0);
    let mut counts: Vec<Count> = counts.map(|(value, messages)| Count { value: value.to_string(), messages }).collect();
    // Stable: what is equally frequent stays in the order of the values.
    counts.sort_by_key(|count| Reverse(count.messages));
    counts
}

fn first(mut counts: Vec<Count>) -> Vec<Count> {
    counts.truncate(MOST);
    counts
}
