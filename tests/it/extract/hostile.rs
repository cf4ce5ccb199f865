//! Documents made to do harm: each costs a bounded time, and the next one is read as ever.

use std::time::{Duration, Instant};

use poplar::extract::{Extracted, Extractor, Format, Limits};

use super::made::{deflated, docx, page, pdf, zip, zip_of_copies};
use super::{is_well, program, tight};

fn read(octets: &[u8], filename: &str) -> Extracted {
    let extractor = Extractor::new(program(), tight());
    let start = Instant::now();
    let extracted = extractor.extract(octets, "application/octet-stream", Some(filename));
    let took = start.elapsed();
    assert!(took < tight().wall + Duration::from_secs(3), "{filename}: {took:?}");
    assert!(is_well(&extractor), "after {filename}: {}", extracted.outcome);
    extracted
}

#[test]
fn what_unpacks_to_a_thousandfold_is_read_up_to_the_budget() {
    let zeros = vec![b' '; 64 << 20];
    let bomb = zip(&[("a.txt", &zeros), ("b.txt", b"behind it")]);
    assert!(bomb.len() * 900 < zeros.len());
    let extracted = read(&bomb, "bomb.zip");
    assert_eq!(extracted.outcome.as_str(), "partial", "{}", extracted.outcome);
    assert!(extracted.text.len() as u64 <= tight().read.text_bytes);
}

#[test]
fn archives_in_archives_end_somewhere() {
    let mut bomb = vec![b'x'; 1 << 20];
    for level in 0..5 {
        let names: Vec<String> = (0..10).map(|number| format!("{level}-{number}.zip")).collect();
        let members: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &bomb[..])).collect();
        bomb = zip(&members);
    }
    assert_eq!(read(&bomb, "nested.zip").outcome.as_str(), "partial");
    let mut deep = b"words".to_vec();
    for _ in 0..30 {
        deep = zip(&[("inner.zip", &deep)]);
    }
    let extracted = read(&deep, "deep.zip");
    assert!(extracted.outcome.why().is_some_and(|why| why.contains("too deep")), "{}", extracted.outcome);
}

#[test]
fn what_gzip_unpacks_is_counted_too() {
    let tail = [0; 8];
    let bomb = [&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3][..], &deflated(&vec![b' '; 100 << 20]), &tail].concat();
    assert_eq!(read(&bomb, "bomb.gz").outcome.as_str(), "partial");
}

#[test]
fn entities_that_multiply_are_not_expanded() {
    let mut entities = "<!ENTITY a0 \"laugh\">".to_owned();
    for level in 1..30 {
        let repeated = format!("&a{};", level - 1).repeat(10);
        entities.push_str(&format!("<!ENTITY a{level} \"{repeated}\">"));
    }
    let body = format!("<!DOCTYPE x [{entities}]><w:document><w:p><w:t>before &a29; behind</w:t></w:p></w:document>");
    let extracted = read(&docx(&body), "laughs.docx");
    assert_eq!((extracted.text.as_str(), extracted.outcome.as_str()), ("before  behind\n", "read"));
}

#[test]
fn elements_in_elements_end_somewhere() {
    let body = "<w:p>".repeat(1_000_000);
    let extracted = read(&docx(&format!("<w:t>first words</w:t>{body}")), "deep.docx");
    assert_eq!((extracted.text.trim(), extracted.outcome.as_str()), ("first words", "partial"));
    read("<div>".repeat(200_000).as_bytes(), "deep.html");
}

#[test]
fn groups_in_groups_end_somewhere() {
    let open = format!("{{\\rtf1 words {}", "{".repeat(1_000_000));
    let extracted = read(open.as_bytes(), "open.rtf");
    assert_eq!((extracted.text.trim(), extracted.outcome.as_str()), ("words", "partial"));
    let closed = format!("{{\\rtf1 words {}{} behind}}", "{\\b ".repeat(1_000_000), "}".repeat(1_000_000));
    let extracted = read(closed.as_bytes(), "closed.rtf");
    assert_eq!((extracted.text.as_str(), extracted.outcome.as_str()), ("words  behind", "read"));
    read(b"{\\rtf1 \\bin99999999999 \\u99999999999 \\uc4000000000 x}", "numbers.rtf");
}

#[test]
fn a_sound_page_is_read() {
    let sound = page("BT /F1 12 Tf 72 720 Td (Hello invoice) Tj ET");
    let extracted = read(&sound, "a.pdf");
    assert!(extracted.text.contains("Hello invoice"), "{extracted:?}");
    // Without its table of objects, and with other line ends.
    let table = sound.windows(5).position(|window| window == b"xref\n").unwrap();
    let extracted = read(&sound[..table], "cut.pdf");
    assert!(extracted.text.contains("Hello invoice"), "{extracted:?}");
    assert_eq!(extracted.outcome.as_str(), "partial");
}

#[test]
fn lines_shown_by_the_short_operators_are_read() {
    let sound = page("BT /F1 12 Tf 14 TL 72 720 Td (First line) Tj (Second line) ' 0 0 (Third line) \" ET");
    let text = read(&sound, "a.pdf").text;
    assert!(["First line", "Second line", "Third line"].iter().all(|line| text.contains(line)), "{text:?}");
}

#[test]
fn pdfs_that_lie_or_turn_in_circles_end_somewhere() {
    let catalog = "<</Type/Catalog/Pages 2 0 R>>";
    let endless = [
        // A page that is its own parent, a tree that is its own child, a stream that is its own length and content.
        pdf(&[
            catalog,
            "<</Type/Pages/Kids[3 0 R]/Count 1/Parent 3 0 R>>",
            "<</Type/Page/Parent 2 0 R/Contents 3 0 R>>",
        ]),
        pdf(&[catalog, "<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9>>"]),
        pdf(&[
            catalog,
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/Contents 4 0 R>>",
            "<</Length 4 0 R>>\nstream\nx\nendstream",
        ]),
        pdf(&[
            catalog,
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/Contents 4 0 R>>",
            "<</Length 99999999999>>\nstream\nx\nendstream",
        ]),
        pdf(&["<</Type/Catalog/Pages 1 0 R>>"]),
        pdf(&["1 0 R"]),
        // A form that shows itself.
        pdf(&[
            catalog,
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</X 5 0 R>>>>>>",
            "<</Length 5>>\nstream\n/X Do\nendstream",
            "<</Type/XObject/Subtype/Form/Length 5/Resources<</XObject<</X 5 0 R>>>>>>\nstream\n/X Do\nendstream",
        ]),
    ];
    for octets in &endless {
        read(octets, "endless.pdf");
    }
    let brackets = "[".repeat(500_000);
    read(&pdf(&[catalog, "<</Type/Pages/Kids[3 0 R]/Count 1>>", &brackets]), "brackets.pdf");
    let nodes: Vec<String> =
        (3..5000).map(|next| format!("<</Type/Pages/Kids[{next} 0 R]/Count 1/Parent {} 0 R>>", next - 2)).collect();
    let tree: Vec<&str> = std::iter::once(catalog).chain(nodes.iter().map(String::as_str)).collect();
    read(&pdf(&tree), "tree.pdf");
    let squeezed = deflated(&deflated(&vec![b' '; 100 << 20]));
    let bomb = format!("<</Length {}/Filter[/FlateDecode/FlateDecode]>>", squeezed.len());
    read(
        &[
            &b"%PDF-1.4\n1 0 obj\n"[..],
            bomb.as_bytes(),
            b"\nstream\n",
            &squeezed,
            b"\nendstream\nendobj\ntrailer<</Root 1 0 R>>",
        ]
        .concat(),
        "bomb.pdf",
    );
}

#[test]
fn memory_that_is_not_there_ends_the_worker_and_not_more() {
    // Less than the reader needs to unpack what the budget allows it.
    let mut limits = tight();
    limits.read.unpacked_bytes = 4 << 30;
    let extractor = Extractor::new(program(), Limits { memory_bytes: 300 << 20, ..limits });
    let bomb = zip(&[("a.txt", &vec![b'a'; 400 << 20])]);
    let outcome = extractor.extract(&bomb, "application/zip", None).outcome;
    assert!(outcome.as_str() == "crashed" && outcome.to_string().contains("out of memory"), "{outcome}");
    assert!(is_well(&extractor));
}

#[test]
fn processor_time_is_counted_for_each_document() {
    let mut limits = Limits { cpu_seconds: 2, wall: Duration::from_secs(60), ..tight() };
    limits.read.unpacked_bytes = 64 << 30;
    limits.read.patience = Duration::from_secs(60);
    let extractor = Extractor::new(program(), limits);
    let zeros = vec![0; 64 << 20];
    // Far more than two seconds' work, then several times a part of them.
    let outcome = extractor.extract(&zip_of_copies(400, &zeros), "application/zip", None).outcome;
    assert!(outcome.as_str() == "crashed" && outcome.to_string().contains("processor time"), "{outcome}");
    let few = zip_of_copies(4, &zeros);
    for _ in 0..8 {
        let outcome = extractor.extract(&few, "application/zip", None).outcome;
        assert_eq!(outcome.as_str(), "read", "{outcome}");
    }
}

/// One of each kind that can be made here, with a name.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let wide: Vec<u8> = "wide words".encode_utf16().flat_map(u16::to_le_bytes).collect();
    vec![
        ("a.docx", docx("<w:document><w:p><w:t>words</w:t></w:p></w:document>")),
        (
            "a.odt",
            zip(&[("mimetype", b"x"), ("content.xml", b"<office:document><text:p>words</text:p></office:document>")]),
        ),
        ("a.zip", zip(&[("a/b.txt", b"words"), ("c.eml", b"Subject: x\r\n\r\nwords")])),
        ("a.rtf", b"{\\rtf1\\ansi{\\fonttbl{\\f0\\fcharset204 A;}}\\f0 \\'ce \\u252? words\\par}".to_vec()),
        ("a.pdf", page("BT /F1 12 Tf 72 720 Td (words) Tj ET")),
        (
            "a.html",
            b"<html><head><meta charset=koi8-r><title>t</title></head><img alt='a&b'>w&ouml;rds</html>".to_vec(),
        ),
        (
            "a.ics",
            b"BEGIN:VCALENDAR\r\nSUMMARY:a\\,b\\n\r\n c\r\nATTENDEE;CN=\"x:y\":mailto:z\r\nEND:VCALENDAR\r\n".to_vec(),
        ),
        ("a.vcf", b"BEGIN:VCARD\nN;ENCODING=QUOTED-PRINTABLE:=C3=A4=\nb\nEND:VCARD\n".to_vec()),
        (
            "a.eml",
            b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nwords\r\n--b--\r\n".to_vec(),
        ),
        ("a.xml", b"<?xml version='1.0' encoding='utf-8'?><a b='c'>words&amp;<![CDATA[x]]></a>".to_vec()),
        ("a.txt", [&[0xff, 0xfe][..], &wide].concat()),
    ]
}

#[test]
fn documents_cut_off_anywhere_are_survived() {
    let extractor = Extractor::new(program(), tight());
    for (name, octets) in samples() {
        let whole = extractor.extract(&octets, "", Some(name));
        assert!(matches!(whole.outcome.as_str(), "read"), "{name}: {}", whole.outcome);
        for cut in (0..octets.len()).step_by((octets.len() / 60).max(1)) {
            let outcome = extractor.extract(&octets[..cut], "", Some(name)).outcome;
            assert!(!matches!(outcome.as_str(), "crashed" | "unavailable"), "{name} cut at {cut}: {outcome}");
        }
    }
}

/// Octets that look random, the same every time (a xorshift).
fn noise(mut seed: u64, length: usize) -> Vec<u8> {
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn noise_and_flipped_octets_under_every_format_are_survived() {
    let extractor = Extractor::new(program(), tight());
    let beginnings: [&[u8]; 7] = [
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        b"{\\rtf1",
        b"\x78\x9f\x3e\x22",
        b"\x1f\x8b\x08",
        b"",
    ];
    for (seed, format) in Format::ALL.into_iter().enumerate() {
        for begin in beginnings {
            let octets = [begin, &noise(seed as u64 + 1, 3000)].concat();
            let outcome = extractor.extract(&octets, "", Some(&format!("a.{format}"))).outcome;
            assert!(!matches!(outcome.as_str(), "crashed" | "unavailable"), "{format} behind {begin:?}: {outcome}");
        }
    }
    for (name, octets) in samples() {
        for seed in 1..30_u64 {
            let mut flipped = octets.clone();
            for flip in noise(seed, 8).chunks_exact(2) {
                let at = usize::from(u16::from_le_bytes([flip[0], flip[1]])) % flipped.len();
                flipped[at] ^= flip[1] | 1;
            }
            let outcome = extractor.extract(&flipped, "", Some(name)).outcome;
            assert!(!matches!(outcome.as_str(), "crashed" | "unavailable"), "{name}, {seed}: {outcome}");
        }
    }
    assert!(is_well(&extractor));
}
