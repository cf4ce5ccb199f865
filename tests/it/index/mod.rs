//! Searching a real index in a temporary folder.

mod files;

use std::path::Path;

use poplar::index::{Document, Error, Facts, Index, NumberSet, Page, Reader, Sort, WRITER_HEAP_BYTES, Writer};
use poplar::mail::query::{Fact, Field, parse};
use poplar::mail::{BlobId, Timestamp, Verdict, message};
use tempfile::TempDir;

/// 2024-06-01.
const NOW: Timestamp = Timestamp::from_millis(1_717_200_000_000);

/// An index of its own, in which messages are numbered from 1.
struct Shelf {
    _folder: TempDir,
    writer: Writer,
    reader: Reader,
    next: u64,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let index = Index::create_or_open(&folder.path().join("index")).unwrap();
        let (writer, reader) = (index.writer(WRITER_HEAP_BYTES).unwrap(), index.reader().unwrap());
        Self { _folder: folder, writer, reader, next: 1 }
    }

    fn of(messages: &[&str]) -> Self {
        let mut shelf = Self::new();
        for message in messages {
            shelf.add(message.replace('\n', "\r\n").as_bytes());
        }
        shelf.writer.commit().unwrap();
        shelf
    }

    /// The files under `tests/mail/` that the tests below speak of: `words` is 1, `parts` 2, `enclosed` 3, `asia` 4.
    fn of_samples() -> Self {
        let mut shelf = Self::new();
        for name in ["words.eml", "parts.eml", "enclosed.eml", "asia.eml"] {
            shelf.add(&std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail").join(name)).unwrap());
        }
        shelf.writer.commit().unwrap();
        shelf
    }

    fn add(&mut self, octets: &[u8]) -> BlobId {
        let id = BlobId::of(octets);
        self.writer.add(&document(self.next, octets)).unwrap();
        self.next += 1;
        id
    }

    fn numbers(&self, query: &str) -> Vec<u64> {
        self.numbers_given(query, &Facts::at(NOW))
    }

    fn numbers_given(&self, query: &str, facts: &Facts) -> Vec<u64> {
        let page = Page { sort: Sort::Oldest, limit: 100, ..Page::default() };
        let hits = self.reader.search(&parse(query).query, facts, &page).unwrap();
        assert_eq!(hits.total, hits.hits.len() as u64, "{query}: total and hits differ");
        let mut numbers: Vec<_> = hits.hits.iter().map(|hit| hit.number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn page(&self, query: &str, sort: Sort, offset: usize, limit: usize) -> (u64, Vec<u64>) {
        let page = Page { sort, offset, limit, after: None };
        let hits = self.reader.search(&parse(query).query, &Facts::at(NOW), &page).unwrap();
        (hits.total, hits.hits.iter().map(|hit| hit.number).collect())
    }
}

fn document(number: u64, octets: &[u8]) -> Document {
    Document::of(BlobId::of(octets), number, octets.len() as u64, NOW, &message::read(octets))
}

#[test]
fn every_operator_finds_what_it_says() {
    let shelf = Shelf::of_samples();
    for (query, numbers) in [
        ("", &[1, 2, 3, 4][..]),
        ("strassenreinigung", &[1]),
        ("STRASSEN*", &[1]),
        ("strasenreinigung~", &[1]),
        ("stra", &[]),
        ("kostet OR picture", &[1, 2]),
        ("kostet picture", &[]),
        ("-kostet", &[2, 3, 4]),
        ("NOT (kostet OR picture)", &[3, 4]),
        ("-kostet -picture delivered", &[3]),
        ("\"picture is here\"", &[2]),
        ("\"here is picture\"", &[]),
        ("left right", &[2]),
        ("\"month total march 12\"", &[2]),
        ("marz", &[1, 2]),
        ("subject:marz", &[1]),
        ("filename:marz", &[2]),
        ("filename:übersicht.csv", &[2]),
        ("body:marz", &[]),
        ("from:jorg", &[1]),
        ("from:\"Jörg Weiß\"", &[1]),
        ("from:joerg@example.de", &[1]),
        ("from:example.de", &[1]),
        ("from:@example.de", &[1]),
        ("from:e@example.de", &[]),
        ("to:example.org", &[1, 2, 3]),
        ("to:mail.example.org", &[1]),
        ("to:ann.lee", &[1]),
        ("to:ann.l*", &[1]),
        ("to:\"Lee, Ann\"", &[1]),
        ("cc:postmaster", &[1]),
        ("with:postmaster", &[1]),
        ("with:ann", &[1, 2, 3]),
        ("bob@example.org", &[1, 2]),
        ("nobody@example.net", &[3]),
        ("lost letter", &[3]),
        ("msgid:<one@example.de>", &[1]),
        ("has:attachment", &[2, 3]),
        ("type:pdf", &[2]),
        ("type:image", &[2]),
        ("type:zip", &[3]),
        ("type:(pdf OR zip)", &[2, 3]),
        ("type:application/pdf,eml", &[2, 3]),
        ("date:2024-03-05", &[1]),
        ("date:2024-03-05..2024-03-06", &[1, 2]),
        ("date:2024-03", &[1, 2, 4]),
        ("before:2024-03-06", &[1]),
        ("after:2024-03-06", &[2, 3, 4]),
        ("newer:1d", &[3]),
        ("older:1d", &[1, 2, 4]),
        ("size:>1KiB", &[2]),
        ("size:<1KiB -size:<500", &[1, 3]),
        ("size:<0", &[]),
    ] {
        assert_eq!(shelf.numbers(query), numbers, "{query}: {}", parse(query).query);
    }
}

#[test]
fn scripts_without_spaces_are_found_by_any_piece() {
    let shelf = Shelf::of_samples();
    for query in [
        "東京",
        "京大学",
        "学",
        "大*",
        "会いましょう",
        "서울",
        "울에서",
        "만나",
        "ขอบคุณ",
        "ครับ",
        "中国地",
        "图",
        "山田",
        "山",
    ] {
        assert_eq!(shelf.numbers(query), [4], "{query}");
    }
    for query in ["東学", "京東", "국"] {
        assert_eq!(shelf.numbers(query), [0; 0], "{query}");
    }
}

#[test]
fn an_id_is_found_by_its_first_digits() {
    let mut shelf = Shelf::of_samples();
    let id = shelf.add(b"Subject: one more\r\n\r\n");
    shelf.writer.commit().unwrap();
    assert_eq!(shelf.numbers(&format!("id:{id}")), [5]);
    assert_eq!(shelf.numbers(&format!("id:{}", &id.to_string()[..8])), [5]);
    assert_eq!(shelf.numbers("id:00000000"), [0; 0]);
}

#[test]
fn words_of_a_phrase_stand_in_one_field_and_one_person() {
    let shelf =
        Shelf::of(&["From: Ann <a@example.org>\nTo: Bob <b@example.org>, Cy <c@example.org>\nSubject: one\n\ntwo"]);
    assert_eq!(shelf.numbers("\"one two\""), [0; 0]);
    assert_eq!(shelf.numbers("one two"), [1]);
    assert_eq!(shelf.numbers("to:\"org cy\""), [0; 0]);
    assert_eq!(shelf.numbers("to:\"bob b\""), [1]);
}

#[test]
fn long_words_are_found_whole_and_by_their_beginning() {
    let long = "z9".repeat(200);
    let shelf = Shelf::of(&[&format!("Subject: key\n\n{long}")]);
    assert_eq!(shelf.numbers(&long), [1]);
    assert_eq!(shelf.numbers("z9z9*"), [1]);
    assert_eq!(shelf.numbers(&format!("{long}z9")), [0; 0]);
}

#[test]
fn facts_come_from_outside_and_rights_limit_everything() {
    let shelf = Shelf::of_samples();
    let set = |numbers: &[u64]| numbers.iter().copied().collect::<NumberSet>();
    let facts = Facts::at(NOW)
        .with(Fact::Verdict(Verdict::Infected), set(&[2, 3]))
        .with(Fact::Account("sales".to_owned()), set(&[1, 2]))
        .with(Fact::Quarantined, set(&[]));
    for (query, numbers) in [
        ("is:infected", &[2, 3][..]),
        ("is:infected account:sales", &[2]),
        ("-is:infected", &[1, 4]),
        ("is:infected OR kostet", &[1, 2, 3]),
        ("is:quarantined", &[]),
        ("ann -is:infected", &[1]),
    ] {
        assert_eq!(shelf.numbers_given(query, &facts), numbers, "{query}");
    }
    let limited = facts.limited_to(set(&[3, 4, 1_000_000]));
    assert_eq!(shelf.numbers_given("", &limited), [3, 4]);
    assert_eq!(shelf.numbers_given("-is:infected", &limited), [4]);
    assert_eq!(shelf.numbers_given("kostet OR delivered", &limited), [3]);

    let unknown = shelf.reader.search(&parse("is:clean").query, &limited, &Page::default());
    assert!(matches!(unknown, Err(Error::UnknownFact { fact }) if fact == "is:clean"));
}

#[test]
fn hits_come_sorted_in_pages_with_the_whole_total() {
    let dated =
        |day: u64| format!("Date: Mon, {day} Jan 2024 10:00:00 +0000\nSubject: day\n\n{}", "day ".repeat(day as usize));
    let messages: Vec<_> = [5, 3, 9, 3, 7].map(dated).to_vec();
    let shelf = Shelf::of(&messages.iter().map(String::as_str).collect::<Vec<_>>());
    // The two of the third of January are one message, added twice: the later one stands.
    assert_eq!(shelf.page("day", Sort::Newest, 0, 10), (4, vec![3, 5, 1, 4]));
    assert_eq!(shelf.page("day", Sort::Oldest, 0, 10), (4, vec![4, 1, 5, 3]));
    assert_eq!(shelf.page("day", Sort::Newest, 1, 2), (4, vec![5, 1]));
    assert_eq!(shelf.page("day", Sort::Newest, 3, 10), (4, vec![4]));
    assert_eq!(shelf.page("day", Sort::Newest, 4, 10), (4, vec![]));
    assert_eq!(shelf.page("day", Sort::Newest, usize::MAX, usize::MAX), (4, vec![]));
    assert_eq!(shelf.page("day", Sort::Newest, 0, usize::MAX).1.len(), 4);
    assert_eq!(shelf.page("day", Sort::Newest, 0, 0), (4, vec![]));
}

#[test]
fn a_page_begins_behind_a_message_whatever_came_meanwhile() {
    let mut shelf = Shelf::new();
    let mut ids = Vec::new();
    for day in 1..=9 {
        ids.push(
            shelf.add(
                format!("Date: Mon, {day} Jan 2024 10:00:00 +0000\r\nSubject: day\r\n\r\n{}", "day ".repeat(day))
                    .as_bytes(),
            ),
        );
    }
    shelf.writer.commit().unwrap();
    let behind = |shelf: &Shelf, id, sort| {
        let page = Page { sort, after: Some(id), limit: 3, ..Page::default() };
        let hits = shelf.reader.search(&parse("day").query, &Facts::at(NOW), &page)?;
        Ok::<_, Error>((hits.total, hits.hits.iter().map(|hit| hit.number).collect::<Vec<_>>()))
    };
    assert_eq!(behind(&shelf, ids[5], Sort::Newest).unwrap(), (9, vec![5, 4, 3]));
    assert_eq!(behind(&shelf, ids[5], Sort::Oldest).unwrap(), (9, vec![7, 8, 9]));
    assert_eq!(behind(&shelf, ids[0], Sort::Newest).unwrap(), (9, vec![]));
    let best = shelf.page("day", Sort::Relevance, 0, 9).1;
    let fourth = ids[usize::try_from(best[3]).unwrap() - 1];
    assert_eq!(behind(&shelf, fourth, Sort::Relevance).unwrap().1, best[4..7]);

    shelf.add(b"Date: Mon, 20 Jan 2024 10:00:00 +0000\r\nSubject: day\r\n\r\n");
    shelf.writer.commit().unwrap();
    assert_eq!(behind(&shelf, ids[5], Sort::Newest).unwrap(), (10, vec![5, 4, 3]));
    let nothing = behind(&shelf, BlobId::of(b"another"), Sort::Newest);
    assert!(matches!(nothing, Err(Error::NoSuchHit { .. })));
}

#[test]
fn hits_are_counted_by_sender_year_and_what_is_attached() {
    let shelf = Shelf::of_samples();
    let count = |query: &str| shelf.reader.facets(&parse(query).query, &Facts::at(NOW)).unwrap();
    let facets = count("");
    let pairs = |counts: &[(&str, u64)]| counts.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect();
    assert_eq!(facets.years, [(2024, 4)].into());
    assert_eq!(facets.kinds, pairs(&[("csv", 1), ("eml", 1), ("pdf", 1), ("zip", 1)]));
    assert_eq!(facets.senders.get("joerg@example.de"), Some(&1));
    assert_eq!(facets.senders.values().sum::<u64>(), 4);
    let one = count("kostet");
    assert_eq!((one.senders, one.kinds), (pairs(&[("joerg@example.de", 1)]), pairs(&[])));
    assert!(one.numbers.contains(1) && one.numbers.common(&facets.numbers) == 1);
}

#[test]
fn lists_languages_and_signatures_have_fields_of_their_own() {
    let shelf = Shelf::of(&[
        "From: a@example.org\nList-Id: Tool users <tool-users.lists.example.org>\n\n\
         Does anybody know how the new release can be built on an old machine without the network?",
        "From: b@example.org\nList-Post: <mailto:talk@example.net>\n\n\
         Weiß jemand, wie die neue Fassung auf einem alten Rechner ohne das Netz zu bauen ist?",
        "From: c@example.org\nContent-Type: application/pkcs7-mime; name=smime.p7m\n\nabc",
    ]);
    for (query, numbers) in [
        ("list:tool-users", &[1][..]),
        ("list:tool-users.lists.example.org", &[1]),
        ("list:talk@example.net", &[2]),
        ("list:users", &[1]),
        ("talk@example.net", &[2]),
        ("list:somebody", &[]),
        ("lang:en", &[1]),
        ("lang:German", &[2]),
        ("has:encryption", &[3]),
        ("has:signature", &[]),
    ] {
        assert_eq!(shelf.numbers(query), numbers, "{query}");
    }
}

#[test]
fn text_inside_attachments_is_apart_from_the_text_of_the_message() {
    let mut shelf = Shelf::of_samples();
    let octets = b"Subject: report\r\n\r\nsee below";
    let document = document(5, octets).with_extracted("the secret figures".to_owned(), true);
    shelf.writer.add(&document).unwrap();
    shelf.writer.commit().unwrap();
    for (query, numbers) in [
        ("attachment:figures", &[5][..]),
        ("body:figures", &[]),
        ("figures", &[5]),
        ("\"secret figures\" below", &[5]),
        ("attachment:march", &[2]),
        ("body:march", &[]),
        ("has:encrypted", &[5]),
    ] {
        assert_eq!(shelf.numbers(query), numbers, "{query}");
    }
}

#[test]
fn it_is_explained_why_a_message_is_a_hit_or_is_none() {
    let shelf = Shelf::of_samples();
    let id = BlobId::of(&std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/words.eml")).unwrap());
    let explain = |query: &str| {
        let explained = shelf.reader.explain(&parse(query).query, &Facts::at(NOW), id).unwrap().unwrap();
        let inner: Vec<bool> = explained.inner.iter().map(|piece| piece.matches).collect();
        (explained.matches, explained.found_in, inner)
    };
    assert_eq!(explain("kostet"), (true, vec![Field::Body], vec![]));
    assert_eq!(explain("joerg"), (true, vec![Field::From], vec![]));
    assert_eq!(explain("with:example"), (true, vec![Field::From, Field::To, Field::Cc], vec![]));
    assert_eq!(explain("kostet picture -ann"), (false, vec![], vec![true, false, false]));
    assert_eq!(explain("kostet OR picture"), (true, vec![], vec![true, false]));
    assert_eq!(explain("-picture"), (true, vec![], vec![false]));
    let unknown = shelf.reader.explain(&parse("x").query, &Facts::at(NOW), BlobId::of(b"no such"));
    assert_eq!(unknown.unwrap(), None);
    let found = shelf.reader.found_in(&parse("(kostet OR marz) -picture").query, &[id]).unwrap();
    assert_eq!(found, [vec![Field::Subject, Field::Body]]);
}

#[test]
fn of_equal_dates_the_higher_number_is_newer_across_commits() {
    let mut shelf = Shelf::new();
    for number in 1..=9 {
        shelf.add(format!("Date: Mon, 1 Jan 2024 10:00:00 +0000\r\nSubject: {number}\r\n\r\n").as_bytes());
        if number % 4 == 0 {
            shelf.writer.commit().unwrap();
        }
    }
    shelf.writer.commit().unwrap();
    assert_eq!(shelf.page("", Sort::Newest, 0, 9).1, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(shelf.page("", Sort::Oldest, 2, 5).1, [3, 4, 5, 6, 7]);
}

#[test]
fn what_fits_better_comes_first_by_relevance() {
    let shelf = Shelf::of(&[
        "Subject: letter\n\nsome words about other things and one invoice among them, and more words",
        "Subject: invoice\n\nthe invoice",
        "Subject: nothing\n\nat all",
    ]);
    let page = Page { sort: Sort::Relevance, limit: 10, ..Page::default() };
    let hits = shelf.reader.search(&parse("invoice").query, &Facts::at(NOW), &page).unwrap();
    assert_eq!(hits.hits.iter().map(|hit| hit.number).collect::<Vec<_>>(), [2, 1]);
    assert!(hits.hits[0].score > hits.hits[1].score && hits.hits[1].score > Some(0.0));
}

#[test]
fn adding_a_message_again_replaces_it() {
    let mut shelf = Shelf::of_samples();
    let octets = b"Subject: twice\r\n\r\n";
    for _ in 0..3 {
        shelf.add(octets);
    }
    shelf.writer.commit().unwrap();
    assert_eq!(shelf.numbers("twice"), [7]);
    shelf.writer.remove(BlobId::of(octets));
    shelf.writer.commit().unwrap();
    assert_eq!(shelf.numbers("twice"), [0; 0]);
    assert_eq!(shelf.reader.count().unwrap(), 4);
}
