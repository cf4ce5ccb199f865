//! How many hits there are of each kind.

use std::collections::BTreeMap;

use jiff::Timestamp as Moment;
use jiff::tz::TimeZone;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::schema::{ATTACHED, DATE, NUMBER, SENDER};
use super::translate::{Purpose, translate};
use super::{Error, Facts, NumberSet, Reader, guarded};
use crate::mail::query::Query;

/// What the index counts of all hits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facets {
    /// By address, of who has none by name. All in lower case.
    pub senders: BTreeMap<String, u64>,
    /// Of UTC.
    pub years: BTreeMap<i16, u64>,
    /// By the ending of what is attached; a message counts once for each.
    pub kinds: BTreeMap<String, u64>,
    /// The hits themselves, for what others count.
    pub numbers: NumberSet,
}

impl Reader {
    /// Counts all hits of a query.
    ///
    /// # Errors
    ///
    /// As [`search`](Self::search).
    pub fn facets(&self, query: &Query, facts: &Facts) -> Result<Facets, Error> {
        let query = translate(query, facts, &self.index.fields, Purpose::Match)?;
        guarded(&self.index.folder, || self.fresh_searcher()?.search(&*query, &Counting))
    }
}

struct Counting;

/// What one segment has.
struct SegmentCounts {
    numbers: Column<u64>,
    dates: Column<i64>,
    senders: Option<StrColumn>,
    kinds: Option<StrColumn>,
    found: Found,
}

/// Counted by what stands for a word in one segment.
#[derive(Default)]
struct Found {
    numbers: Vec<u64>,
    days: BTreeMap<i64, u64>,
    senders: Vec<u64>,
    kinds: Vec<u64>,
}

const DAY_MS: i64 = 86_400_000;

impl Collector for Counting {
    type Fruit = Facets;
    type Child = SegmentCounts;

    fn for_segment(&self, _: SegmentOrdinal, segment: &SegmentReader) -> tantivy::Result<SegmentCounts> {
        let columns = segment.fast_fields();
        let (senders, kinds) = (columns.str(SENDER)?, columns.str(ATTACHED)?);
        let none_of = |column: &Option<StrColumn>| vec![0; column.as_ref().map_or(0, |column| column.num_terms())];
        let found = Found { senders: none_of(&senders), kinds: none_of(&kinds), ..Found::default() };
        Ok(SegmentCounts { numbers: columns.u64(NUMBER)?, dates: columns.i64(DATE)?, senders, kinds, found })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, counted: Vec<tantivy::Result<Facets>>) -> tantivy::Result<Facets> {
        let mut all = Facets::default();
        let mut numbers = Vec::new();
        for facets in counted {
            let Facets { senders, years, kinds, numbers: some } = facets?;
            add(&mut all.senders, senders);
            add(&mut all.years, years);
            add(&mut all.kinds, kinds);
            numbers.push(some);
        }
        all.numbers = NumberSet::union(&numbers);
        Ok(all)
    }
}

impl SegmentCollector for SegmentCounts {
    type Fruit = tantivy::Result<Facets>;

    fn collect(&mut self, document: DocId, _: Score) {
        self.found.numbers.extend(self.numbers.first(document));
        if let Some(date) = self.dates.first(document) {
            *self.found.days.entry(date.div_euclid(DAY_MS)).or_default() += 1;
        }
        count(self.senders.as_ref(), document, &mut self.found.senders);
        count(self.kinds.as_ref(), document, &mut self.found.kinds);
    }

    fn harvest(self) -> Self::Fruit {
        let mut years = BTreeMap::new();
        for (day, count) in self.found.days {
            if let Ok(moment) = Moment::from_millisecond(day.saturating_mul(DAY_MS)) {
                *years.entry(moment.to_zoned(TimeZone::UTC).year()).or_default() += count;
            }
        }
        Ok(Facets {
            senders: named(self.senders.as_ref(), &self.found.senders)?,
            years,
            kinds: named(self.kinds.as_ref(), &self.found.kinds)?,
            numbers: self.found.numbers.into_iter().collect(),
        })
    }
}

fn count(column: Option<&StrColumn>, document: DocId, counts: &mut [u64]) {
    for ordinal in column.into_iter().flat_map(|column| column.term_ords(document)) {
        if let Some(count) = usize::try_from(ordinal).ok().and_then(|ordinal| counts.get_mut(ordinal)) {
            *count += 1;
        }
    }
}

fn named(column: Option<&StrColumn>, counts: &[u64]) -> tantivy::Result<BTreeMap<String, u64>> {
    let mut named = BTreeMap::new();
    for (ordinal, count) in (0..).zip(counts).filter(|(_, count)| **count > 0) {
        let mut name = String::new();
        if column.is_some_and(|column| column.ord_to_str(ordinal, &mut name).is_ok_and(|is_there| is_there)) {
            named.insert(name, *count);
        }
    }
    Ok(named)
}

fn add<K: Ord>(all: &mut BTreeMap<K, u64>, some: BTreeMap<K, u64>) {
    for (key, count) in some {
        *all.entry(key).or_default() += count;
    }
}
