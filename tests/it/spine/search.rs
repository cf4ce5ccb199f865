//! Searching mail in many languages and documents of many kinds, through the whole program; and that what is found is
//! explained, counted and paged as it should be.

use std::fs;
use std::path::Path;

use poplar::archive::{self, Search};
use poplar::mail::{BlobId, Clock, eicar};

use crate::support::corpora::unpacked;
use crate::support::poplar::{Archive, files_below};

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

/// Rows of which a word cannot be found, and why; see `extract::corpus`.
const NOT_FOUND: [&str; 2] = ["0031-testHTMLBadScript.html.eml", "0332-testExtraSpaces.pdf.eml"];

#[test]
fn words_inside_documents_are_found_and_it_is_said_where() {
    let folder = tempfile::tempdir().unwrap();
    let Some(corpus) = unpacked("mixed-mail.tar.zst", "*att-tika/*", folder.path()) else { return };
    let corpus = corpus.join("att-tika");
    let archive = imported(&corpus);
    let opened = opened(&archive);
    let mut missed = Vec::new();
    for row in expected(&corpus) {
        let [file, format, _, _, words] = &row[..] else { panic!("{row:?}") };
        if NOT_FOUND.contains(&file.as_str()) {
            continue;
        }
        let id = id_of(&corpus.join(file));
        let missing = words.split_whitespace().filter(|word| {
            let query = format!("attachment:\"{word}\"");
            !found(&opened, &query).contains(&id)
        });
        missed.extend(missing.map(|word| format!("{file} ({format}): {word}")));
    }
    assert!(missed.is_empty(), "{} are not found:\n{}", missed.len(), missed.join("\n"));
    let status = archive.status();
    assert_eq!(status["stages"]["index"]["waiting"], 0, "{status}");
    assert_eq!(status["stages"]["extract"]["waiting"], status["stages"]["extract"]["stuck"], "{status}");
    assert_eq!(archive.json(&["search", "has:encryption", "--count"])["skipped"]["unindexed"], 0);
}

/// A mail with a document attached, both with a word of their own.
fn with_document(name: &str, word: &str) -> Vec<u8> {
    let document = format!("{{\\rtf1\\ansi The figure is {word}.}}");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, document);
    format!(
        "From: ann@example.org\r\nDate: Tue, 5 Mar 2024 09:30:00 +0000\r\nSubject: {name}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nplease read\r\n--b\r\n\
         Content-Type: application/rtf; name={name}.rtf\r\nContent-Disposition: attachment\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n--b--\r\n"
    )
    .into_bytes()
}

#[test]
fn a_hit_in_an_attachment_is_shown_from_it_once_it_is_clean() {
    let archive = Archive::new();
    let file = archive.path("one.eml");
    fs::write(&file, with_document("figures", "fortytwo")).unwrap();
    archive.well(&["import", file.to_str().unwrap()]);
    let results = archive.json(&["search", "fortytwo"]);
    assert_eq!(results["total"], 1, "{results}");
    let hit = &results["hits"][0];
    assert_eq!(hit["found_in"], serde_json::json!(["attachment"]), "{hit}");
    assert_eq!(hit["snippet"], "The figure is fortytwo.");
    assert_eq!(hit["snippet_part"], 2);
    assert_eq!(results["skipped"], serde_json::json!({"unindexed": 0, "unextracted": 0, "encrypted": 0}));
    let told = archive.well(&["search", "fortytwo"]);
    assert!(told.text().contains("figures.rtf: The figure is fortytwo."), "{}", told.text());
    // The text of an attachment is no evidence: made anew, it is read anew.
    archive.well(&["rebuild"]);
    assert_eq!(archive.found("attachment:fortytwo").len(), 1);
}

#[test]
fn what_scanners_have_not_seen_is_found_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.eml"), with_document("figures", "fortytwo")).unwrap();
    let archive = imported(folder.path());
    let hit = archive.json(&["search", "fortytwo"])["hits"][0].take();
    assert_eq!((&hit["verdict"], &hit["snippet"]), (&"pending".into(), &"".into()), "{hit}");
    assert_eq!(hit["found_in"], serde_json::json!(["attachment"]));
}

#[test]
fn a_destroyed_message_leaves_nothing_of_its_attachments() {
    let archive = Archive::new();
    let names = ["one", "two"];
    for name in names {
        let infected = [b"\r\n--b\r\nContent-Disposition: attachment\r\n\r\n", &eicar()[..], b"\r\n--b--\r\n"].concat();
        let octets = with_document(name, &format!("figure{name}"));
        let end = octets.len() - "\r\n--b--\r\n".len();
        fs::write(archive.path(name), [&octets[..end], &infected].concat()).unwrap();
        archive.well(&["import", archive.path(name).to_str().unwrap()]);
    }
    assert_eq!(archive.found("is:infected").len(), 2);
    let id = archive.found("figureone").swap_remove(0);
    archive.well(&["quarantine", "purge", &id, "--reason", "asked for"]);
    assert_eq!(archive.found("figureone"), [""; 0]);
    assert_eq!(archive.found("figuretwo").len(), 1);
    let catalog = rusqlite::Connection::open(archive.data_dir().join("catalog.db")).unwrap();
    let count = |table: &str| -> u64 {
        catalog.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("document"), count("extraction")), (1, 1));
    drop(catalog);
    archive.assert_sound();
}

#[test]
fn hits_are_counted_paged_and_explained_on_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    for n in 1..=5 {
        let mail = format!(
            "From: Ann <Ann@example.org>\nDate: Tue, {n} Mar 2024 09:30:00 +0000\nSubject: invoice {n}\n\nfor {n} things\n"
        );
        fs::write(folder.path().join(format!("{n}.eml")), mail).unwrap();
    }
    let archive = imported(folder.path());
    let subjects = |results: &serde_json::Value| -> Vec<String> {
        let hits = results["hits"].as_array().unwrap();
        hits.iter().map(|hit| hit["subject"].as_str().unwrap().to_owned()).collect()
    };
    let first = archive.json(&["search", "invoice", "--limit", "2"]);
    assert_eq!(subjects(&first), ["invoice 5", "invoice 4"]);
    let next = first["next"].as_str().unwrap();
    let second = archive.json(&["search", "invoice", "--limit", "2", "--after", next]);
    assert_eq!(
        (subjects(&second), &second["total"]),
        (vec!["invoice 3".to_owned(), "invoice 2".to_owned()], &5.into())
    );
    let last = archive.json(&["search", "invoice", "--limit", "2", "--after", second["next"].as_str().unwrap()]);
    assert_eq!((subjects(&last), &last["next"]), (vec!["invoice 1".to_owned()], &serde_json::Value::Null));
    let unknown = archive.run(&["search", "things", "--after", "00000000"]);
    assert_eq!(unknown.code, 1, "{unknown:?}");

    let facets = archive.json(&["search", "invoice", "--facets"])["facets"].take();
    let one = |value: &str| serde_json::json!([{"value": value, "messages": 5}]);
    assert_eq!(facets["account"], one("import"));
    assert_eq!(facets["sender"], one("ann@example.org"));
    assert_eq!((&facets["year"], &facets["verdict"]), (&one("2024"), &one("pending")));
    assert!(archive.well(&["search", "--facets"]).text().contains("by sender\n          5  ann@example.org"));

    let id = &next[..8];
    let told = archive.well(&["search", "--explain", id, "--", "invoice", "-from:ann", "subject:4"]);
    for line in [
        &format!("Message {id}") as &str,
        "is no hit",
        "yes      invoice: the word “invoice”",
        "(found in: subject)",
        "no       not this",
        "yes          from:ann: the word “ann” in the sender (found in: from)",
    ] {
        assert!(told.text().contains(line), "{line} is missing in\n{}", told.text());
    }
    let understood = archive.json(&["search", "--explain", "RE: \"open"]);
    assert_eq!(understood["query"], "RE: open");
    assert_eq!(understood["notes"].as_array().unwrap().len(), 2);
}

#[test]
fn an_index_of_another_version_is_made_anew_and_searches_say_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one.eml"), with_document("figures", "fortytwo")).unwrap();
    let archive = imported(folder.path());
    let list = archive.data_dir().join("index/meta.json");
    let sound = fs::read_to_string(&list).unwrap();
    for (index, word) in [(sound.replace("\"text-", "\"text-older-"), "another version"), (String::new(), "damaged")] {
        fs::write(&list, index).unwrap();
        let results = archive.json(&["search", "fortytwo"]);
        assert_eq!((&results["total"], &results["skipped"]["unindexed"]), (&0.into(), &1.into()), "{results}");
        assert!(results["notes"][0].as_str().unwrap().contains(word), "{results}");
        assert_eq!(archive.run(&["import", "--wait", "1s", folder.path().to_str().unwrap()]).code, 75);
        assert_eq!(archive.found("fortytwo").len(), 1);
    }
    // A file that lost its end, as after a power cut or on a bad disk.
    let torn = || {
        let files = files_below(&archive.data_dir().join("index"));
        let ends = ["store", "idx", "term", "fast", "pos", "fieldnorm"];
        files.into_iter().filter(move |file| ends.iter().any(|end| file.extension().is_some_and(|of| of == *end)))
    };
    for n in 0..torn().count().min(6) {
        let file = torn().nth(n).unwrap();
        let half = fs::metadata(&file).unwrap().len() / 2;
        fs::File::options().write(true).open(&file).unwrap().set_len(half).unwrap();
        let results = archive.json(&["search", "fortytwo"]);
        assert!(results["notes"][0].as_str().unwrap().contains("damaged"), "{}: {results}", file.display());
        assert_eq!(archive.run(&["import", "--wait", "1s", folder.path().to_str().unwrap()]).code, 75);
        assert_eq!(archive.found("fortytwo").len(), 1, "{}", file.display());
    }
    fs::remove_dir_all(archive.data_dir().join("index")).unwrap();
    let results = archive.json(&["search", "fortytwo"]);
    assert_eq!(results["skipped"]["unindexed"], 1);
    assert!(results["notes"][0].as_str().unwrap().contains("no search index"), "{results}");
}

#[test]
fn a_word_finds_its_other_forms_where_the_settings_ask_for_it() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("one", "two invoices"), ("two", "eine Rechnung"), ("three", "the voice")] {
        fs::write(folder.path().join(format!("{name}.eml")), format!("Subject: {name}\n\n{text}\n")).unwrap();
    }
    let archive = imported(folder.path());
    assert_eq!(archive.json(&["search", "invoice"])["total"], 0);
    let settings = fs::read_to_string(archive.config_file()).unwrap();
    fs::write(archive.config_file(), format!("{settings}\n[search]\nstemming = [\"en\", \"de\"]\n")).unwrap();
    let results = archive.json(&["search", "invoice"]);
    assert_eq!((&results["total"], &results["hits"][0]["subject"]), (&1.into(), &"one".into()), "{results}");
    assert_eq!(results["notes"], serde_json::json!(["`invoice` was searched as invoices too."]));
    assert_eq!(archive.json(&["search", "Rechnungen"])["total"], 1);
    assert_eq!(archive.json(&["search", "\"invoice\""])["total"], 0);
    assert_eq!(archive.json(&["search", "subject:invoice"])["total"], 0);
    let explained = archive.json(&["search", "--explain", "invoice"]);
    assert_eq!(explained["query"], "invoice OR invoices", "{explained}");
}
