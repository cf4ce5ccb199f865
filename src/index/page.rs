//! Where a page of hits begins.

use tantivy::query::doc_predicate_query::{DocPredicateQuery, FunctionPredicate};
use tantivy::query::{EnableScoring, Query as EngineQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, DocId, DocSet, Searcher, SegmentReader, TERMINATED, Term};

use super::Sort;
use super::schema::{DATE, Fields, NUMBER};
use crate::mail::BlobId;

/// What hits are sorted by: date, then number.
pub(super) type Place = (i64, u64);

/// Where a message stands in the index, and among all by date. `None` if it is not there.
pub(super) fn place_of(
    searcher: &Searcher,
    fields: &Fields,
    id: BlobId,
) -> tantivy::Result<Option<(DocAddress, Place)>> {
    let term = Term::from_field_bytes(fields.id, id.as_bytes());
    let query = TermQuery::new(term, IndexRecordOption::Basic);
    let weight = query.weight(EnableScoring::disabled_from_searcher(searcher))?;
    for (ordinal, segment) in searcher.segment_readers().iter().enumerate() {
        let mut found = weight.scorer(segment, 1.0)?;
        let mut document = found.doc();
        while document != TERMINATED && segment.is_deleted(document) {
            document = found.advance();
        }
        if document != TERMINATED {
            let date = segment.fast_fields().i64(DATE)?.first(document);
            let number = segment.fast_fields().u64(NUMBER)?.first(document);
            let address = DocAddress::new(u32::try_from(ordinal).unwrap_or(u32::MAX), document);
            return Ok(date.zip(number).map(|place| (address, place)));
        }
    }
    Ok(None)
}

/// Everything that comes behind a place in an order by date.
pub(super) fn beyond(place: Place, sort: Sort) -> Box<dyn EngineQuery> {
    let predicate = FunctionPredicate::from(move |segment: &SegmentReader| {
        let (dates, numbers) = (segment.fast_fields().i64(DATE)?, segment.fast_fields().u64(NUMBER)?);
        Ok(move |document: DocId| {
            let here = dates.first(document).zip(numbers.first(document));
            here.is_some_and(|here| if sort == Sort::Oldest { here > place } else { here < place })
        })
    });
    Box::new(DocPredicateQuery::from(predicate))
}
