//! A second real server, and its habits: sizes that count more than the file has, `\r\r\n`, a bare CR passed through.

use poplar::mail::BlobId;

use crate::support::courier::Courier;
use crate::support::poplar::{Account, Archive};

/// The file in the Maildir, and what RETR makes of it.
const MAILS: [(&[u8], &[u8]); 4] = [
    (b"Subject: unix\n\n.dots\n..\n", b"Subject: unix\r\n\r\n.dots\r\n..\r\n"),
    (b"Subject: crlf\r\n\r\nbody\r\n", b"Subject: crlf\r\r\n\r\r\nbody\r\r\n"),
    (b"Subject: bare cr\n\na\rb \xff\n", b"Subject: bare cr\r\n\r\na\rb \xff\r\n"),
    (b"Subject: no end\n\nlast", b"Subject: no end\r\n\r\nlast\r\n"),
];

fn archive(account: Account) -> Archive {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[account]);
    archive
}

#[test]
fn what_courier_sends_is_kept_as_it_comes_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let Some(courier) = Courier::start(folder.path()) else { return };
    (1..).zip(MAILS).for_each(|(number, (file, _))| courier.deliver(number, file));
    let archive = archive(courier.account());
    let first = archive.fetch(&["--keep-only"]);
    assert_eq!((&first["listed"], &first["kept"]), (&4.into(), &4.into()), "{first}");
    for (_, sent) in MAILS {
        assert_eq!(archive.raw(&BlobId::of(sent).to_string()), sent);
    }
    let second = archive.fetch(&["--keep-only"]);
    assert_eq!((&second["known"], &second["new"]), (&4.into(), &0.into()), "{second}");
    archive.assert_sound();
}

#[test]
fn the_header_of_a_file_with_crlf_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let Some(courier) = Courier::start(folder.path()) else { return };
    courier.deliver(1, b"From: ana@example.org\r\nSubject: twice returned\r\n\r\nthe body of it\r\n");
    let archive = archive(courier.account());
    archive.run(&["fetch", "--wait", "0s"]);
    assert_eq!(archive.found("subject:returned").len(), 1);
    assert_eq!(archive.found("body").len(), 1);
}

#[test]
fn what_is_kept_goes_from_courier_too() {
    let folder = tempfile::tempdir().unwrap();
    let Some(courier) = Courier::start(folder.path()) else { return };
    (1..=100).for_each(|n| courier.deliver(n, format!("Message-ID: <{n}@x>\n\nbody {n}\n").as_bytes()));
    let archive = archive(courier.account().with("after_archive = \"delete\"\ndelete_when = \"kept\""));
    let fetched = archive.fetch(&["--keep-only"]);
    assert_eq!((&fetched["kept"], &fetched["deleted"]), (&100.into(), &100.into()), "{fetched}");
    assert_eq!(courier.count(), 0);
    assert_eq!(archive.fetch(&["--keep-only"])["listed"], 0);
    archive.assert_sound();
}
