use std::sync::{Mutex, PoisonError};

use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Count, TopDocs};
use tantivy::index::SegmentId;
use tantivy::query::{BooleanQuery, Query as EngineQuery};
use tantivy::schema::Value;
use tantivy::{DocAddress, IndexReader, Order, Searcher, TantivyDocument, TantivyError};

use super::page::{beyond, place_of};
use super::schema::{DATE, NUMBER};
use super::translate::{Purpose, translate};
use super::{Error, Facts, Index, guarded};
use crate::mail::BlobId;
use crate::mail::query::Query;

/// Searches an index, whoever writes it.
pub struct Reader {
    pub(super) index: Index,
    inner: IndexReader,
    /// The segments that are open, and how many of their documents were removed; none before the first search.
    seen: Mutex<Option<Vec<(SegmentId, u32)>>>,
}

/// The order of hits. Where it leaves two equal, the one with the higher number comes first (the lower for
/// `Oldest`), so that pages neither repeat nor skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    #[default]
    Newest,
    Oldest,
    Relevance,
}

/// Which of the hits are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Page {
    pub sort: Sort,
    /// Only hits that come behind this message. What is kept meanwhile moves no page.
    pub after: Option<BlobId>,
    pub offset: usize,
    /// With 0, only the total is looked for.
    pub limit: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hits {
    /// How many messages there are in all, exactly.
    pub total: u64,
    pub hits: Vec<Hit>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub id: BlobId,
    pub number: u64,
    /// How well it fits (BM25), where hits are sorted by that.
    pub score: Option<f32>,
}

struct Found {
    number: Option<u64>,
    score: Option<f32>,
    address: DocAddress,
}

/// Of hits by relevance behind a message, so many are looked through at first.
const LOOKED_THROUGH: usize = 1 << 10;

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("folder", &self.index.folder).finish_non_exhaustive()
    }
}

impl Reader {
    pub(super) const fn over(index: Index, inner: IndexReader) -> Self {
        Self { index, inner, seen: Mutex::new(None) }
    }

    /// The messages that `query` asks for, with everything that was committed before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFact`] if a fact of the query has no set in `facts`; [`Error::NoSuchHit`] if the page is to begin
    /// behind a message that is not in the index, or by relevance, is none of the hits; [`Error::Damaged`] if files cannot
    /// be read.
    pub fn search(&self, query: &Query, facts: &Facts, page: &Page) -> Result<Hits, Error> {
        let purpose = if page.sort == Sort::Relevance { Purpose::Rank } else { Purpose::Match };
        let matching = translate(query, facts, &self.index.fields, Purpose::Match)?;
        let wanted = match purpose {
            Purpose::Match => matching.box_clone(),
            Purpose::Rank => translate(query, facts, &self.index.fields, purpose)?,
        };
        let found = guarded(&self.index.folder, || {
            let searcher = self.fresh_searcher()?;
            let messages = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
            let page = Page { limit: page.limit.min(messages.saturating_sub(page.offset)), ..*page };
            if page.limit == 0 {
                return Ok(Some(Hits { total: searcher.search(&*matching, &Count)? as u64, hits: Vec::new() }));
            }
            let Some((total, found)) = self.page_of(&searcher, &*wanted, &page, messages)? else { return Ok(None) };
            let hits = found.into_iter().map(|found| self.hit(&searcher, &found)).collect::<Result<_, _>>()?;
            Ok(Some(Hits { total: total as u64, hits }))
        })?;
        found.ok_or_else(|| Error::NoSuchHit { id: page.after.map_or_else(String::new, |id| id.short()) })
    }

    /// How many messages the index holds.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if files cannot be read.
    pub fn count(&self) -> Result<u64, Error> {
        guarded(&self.index.folder, || Ok(self.fresh_searcher()?.num_docs()))
    }

    /// Opening segments costs more than most searches, so it is done only after a commit changed them.
    pub(super) fn fresh_searcher(&self) -> tantivy::Result<Searcher> {
        let metas = self.index.inner.load_metas()?;
        let current: Vec<_> = metas.segments.iter().map(|segment| (segment.id(), segment.num_deleted_docs())).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.as_ref() != Some(&current) {
            self.inner.reload()?;
            *seen = Some(current);
        }
        Ok(self.inner.searcher())
    }

    /// The total, and the hits of the page; `None` if the message it is to come behind is not there.
    fn page_of(
        &self,
        searcher: &Searcher,
        query: &dyn EngineQuery,
        page: &Page,
        messages: usize,
    ) -> tantivy::Result<Option<(usize, Vec<Found>)>> {
        let Some(after) = page.after else {
            let top = TopDocs::with_limit(page.limit).and_offset(page.offset);
            return top_of(searcher, query, top, page.sort).map(Some);
        };
        let Some((address, place)) = place_of(searcher, &self.index.fields, after)? else { return Ok(None) };
        if page.sort == Sort::Relevance {
            return best_after(searcher, query, address, page, messages);
        }
        let rest = BooleanQuery::intersection(vec![query.box_clone(), beyond(place, page.sort)]);
        let top = TopDocs::with_limit(page.limit).and_offset(page.offset);
        let (_, found) = top_of(searcher, &rest, top, page.sort)?;
        Ok(Some((searcher.search(query, &Count)?, found)))
    }

    fn hit(&self, searcher: &Searcher, found: &Found) -> tantivy::Result<Hit> {
        let document: TantivyDocument = searcher.doc(found.address)?;
        let stored = document.get_first(self.index.fields.id).and_then(|value| value.as_bytes());
        let id = stored.and_then(|bytes| bytes.try_into().ok()).map(BlobId::from_bytes);
        let (Some(id), Some(number)) = (id, found.number) else {
            return Err(TantivyError::SchemaError("a document without id or number".to_owned()));
        };
        Ok(Hit { id, number, score: found.score })
    }
}

/// By relevance a hit's place is known only from the list itself: it is made longer until the hit is in it.
fn best_after(
    searcher: &Searcher,
    query: &dyn EngineQuery,
    after: DocAddress,
    page: &Page,
    messages: usize,
) -> tantivy::Result<Option<(usize, Vec<Found>)>> {
    let mut length = LOOKED_THROUGH;
    loop {
        let (total, mut found) = top_of(searcher, query, TopDocs::with_limit(length), Sort::Relevance)?;
        let place = found.iter().position(|found| found.address == after);
        let begin = place.map(|place| place + 1 + page.offset);
        match begin {
            Some(begin) if begin + page.limit <= length || length >= total => {
                let rest = found.drain(begin.min(found.len())..).take(page.limit).collect();
                return Ok(Some((total, rest)));
            }
            None if length >= total => return Ok(None),
            _ => length = length.saturating_mul(4).min(messages.max(1)),
        }
    }
}

/// The total and the page. By date only the columns of numbers are read, not the documents.
fn top_of(
    searcher: &Searcher,
    query: &dyn EngineQuery,
    top: TopDocs,
    sort: Sort,
) -> tantivy::Result<(usize, Vec<Found>)> {
    let date = SortByStaticFastValue::<i64>::for_field(DATE);
    let number = SortByStaticFastValue::<u64>::for_field(NUMBER);
    let order = match sort {
        Sort::Newest => Order::Desc,
        Sort::Oldest => Order::Asc,
        Sort::Relevance => {
            let best = top.order_by((SortBySimilarityScore, (number, Order::Desc)));
            let (total, found) = searcher.search(query, &(Count, best))?;
            let found =
                found.into_iter().map(|((score, number), address)| Found { number, score: Some(score), address });
            return Ok((total, found.collect()));
        }
    };
    let first = top.order_by(((date, order), (number, order)));
    let (total, found) = searcher.search(query, &(Count, first))?;
    let found = found.into_iter().map(|((_, number), address)| Found { number, score: None, address });
    Ok((total, found.collect()))
}
