use std::sync::{Mutex, PoisonError};

use tantivy::collector::sort_key::{SortBySimilarityScore, SortByStaticFastValue};
use tantivy::collector::{Count, TopDocs};
use tantivy::index::SegmentId;
use tantivy::schema::Value;
use tantivy::{DocAddress, IndexReader, Order, Searcher, TantivyDocument, TantivyError};

use super::schema::{DATE, NUMBER};
use super::translate::translate;
use super::{Error, Facts, Index, guarded};
use crate::mail::BlobId;
use crate::mail::query::Query;

/// Searches an index, whoever writes it.
pub struct Reader {
    index: Index,
    inner: IndexReader,
    /// The segments that are open, and how many of their documents were removed.
    seen: Mutex<Vec<(SegmentId, u32)>>,
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

impl Reader {
    pub(super) const fn over(index: Index, inner: IndexReader) -> Self {
        Self { index, inner, seen: Mutex::new(Vec::new()) }
    }

    /// The messages that `query` asks for, with everything that was committed before.
    ///
    /// # Errors
    ///
    /// [`Error::UnknownFact`] if a fact of the query has no set in `facts`; [`Error::Damaged`] if files cannot be
    /// read.
    pub fn search(&self, query: &Query, facts: &Facts, page: &Page) -> Result<Hits, Error> {
        let query = translate(query, facts, &self.index.fields)?;
        guarded(&self.index.folder, || {
            let searcher = self.fresh_searcher()?;
            let messages = usize::try_from(searcher.num_docs()).unwrap_or(usize::MAX);
            let limit = page.limit.min(messages.saturating_sub(page.offset));
            if limit == 0 {
                return Ok(Hits { total: searcher.search(&*query, &Count)? as u64, hits: Vec::new() });
            }
            let top = TopDocs::with_limit(limit).and_offset(page.offset);
            let (total, found) = top_of(&searcher, &*query, top, page.sort)?;
            let hits = found.into_iter().map(|found| self.hit(&searcher, &found)).collect::<Result<_, _>>()?;
            Ok(Hits { total: total as u64, hits })
        })
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
    fn fresh_searcher(&self) -> tantivy::Result<Searcher> {
        let metas = self.index.inner.load_metas()?;
        let current: Vec<_> = metas.segments.iter().map(|segment| (segment.id(), segment.num_deleted_docs())).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen != current {
            self.inner.reload()?;
            *seen = current;
        }
        Ok(self.inner.searcher())
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

/// The total and the page. By date only the columns of numbers are read, not the documents.
fn top_of(
    searcher: &Searcher,
    query: &dyn tantivy::query::Query,
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
