//! The mail of the labs, made where it is used: short letters, one that spills to the disk, and some that both have.

use std::sync::Arc;

use super::lab::numbered;

/// Unique-id and octets.
pub(crate) type Mail = (Vec<u8>, Arc<[u8]>);

/// One box for each user; two messages are in both.
pub(crate) fn boxes() -> Vec<Vec<Mail>> {
    let both = || vec![letter("circular", "to all of us"), letter("minutes", "as agreed on Monday")];
    let mut office: Vec<Vec<u8>> =
        (0..5).map(|n| letter(&format!("invoice {n}"), "please pay the carpenter")).collect();
    office.extend(both());
    office.push(long_letter());
    office.push(with_attachment("plan"));
    let mut home: Vec<Vec<u8>> = (0..4).map(|n| letter(&format!("greetings {n}"), "the weather is fine")).collect();
    home.extend(both());
    // The same message twice in one box is met twice, and kept once.
    home.push(letter("greetings 0", "the weather is fine"));
    home.push(with_attachment("plan, once more"));
    vec![numbered("office", office), numbered("home", home)]
}

/// Files to import: single messages, one of which the office has as well, and an mbox.
pub(crate) fn folder() -> Vec<(&'static str, Vec<u8>)> {
    let mbox: Vec<u8> = (0..3)
        .flat_map(|n| [&b"From harbour\n"[..], &letter(&format!("log {n}"), "calm sea"), b"\n"].concat())
        .collect();
    vec![
        ("a.eml", letter("old letter", "from the attic")),
        ("b.eml", letter("invoice 1", "please pay the carpenter")),
        ("c/log.mbox", mbox),
        ("d.eml", long_letter()),
    ]
}

pub(crate) fn letter(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Ana <ana@harbour.test>\r\nTo: crew@harbour.test\r\nSubject: {subject}\r\n\
         Date: Mon, 2 Mar 2026 10:00:00 +0000\r\nMessage-ID: <{}@harbour.test>\r\n\r\n{body}\r\n",
        subject.replace(' ', ".")
    )
    .into_bytes()
}

/// Larger than what is held in memory, and than a frame of a pack.
fn long_letter() -> Vec<u8> {
    let mut octets = letter("chart", "soundings of the bay");
    for n in 0..26_000_u32 {
        octets.extend(format!("{n:08} {:016x} {:016x}\r\n", n.wrapping_mul(2_654_435_761), n ^ 0x5bd1_e995).bytes());
    }
    octets
}

/// All of them have the same attachment, which sealing stores once.
fn with_attachment(subject: &str) -> Vec<u8> {
    let base64: String = (0..40).map(|n| format!("{}\r\n", format!("{n:04}").repeat(19))).collect();
    let head = String::from_utf8(letter(subject, "")).unwrap();
    let head = head.trim_end().replace(
        "Message-ID",
        "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=plan.bin\r\n\
         Content-Transfer-Encoding: base64\r\nMessage-ID",
    );
    format!("{head}\r\n\r\n{base64}").into_bytes()
}

/// What searches are compared by.
pub(crate) const QUERIES: [&str; 5] = ["carpenter", "subject:circular", "weather OR sea", "account:home", "soundings"];
