//! Whether the files still are what was written.

use std::fs;
use std::path::PathBuf;

use tantivy::SegmentReader;
use tantivy::index::SegmentId;

use super::schema::NUMBER;
use super::{Error, Index, guarded, settings};

/// A writer elsewhere may replace files while they are read; then they are looked at once more, so often.
const LOOKS: u32 = 8;

const LIST: &str = "meta.json";

impl Index {
    /// Until `stop` says so, reads every file and compares it with its checksum, and the list of the files with what is in
    /// them. The names of those that are not as they were written, and what is wrong.
    ///
    /// # Errors
    ///
    /// [`Error::Damaged`] if the list of files itself, or a file of it, cannot be read.
    pub fn verify(&self, stop: &dyn Fn() -> bool) -> Result<Vec<(PathBuf, String)>, Error> {
        let mut looks = 0;
        loop {
            looks += 1;
            let before = self.segments()?;
            let outcome = guarded(&self.folder, || self.problems(stop));
            let is_sound = outcome.as_ref().is_ok_and(Vec::is_empty);
            if is_sound || stop() || looks == LOOKS || self.segments()? == before {
                return outcome;
            }
        }
    }

    fn segments(&self) -> Result<Vec<(SegmentId, u32)>, Error> {
        guarded(&self.folder, || {
            let metas = self.inner.searchable_segment_metas()?;
            Ok(metas.iter().map(|segment| (segment.id(), segment.num_deleted_docs())).collect())
        })
    }

    fn problems(&self, stop: &dyn Fn() -> bool) -> tantivy::Result<Vec<(PathBuf, String)>> {
        let mut problems: Vec<(PathBuf, String)> = Vec::new();
        if *self.inner.settings() != settings() {
            problems.push((LIST.into(), "its settings are not poplar's".to_owned()));
        }
        // Not only those that the engine's second list, of files that are its own, names too.
        for file in self.files()? {
            if stop() {
                return Ok(problems);
            }
            if !self.inner.directory().validate_checksum(&file)? {
                problems.push((file, "its checksum is wrong".to_owned()));
            }
        }
        // Nothing is to be read from damaged files.
        if problems.is_empty() {
            problems.extend(self.list_problem()?.map(|problem| (LIST.into(), problem)));
        }
        Ok(problems)
    }

    /// Of the segments that are searched.
    fn files(&self) -> tantivy::Result<Vec<PathBuf>> {
        let metas = self.inner.searchable_segment_metas()?;
        let segments: Vec<String> = metas.iter().map(|segment| segment.id().uuid_string()).collect();
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            if segments.iter().any(|segment| name.as_encoded_bytes().starts_with(segment.as_bytes())) {
                files.push(name.into());
            }
        }
        Ok(files)
    }

    /// The list says how many documents each segment has, and how many of them were removed; it has no checksum.
    fn list_problem(&self) -> tantivy::Result<Option<String>> {
        let mut numbers = Vec::new();
        for segment in self.inner.searchable_segments()? {
            let reader = SegmentReader::open(&segment)?;
            let column = reader.fast_fields().u64(NUMBER)?;
            let alive = reader.alive_bitset().map_or(column.num_docs() as usize, |alive| alive.num_alive_docs());
            if column.num_docs() != reader.max_doc() || alive != reader.num_docs() as usize {
                return Ok(Some(format!(
                    "it counts the documents of segment {} wrong",
                    segment.id().short_uuid_string()
                )));
            }
            numbers.extend(reader.doc_ids_alive().flat_map(|document| column.first(document)));
        }
        numbers.sort_unstable();
        let twice = numbers.windows(2).find(|pair| pair[0] == pair[1]);
        Ok(twice.map(|pair| format!("message {} is there twice", pair[0])))
    }
}
