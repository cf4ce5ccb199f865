//! An index as it lies on the disk: who writes and who reads it, and what is said of one that cannot be used.

use std::path::Path;

use poplar::index::{self, Error, Facts, Index, Page, WRITER_HEAP_BYTES};
use poplar::mail::query::parse;

use super::{NOW, document};

#[test]
fn a_reader_opened_by_itself_sees_each_commit_and_nothing_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = Index::create_or_open(&folder.path().join("index")).unwrap().writer(WRITER_HEAP_BYTES).unwrap();
    let reader = Index::open(&folder.path().join("index")).unwrap().reader().unwrap();
    for number in 1..=20 {
        writer.add(&document(number, format!("Subject: {number}\r\n\r\n").as_bytes())).unwrap();
        assert_eq!(reader.count().unwrap(), number - 1);
        writer.commit().unwrap();
        assert_eq!(reader.count().unwrap(), number);
    }
    drop(writer);
    let found = reader.search(&parse("subject:7").query, &Facts::at(NOW), &Page { limit: 1, ..Page::default() });
    assert_eq!(found.unwrap().hits[0].number, 7);
}

#[test]
fn only_one_writes_and_what_it_did_not_commit_never_was() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::create_or_open(&folder.path().join("index")).unwrap();
    let mut writer = index.writer(WRITER_HEAP_BYTES).unwrap();
    writer.add(&document(1, b"Subject: lost\r\n\r\n")).unwrap();
    let second = Index::open(&folder.path().join("index")).unwrap().writer(WRITER_HEAP_BYTES);
    assert!(matches!(&second, Err(error @ Error::Busy { .. }) if error.is_transient()));
    drop(writer);
    let again = Index::create_or_open(&folder.path().join("index")).unwrap();
    assert!(again.writer(WRITER_HEAP_BYTES).is_ok());
    assert_eq!(again.reader().unwrap().count().unwrap(), 0);
}

#[test]
fn an_index_that_cannot_be_used_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    assert!(matches!(Index::open(&path), Err(Error::Missing { .. })));

    let mut writer = Index::create_or_open(&path).unwrap().writer(WRITER_HEAP_BYTES).unwrap();
    writer.add(&document(1, b"Subject: whole\r\n\r\n")).unwrap();
    writer.commit().unwrap();
    drop(writer);
    assert!(Index::open(&path).unwrap().verify(&|| false).unwrap().is_empty());

    let meta = path.join("meta.json");
    let sound = std::fs::read_to_string(&meta).unwrap();
    std::fs::write(&meta, sound.replace("\"text-", "\"text-older-")).unwrap();
    assert!(matches!(Index::open(&path), Err(Error::Outdated { .. })));
    assert!(Index::create_or_open(&path).is_err_and(|error| error.wants_rebuild()));
    std::fs::write(&meta, &sound[..sound.len() / 2]).unwrap();
    assert!(matches!(Index::open(&path), Err(Error::Damaged { .. })));

    std::fs::write(&meta, sound).unwrap();
    let is_terms = |path: &Path| path.extension().is_some_and(|ending| ending == "term");
    let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let terms = files.filter(|path| is_terms(path)).last().unwrap();
    let mut octets = std::fs::read(&terms).unwrap();
    octets[0] ^= 0xff;
    std::fs::write(&terms, &octets).unwrap();
    let problem = (Path::new(terms.file_name().unwrap()).to_owned(), "its checksum is wrong".to_owned());
    assert_eq!(Index::open(&path).unwrap().verify(&|| false).unwrap(), [problem]);
    std::fs::remove_file(&terms).unwrap();
    let opened = Index::open(&path).and_then(|index| index.reader().map(|_| ()));
    assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
}

#[test]
fn the_schema_document_shows_the_fields_as_they_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/index.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (head, rest) = document.split_once("<!-- table -->\n").unwrap();
    let (table, tail) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        let updated = format!("{head}<!-- table -->\n{}<!-- end -->{tail}", index::table());
        return std::fs::write(&path, updated).unwrap();
    }
    assert_eq!(table, index::table(), "UPDATE=1 rewrites the table");
}
