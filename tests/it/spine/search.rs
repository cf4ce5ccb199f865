//! Searching mail in many languages and documents of many kinds, through the whole program; and that what is found is
//! explained, counted and paged as it should be.

use std::fs;
use std::path::Path;

use poplar::archive::{self, Search};
use poplar::mail::{BlobId, Clock};

use crate::support::corpora::unpacked;
use crate::support::poplar::Archive;

/// An archive with everything in a folder; not scanned.
fn imported(folder: &Path) -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let ended = archive.run(&["import", "--wait", "1s", folder.to_str().unwrap()]);
    assert_eq!(ended.code, 75, "{ended:?}");
    archive
}

fn opened(archive: &Archive) -> archive::Archive {
    archive::Archive::open(&archive.data_dir(), Clock::system()).unwrap()
}

/// The ids of all hits.
fn found(archive: &archive::Archive, query: &str) -> Vec<BlobId> {
    let search = Search { query: query.to_owned(), limit: 10_000, ..Search::default() };
    let results = archive.search(&search).unwrap();
    assert_eq!(results.total, results.hits.len() as u64, "{query}");
    results.hits.iter().map(|hit| hit.id).collect()
}

/// The id under which the archive has a file with LF line ends.
fn id_of(file: &Path) -> BlobId {
    let octets = fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut lines = Vec::new();
    for (at, octet) in octets.iter().enumerate() {
        if *octet == b'\n' && (at == 0 || octets[at - 1] != b'\r') {
            lines.push(b'\r');
        }
        lines.push(*octet);
    }
    BlobId::of(&lines)
}

/// The rows of `expected.tsv`, by column; without the head.
fn expected(folder: &Path) -> Vec<Vec<String>> {
    let table = fs::read_to_string(folder.join("expected.tsv")).unwrap();
    table.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

#[test]
fn words_of_all_languages_are_found_in_subject_text_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let Some(corpus) = unpacked("mixed-mail.tar.zst", "*gen-lang/*", folder.path()) else { return };
    let corpus = corpus.join("gen-lang");
    let archive = imported(&corpus);
    let opened = opened(&archive);
    let mut missed = Vec::new();
    for row in expected(&corpus) {
        let [file, language, _, _, _, _, subject, body, sender] = &row[..] else { panic!("{row:?}") };
        let id = id_of(&corpus.join(file));
        let mut queries = vec![format!("subject:\"{subject}\""), format!("from:\"{sender}\"")];
        queries.extend(body.split_whitespace().flat_map(|word| [word.to_owned(), format!("body:\"{word}\"")]));
        let missing = queries.iter().filter(|query| !found(&opened, query).contains(&id));
        missed.extend(missing.map(|query| format!("{file} ({language}): {query}")));
    }
    assert!(missed.is_empty(), "{} are not found:\n{}", missed.len(), missed.join("\n"));
}
