use std::path::PathBuf;

use tantivy::indexer::IndexWriterOptions;
use tantivy::{IndexWriter, Term};

use super::schema::Fields;
use super::{Document, Error, Index, guarded};
use crate::mail::BlobId;

/// The one writer. What was not committed when it is dropped was never added.
pub struct Writer {
    inner: IndexWriter,
    fields: Fields,
    folder: PathBuf,
}

impl Writer {
    pub(super) fn open(index: &Index, heap_bytes: usize) -> Result<Self, Error> {
        // One thread each: indexing shares the machine with fetching and scanning.
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .num_merge_threads(1)
            .memory_budget_per_thread(heap_bytes)
            .build();
        let inner = guarded(&index.folder, || {
            let writer = index.inner.writer_with_options(options)?;
            // A crash may have left a file under the very name that the next commit wants: none could succeed then.
            writer.garbage_collect_files().wait()?;
            Ok(writer)
        })?;
        Ok(Self { inner, fields: index.fields, folder: index.folder.clone() })
    }

    /// Adds a message, in place of the one with the same id if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] after a failed write, from which on nothing more is taken: open a new writer.
    pub fn add(&mut self, document: &Document) -> Result<(), Error> {
        self.remove(document.id);
        let added = self.inner.add_document(document.for_engine(&self.fields));
        added.map(|_| ()).map_err(|error| Error::of(&self.folder, error))
    }

    /// Takes a message out, if it is there. Its words stay in the files until [`erase`](Self::erase), or a merge.
    pub fn remove(&mut self, id: BlobId) {
        self.inner.delete_term(Term::from_field_bytes(self.fields.id, id.as_bytes()));
    }

    /// Writes anew every file that still holds something of messages that were taken out and committed so.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] as for [`add`](Self::add); what was taken out is not found all the same.
    pub fn erase(&mut self) -> Result<(), Error> {
        let failed = |error| Error::of(&self.folder, error);
        let segments = self.inner.index().searchable_segment_metas().map_err(failed)?;
        for segment in segments.iter().filter(|segment| segment.num_deleted_docs() > 0) {
            self.inner.merge(&[segment.id()]).wait().map_err(failed)?;
        }
        self.inner.garbage_collect_files().wait().map(|_| ()).map_err(failed)
    }

    /// Ends it, and waits for the merges that it began, so that nothing is written to the folder any more; those of a writer
    /// that failed may go on for a moment.
    pub fn abandon(self) {
        // What was not committed is not wanted, and what went wrong while merging is no news.
        drop(self.inner.wait_merging_threads());
    }

    /// Makes all changes since the last commit durable and visible at once.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`] as for [`add`](Self::add); none of the changes happened then.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.inner.commit().map(|_| ()).map_err(|error| Error::of(&self.folder, error))
    }
}
