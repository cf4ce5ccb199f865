//! The search language: what is understood, what becomes words with a note, and that it prints as it is read.

use poplar::mail::query::{Fact, Field, Query, parse, snippet};
use poplar::mail::{Timestamp, Verdict};
use proptest::prelude::*;

/// What a query is understood as, in the language itself.
fn understood(text: &str) -> String {
    let parsed = parse(text);
    assert_eq!(parsed.notes, [""; 0], "{text} was not taken as it stands");
    parsed.query.to_string()
}

/// As above, for text that gives notes.
fn taken(text: &str) -> (String, usize) {
    let parsed = parse(text);
    (parsed.query.to_string(), parsed.notes.len())
}

#[test]
fn operators_bind_as_the_language_says() {
    for (text, meaning) in [
        ("", ""),
        ("invoice march", "invoice march"),
        ("a OR b c OR d", "a OR b c OR d"),
        ("(a OR b) c", "(a OR b) c"),
        ("(a b) (c (d))", "a b c d"),
        ("a AND b", "a b"),
        ("NOT a -b --c", "-a -b -c"),
        ("NOT (a b)", "-(a b)"),
        ("-(-a)", "a"),
        ("NOT NOT a", "a"),
        ("\"exact words\" pre* near~", "\"exact words\" pre* near~"),
        ("“typographic” „quotes“", "\"typographic\" \"quotes\""),
        ("well-known a-b", "well-known a-b"),
        ("or and not", "or and not"),
        ("- a -", "a"),
    ] {
        assert_eq!(understood(text), meaning, "{text}");
    }
}

#[test]
fn fields_take_a_word_a_phrase_or_a_group() {
    for (text, meaning) in [
        ("From:ann", "from:ann"),
        ("from:(ann OR bob) -to:cy", "(from:ann OR from:bob) -to:cy"),
        ("subject:\"two words\"", "subject:\"two words\""),
        ("subject: report*", "subject:report*"),
        ("with:a@example.org cc:x bcc:y", "with:a@example.org cc:x bcc:y"),
        ("filename:bill.pdf body:text", "filename:bill.pdf body:text"),
        ("account:sales account:\"my mail\"", "account:sales account:\"my mail\""),
        ("msgid:<one@example.org>", "msgid:one@example.org"),
        ("id:ABCDEF0123", "id:abcdef0123"),
        ("has:attachment is:infected is:quarantined", "has:attachment is:infected is:quarantined"),
        ("type:PDF,.docx x", "(type:pdf OR type:docx) x"),
        ("date:2024 date:2024-3 date:2024/03/05", "date:2024 date:2024-03 date:2024-03-05"),
        ("date:2024-03..2024-05 date:..2023 date:2025..", "date:2024-03..2024-05 date:..2023 date:2025.."),
        ("after:2024 before:2025-02-28 newer:7d older:1Y", "after:2024 before:2025-02-28 newer:7d older:1y"),
        ("attachment:\"net total\" list:tool-users", "attachment:\"net total\" list:tool-users"),
        ("has:encrypted has:signed lang:German lang:pt-BR", "has:encryption has:signature lang:de lang:pt"),
        ("size:>5MiB size:<=200KB size:<1k size:>=10", "size:>5MiB size:<=200KB size:<1KiB size:>=10B"),
        ("tag:Urgent tag:\"to do\" -tag:x", "tag:Urgent tag:\"to do\" -tag:x"),
        ("thread:ABCDEF0123 (tag:(a OR b))", "thread:abcdef0123 (tag:a OR tag:b)"),
        ("subject:from:x", "subject:from:x"),
    ] {
        assert_eq!(understood(text), meaning, "{text}");
    }
}

#[test]
fn what_is_pasted_is_searched_as_words_and_said_so() {
    for (text, meaning, notes) in [
        ("RE: meeting", "RE: meeting", 1),
        ("say \"hello world", "say hello world", 1),
        (":) fun (", "fun", 3),
        ("a OR", "a \"OR\"", 1),
        ("OR OR", "\"OR\" \"OR\"", 1),
        ("AND", "\"AND\"", 1),
        ("NOT", "\"NOT\"", 1),
        ("from:", "\"from\"", 1),
        ("from: to: ann", "\"from\" to:ann", 1),
        ("date:yesterday", "yesterday", 1),
        ("date:2024-13 after:2024-02-30", "2024-13 2024-02-30", 2),
        ("lang:klingon", "klingon", 1),
        ("is:happy has:fun size:5 newer:7 id:xyz", "happy fun 5 7 xyz", 5),
        ("thread:xyz tag:\" \" thread:1234567", "xyz 1234567", 4),
        ("a !!! b", "a b", 1),
        ("() a", "a", 0),
        ("http://example.org/x 12:30", "http://example.org/x 12:30", 0),
        ("-\"", "", 1),
    ] {
        assert_eq!(taken(text), (meaning.to_owned(), notes), "{text}: {:?}", parse(text).notes);
    }
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!("{}x{}", "(-".repeat(100_000), ")".repeat(100_000));
    assert!(parse(&deep).notes.iter().any(|note| note.contains("nested very deeply")));
    let long = "word ".repeat(100_000);
    let parsed = parse(&long);
    assert!(!parsed.notes.is_empty() && parsed.query.to_string().len() < 5000);
}

#[test]
fn facts_are_listed_once_for_the_catalog() {
    let query = parse("(is:infected OR -account:sales) account:sales word").query;
    let facts: Vec<_> = query.facts().into_iter().cloned().collect();
    assert_eq!(facts, [Fact::Account("sales".to_owned()), Fact::Verdict(Verdict::Infected)]);
}

#[test]
fn dates_are_days_of_utc_and_ages_count_from_the_time_given() {
    let now: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    let range = |text: &str| match parse(text).query {
        Query::Term(poplar::mail::query::Term::When(when)) => {
            let range = when.range(now);
            (range.start.to_string(), range.end.to_string())
        }
        other => panic!("{other:?} is no date"),
    };
    let pair = |start: &str, end: &str| (start.to_owned(), end.to_owned());
    assert_eq!(range("date:2024-02"), pair("2024-02-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z"));
    assert_eq!(range("date:2023-12..2024-02-28"), pair("2023-12-01T00:00:00.000Z", "2024-02-29T00:00:00.000Z"));
    assert_eq!(range("after:2024").0, "2024-01-01T00:00:00.000Z");
    assert_eq!(range("before:2024-03-05").1, "2024-03-05T00:00:00.000Z");
    assert_eq!(range("newer:2d").0, Timestamp::from_millis(now.as_millis() - 2 * 86_400_000).to_string());
    assert_eq!(range("older:1h").1, Timestamp::from_millis(now.as_millis() - 3_600_000).to_string());
    range("newer:4294967295y");
}

fn marked(text: &str, query: &str, max_chars: usize) -> String {
    let snippet = snippet(text, &parse(query).query, Field::Body, max_chars);
    let mut marked = snippet.text.clone();
    for range in snippet.highlights.iter().rev() {
        marked.insert(range.end, ']');
        marked.insert(range.start, '[');
    }
    marked
}

#[test]
fn a_snippet_shows_what_was_asked_for() {
    let text = "Dear all,\r\n\r\nthe first  page says nothing. The Überweisung\r\nfor 東京都 is due in March, paid by invoice.";
    assert_eq!(marked(text, "uberweisung -page", 30), "The [Überweisung] for 東京都 is");
    assert_eq!(marked(text, "all OR invoice march", 40), "due in [March], paid by [invoice].");
    assert_eq!(marked(text, "東京都", 12), "[東京都] is due");
    assert_eq!(marked(text, "inv* marsh~", 40), "due in [March], paid by [invoice].");
    assert_eq!(marked(text, "from:dear nothere", 20), "Dear all, the");
    assert_eq!(marked("", "x", 20), "");
}

proptest! {
    #[test]
    fn printing_and_parsing_give_the_same_query(pieces in prop::collection::vec(prop::sample::select(vec![
        "a", "b*", "c~", "OR", "AND", "NOT", "-", "--", "(", ")", "\"", "\"a b\"", "“", "from:", "subject:", "from:x",
        "subject:(", "is:clean", "is:", "account:", "account:\"x y\"", "date:2024-02..2024-03-05", "date:", "type:",
        "type:a,b", "type:.", "size:>1500", "size:", "id:0123456789", "msgid:<a b>", "RE:", "x:y", ":", "*", "~", "**",
        "ü-ß", "newer:3w", "tag:", "tag:x", "tag:\" a  b \"", "thread:0123456789", "thread:x", "has:attachment", "has:", "!", "body:-x", "東京", "body:date:x", "msgid:", "< <a>>",
    ]), 0..14), gaps in prop::collection::vec(any::<bool>(), 14)) {
        let text: String =
            pieces.iter().zip(gaps).map(|(piece, gap)| if gap { format!("{piece} ") } else { (*piece).to_owned() }).collect();
        let query = parse(&text).query;
        prop_assert_eq!(&parse(&query.to_string()).query, &query, "{} printed as {}", text, query);
    }

    #[test]
    fn any_text_is_a_query_that_prints_as_it_is_read(text in "\\PC{0,60}") {
        let query = parse(&text).query;
        prop_assert_eq!(&parse(&query.to_string()).query, &query, "{} printed as {}", text, query);
    }

    #[test]
    fn any_snippet_is_short_and_its_highlights_lie_in_it(text in "([a-c東京 ]|\\PC|\r\n){0,60}", query in "[a-c京* ]{0,8}", longest in 0_usize..30) {
        let found = snippet(&text, &parse(&query).query, Field::Body, longest);
        prop_assert!(found.text.chars().count() <= longest);
        for range in &found.highlights {
            prop_assert!(found.text.get(range.clone()).is_some_and(|text| !text.is_empty()));
        }
        prop_assert!(found.highlights.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
}
