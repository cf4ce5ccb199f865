//! Messages that other clients truncate, rewrite, forge or never reach.

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Mail, Maildrop, refuse};

fn around(odd: Vec<u8>) -> Vec<Mail> {
    let mut mails = mails(4);
    mails.insert(2, Mail::new("odd", odd));
    mails
}

/// All five are there octet for octet, and go.
fn assert_kept_as_it_is(odd: &[u8]) {
    for scene in [
        Scene::deleting(Maildrop::new(around(odd.to_vec()))),
        Scene::deleting(Maildrop::offering(&["UIDL", "TOP", "USER"], around(odd.to_vec()))),
    ] {
        scene.fetch_well().assert_counts([("kept", 5), ("deleted", 5)]);
        scene.assert_whole();
    }
}

/// The server does not stuff behind a bare LF, so to a reader that takes LF for a line's end the message is over.
#[test]
fn a_message_that_speaks_as_the_server_is_a_message() {
    assert_kept_as_it_is(b"Subject: s\r\n\r\nfirst\n.\n+OK 10 octets\nSubject: forged\n\nforged\n.\n+OK\r\nlast\r\n");
    assert_kept_as_it_is(b"Subject: s\r\n\r\nfirst\n.\r\n+OK 10 octets\r\nSubject: forged\r\n\r\nforged\r\n");
    assert_kept_as_it_is(b"Subject: s\r\n\r\nfirst\r.\r+OK\r.\r\n-ERR [SYS/PERM]\r\n");
    assert_kept_as_it_is(b"+OK 120 octets\r\n+OK\r\n.\r\n..\r\n-ERR\r\n");
}

#[test]
fn every_octet_is_kept() {
    assert_kept_as_it_is(b"Subject: nul\r\n\r\na\0b\0\r\n");
    assert_kept_as_it_is(b"Subject: cr\r\n\r\na\rb\r\r\nc\r\r\r\n");
    assert_kept_as_it_is(b"Subject: \xff\xfe\x80\r\n\r\n\xe9\x00\x1a\x1b[31m\r\n");
    assert_kept_as_it_is(b"\r\n");
    assert_kept_as_it_is(b"\r\r\n\r\r\n");
    assert_kept_as_it_is(&[b"Subject: long\r\n\r\n".as_slice(), &[b'x'; 3_000_000], b"\r\n"].concat());
    assert_kept_as_it_is(&b".\r\n".repeat(10_000));
}

#[test]
fn a_message_of_no_octets_is_one() {
    assert_kept_as_it_is(b"");
}

/// A lone dot at the front of a line is the server's mistake, and the octets are kept as they came.
#[test]
fn a_server_that_does_not_stuff_loses_nothing() {
    let scene = Scene::deleting(Maildrop::new(around(b"Subject: dots\r\n\r\n.profile\r\n.\trc\r\n".to_vec())));
    let unstuffed = b"+OK\r\nSubject: dots\r\n\r\n.profile\r\n.\trc\r\n.\r\n";
    scene.maildrop.misbehave(Fault::Answer("RETR 3", unstuffed.to_vec()));
    scene.fetch_well().assert_counts([("kept", 5), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn a_message_that_the_server_refuses_stops_no_other_and_waits_for_its_next_try() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave(refuse("RETR 2", "cannot read it"));
    scene.fetch_well().assert_counts([("kept", 4), ("failed", 1), ("deleted", 4)]);
    scene.maildrop.behave();
    // It is alone now, and number 1; an hour has to pass.
    scene.fetch_well().assert_counts([("listed", 1), ("deferred", 1), ("deleted", 0)]);
    assert_eq!(scene.maildrop.mails().len(), 1);
    scene.assert_nothing_lost();
}

#[test]
fn trouble_of_the_whole_server_in_mid_session_is_no_fault_of_a_message() {
    let scene = Scene::deleting(Maildrop::offering(&["UIDL", "TOP", "USER"], mails(5)));
    scene.maildrop.misbehave_once(refuse("RETR 3", "[SYS/TEMP] the disk is away"));
    let poll = scene.fetch();
    poll.assert_adds_up();
    poll.assert_counts([("kept", 2), ("failed", 0), ("deferred", 3)]);
    scene.fetch_well().assert_counts([("deleted", 3)]);
    scene.assert_whole();
    assert!(scene.maildrop.mails().is_empty());
}

#[test]
fn garbage_in_place_of_a_message_is_no_message() {
    let scene = Scene::deleting(Maildrop::offering(&["UIDL", "TOP", "USER"], mails(5)));
    scene.maildrop.misbehave_once(Fault::Answer("RETR 3", b"* OK this is IMAP\r\n".to_vec()));
    scene.fetch().assert_failed("which is neither +OK nor -ERR");
    assert!(scene.maildrop.deleted().is_empty());
    scene.fetch_well().assert_counts([("kept", 3), ("deleted", 5)]);
    scene.assert_whole();
}

/// Message 3 and all behind it are handed out as the one behind them, so the third is never seen.
#[test]
fn answers_that_are_off_by_one_delete_nothing_that_was_not_kept() {
    for capabilities in [&["UIDL", "TOP", "USER", "PIPELINING"][..], &["UIDL", "TOP", "USER"]] {
        let scene = Scene::deleting(Maildrop::offering(capabilities, mails(6)));
        scene.maildrop.misbehave_once(Fault::OffByOne(3));
        scene.fetch();
        scene.assert_nothing_lost();
        for _ in 0..3 {
            scene.fetch();
            scene.assert_nothing_lost();
        }
        scene.assert_holds_all();
        // The last one was refused, for there is none behind it, and waits for its next try.
        assert_eq!(scene.maildrop.mails(), mails(6)[5..], "{:?}", scene.maildrop.heard());
    }
}

#[test]
fn a_server_whose_top_tells_other_headers_is_still_emptied_and_nothing_comes_over_and_over() {
    let scene = Scene::deleting(Maildrop::new(mails(6)));
    scene.maildrop.misbehave(Fault::TopDiffersFromRetr);
    for _ in 0..3 {
        scene.fetch_well();
    }
    assert!(scene.maildrop.mails().is_empty(), "{:?}", scene.maildrop.heard());
    scene.assert_nothing_lost();

    let scene = Scene::keeping(Maildrop::new(mails(6)));
    scene.maildrop.misbehave(Fault::TopDiffersFromRetr);
    for _ in 0..3 {
        scene.fetch_well();
    }
    scene.maildrop.forget();
    for _ in 0..3 {
        scene.fetch_well().assert_counts([("known", 6)]);
    }
    assert_eq!(scene.maildrop.times("RETR"), 0, "{:?}", scene.maildrop.heard());
    scene.assert_holds_all();
}
