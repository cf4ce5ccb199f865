//! What is read from a message, on files under `tests/mail/`, on generated extremes and on any octets at all.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use poplar::mail::message::{self, Message, Problem};
use proptest::prelude::*;

fn octets(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail").join(name)).unwrap()
}

fn addresses(mailboxes: &[message::Mailbox]) -> Vec<String> {
    mailboxes.iter().map(message::Mailbox::to_string).collect()
}

fn outline<'a>(message: &'a Message<'_>) -> Vec<(u32, &'a str, Option<&'a str>, bool)> {
    let parts = message.parts.iter();
    parts.map(|part| (part.number, part.content_type.as_str(), part.filename.as_deref(), part.is_attachment)).collect()
}

#[test]
fn an_envelope_is_decoded() {
    let octets = octets("words.eml");
    let message = message::read(&octets);
    let envelope = &message.envelope;
    assert_eq!(envelope.subject.as_deref(), Some("Rechnung für März"));
    assert_eq!(addresses(&envelope.from), ["Jörg Weiß <joerg@example.de>"]);
    assert_eq!(addresses(&envelope.to), ["Lee, Ann <ann.lee@mail.example.org>", "bob@example.org", "cy@example.org"]);
    assert_eq!(addresses(&envelope.cc), ["postmaster@example.org"]);
    assert_eq!(addresses(&envelope.reply_to), ["office@example.de"]);
    assert_eq!(envelope.date.unwrap().to_string(), "2024-03-05T08:30:00.000Z");
    assert_eq!(envelope.message_id.as_deref(), Some("one@example.de"));
    assert_eq!(envelope.in_reply_to, ["zero@example.org"]);
    assert_eq!(envelope.references, ["start@example.org", "zero@example.org"]);
    assert_eq!(message.body(), "Die Straßenreinigung kostet 12 £.\r\n");
    assert_eq!(message.problems, []);
}

#[test]
fn parts_are_numbered_named_and_judged() {
    let octets = octets("parts.eml");
    let message = message::read(&octets);
    assert_eq!(
        outline(&message),
        [
            (1, "text/html", None, false),
            (2, "image/png", Some("logo.png"), false),
            (3, "application/pdf", Some("Bericht für März.pdf"), true),
            (4, "text/csv", Some("übersicht.csv"), true),
        ]
    );
    assert_eq!(message.body(), "The picture\nis here:\nleft right");
    assert_eq!(message.attached_texts().collect::<Vec<_>>(), ["month,total\r\nmarch,12"]);
    assert!(message.has_attachment());
    let pdf = message.part(3).unwrap();
    assert_eq!(pdf.octets().as_ref(), b"%PDF-1.4\n");
    assert_eq!(pdf.size_bytes(), 9);
    assert_eq!(pdf.text(), None);
    assert_eq!(message.part(2).unwrap().id.as_deref(), Some("logo@example.org"));
    assert!(message.part(0).is_none() && message.part(5).is_none());
}

#[test]
fn what_needs_no_decoding_is_not_copied() {
    let octets = octets("parts.eml");
    let message = message::read(&octets);
    assert!(matches!(message.part(4).unwrap().octets(), Cow::Borrowed(_)));
    assert!(matches!(message.part(4).unwrap().text(), Some(Cow::Borrowed(_))));
}

#[test]
fn enclosed_messages_are_descended_into() {
    let octets = octets("enclosed.eml");
    let message = message::read(&octets);
    assert_eq!(
        outline(&message),
        [
            (1, "text/plain", None, false),
            (2, "message/delivery-status", None, false),
            (3, "text/plain", None, false),
            (4, "application/zip", Some("things.zip"), true),
        ]
    );
    assert_eq!(message.enclosed.len(), 1);
    assert_eq!(message.enclosed[0].envelope.subject.as_deref(), Some("Lost letter"));
    assert!(message.enclosed[0].is_attachment);
    let text = message.body();
    for word in ["delivered", "5.1.1", "Dear nobody", "Lost letter", "nobody@example.net"] {
        assert!(text.contains(word), "{word} is missing in {text}");
    }
    assert_eq!(message.filenames().collect::<Vec<_>>(), ["things.zip", "original.eml"]);
}

#[test]
fn an_enclosed_message_may_be_encoded_as_a_whole() {
    let inner = octets("parts.eml");
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &inner);
    let outer = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}");
    let message = message::read(outer.as_bytes());
    assert_eq!(outline(&message), outline(&message::read(&inner)));
    assert_eq!(message.part(3).unwrap().octets().as_ref(), b"%PDF-1.4\n");
}

#[test]
fn charsets_old_and_new_become_unicode() {
    let asia = octets("asia.eml");
    let message = message::read(&asia);
    assert_eq!(message.envelope.subject.as_deref(), Some("中国地图"));
    assert_eq!(message.envelope.from[0].name.as_deref(), Some("山田"));
    assert!(message.body().contains("東京大学"));
    assert!(message::read(&octets("undeclared.eml")).body().contains("Naïve café"));
    assert_eq!(message::read(&octets("page.eml")).body(), "Привет");
}

#[test]
fn broken_mail_gives_what_can_be_read() {
    let torn = octets("unclosed.eml");
    let message = message::read(&torn);
    assert_eq!(message.body(), "The end is miss");
    assert_eq!(message.problems, [Problem::BrokenStructure]);

    let only_headers = message::read(b"Subject: alone\r\n");
    assert_eq!(only_headers.envelope.subject.as_deref(), Some("alone"));
    assert_eq!(only_headers.body(), "");

    let garbage = message::read(b"no mail at all");
    assert_eq!(garbage.problems, [Problem::NoHeaders]);
    assert_eq!(garbage.body(), "no mail at all");

    assert!(message::read(b"").parts.is_empty());
}

#[test]
fn nesting_without_end_neither_crashes_nor_takes_the_stack() {
    let multiparts: String = (0..10_000)
        .map(|depth| format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n"))
        .collect();
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    let reader = std::thread::Builder::new().stack_size(2 << 20);
    let thread = reader.spawn(move || {
        for octets in [multiparts, messages] {
            let message = message::read(octets.as_bytes());
            assert!(message.problems.contains(&Problem::TooManyParts), "{:?}", message.problems);
            message.body();
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn of_a_message_beyond_the_limit_the_first_part_is_read() {
    let mut octets = b"Subject: large\r\n\r\nbegin ".to_vec();
    octets.resize(message::READ_LIMIT_BYTES + 1, b' ');
    octets.extend_from_slice(b"end");
    let message = message::read(&octets);
    assert_eq!(message.envelope.subject.as_deref(), Some("large"));
    assert_eq!(message.problems, [Problem::TooLarge]);
    assert_eq!(message.body().trim(), "begin");
}

proptest! {
    #[test]
    fn any_octets_give_a_message(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        let message = message::read(&octets);
        message.body();
        for part in &message.parts {
            prop_assert!(part.octets().len() as u64 == part.size_bytes());
        }
        prop_assert!(octets.starts_with(message::header_block(&octets)));
    }

    #[test]
    fn any_arrangement_of_mime_gives_parts_numbered_from_one(
        lines in prop::collection::vec(prop::sample::select(vec![
            "Content-Type: multipart/mixed; boundary=x", "Content-Type: message/rfc822", "Content-Type: text/html",
            "Content-Type: text/plain; charset=utf-16", "Content-Transfer-Encoding: base64",
            "Content-Transfer-Encoding: quoted-printable", "Content-Disposition: attachment; filename*=''%FF%00..%2F",
            "Subject: =?utf-8?b?gIC=?=", "", "", "--x", "--x--", "<p>=C3=BC", "AAAA",
        ]), 0..40)
    ) {
        let octets = lines.join("\r\n");
        let message = message::read(octets.as_bytes());
        message.body();
        for (at, part) in message.parts.iter().enumerate() {
            prop_assert_eq!(part.number as usize, at + 1);
            prop_assert!(part.filename.iter().all(|name| !name.contains(['/', '\0'])));
        }
    }
}

#[test]
fn a_message_that_came_back_cut_off_is_no_broken_one() {
    let returned = |kind: &str| {
        format!(
            "Content-Type: multipart/{kind}; boundary=a\r\n\r\n--a\r\nContent-Type: message/rfc822\r\n\r\n\
             Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nThis was cut of\r\n--a--\r\n"
        )
    };
    assert_eq!(message::read(returned("report").as_bytes()).problems, [Problem::CutWhenReturned]);
    assert_eq!(message::read(returned("mixed").as_bytes()).problems, [Problem::BrokenStructure]);
    let goes_on = "--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nThis is\r\n--b\r\n\r\nmore\r\n--b--\r\n";
    let whole = returned("report").replace("--b\r\n\r\nThis was cut of\r\n", goes_on);
    assert_eq!(message::read(whole.as_bytes()).problems, [Problem::BrokenStructure]);
    let outer = returned("report");
    assert_eq!(
        message::read(outer.trim_end_matches("--a--\r\n").as_bytes()).problems,
        [Problem::BrokenStructure, Problem::CutWhenReturned]
    );
}
