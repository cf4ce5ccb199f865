//! Servers that say nothing more, or hardly anything, and keep the connection: they are given up, and cost no mail.

use std::time::Duration;

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Mail, Maildrop};

const PLAIN: &[&str] = &["UIDL", "TOP", "USER"];
const PIPELINING: &[&str] = &["UIDL", "TOP", "USER", "PIPELINING"];

/// As [`Scene::deleting`], and out of patience after a second.
fn hasty(maildrop: Maildrop) -> Scene {
    Scene::with(maildrop, "after_archive = \"delete\"\ndelete_when = \"kept\"\ntimeout = \"1s\"")
}

/// The poll fails with this sentence, and nothing goes; the next one brings and deletes the five.
fn assert_given_up(capabilities: &[&'static str], fault: Fault, sentence: &str) {
    let scene = hasty(Maildrop::offering(capabilities, mails(5)));
    // Twice: a session that breaks down under pipelining is taken up in the same poll.
    scene.maildrop.misbehave(fault.clone());
    scene.fetch().assert_failed(sentence);
    // At QUIT it may have deleted what is kept before it fell silent.
    let quits = scene.maildrop.times("QUIT") > 0;
    assert!(quits || scene.maildrop.deleted().is_empty(), "{fault:?}");
    scene.assert_nothing_lost();
    scene.maildrop.behave();
    scene.fetch_well();
    scene.assert_holds_all();
    assert!(scene.maildrop.mails().is_empty(), "{fault:?}");
}

#[test]
fn a_server_that_falls_silent_is_given_up_wherever_it_does() {
    for (command, phase) in [
        ("", "before the greeting"),
        ("PASS", "during login"),
        ("UIDL", "to the request for the list of messages"),
        ("LIST", "to the request for the list of messages"),
        ("RETR 3", "in mid transfer"),
        ("DELE 3", "in mid transfer"),
        ("QUIT", "in mid transfer"),
    ] {
        for capabilities in [PLAIN, PIPELINING] {
            assert_given_up(capabilities, Fault::StallIn(command, 0), phase);
        }
    }
}

#[test]
fn a_server_that_falls_silent_in_mid_answer_is_given_up() {
    for (command, octets, phase) in [
        ("", 4, "before the greeting"),
        ("PASS", 4, "during login"),
        ("UIDL", 20, "in mid transfer"),
        ("LIST", 20, "in mid transfer"),
        ("RETR 3", 100, "in mid transfer"),
        ("DELE 3", 2, "in mid transfer"),
        ("QUIT", 2, "in mid transfer"),
    ] {
        assert_given_up(PLAIN, Fault::StallIn(command, octets), phase);
    }
}

/// Each octet comes in time, and the whole would take for ever.
#[test]
fn a_server_that_drips_is_given_up() {
    for (command, sentence) in [
        ("", "before the greeting"),
        ("PASS", "during login"),
        ("UIDL", "the server sends hardly anything: less than 4096 octets in 2 s"),
        ("RETR 3", "the server sends hardly anything: less than 4096 octets in 2 s"),
        ("DELE 3", "the server sends hardly anything: less than 4096 octets in 2 s"),
    ] {
        assert_given_up(PLAIN, Fault::DripIn(command, 1, Duration::from_millis(600)), sentence);
    }
}

/// It is slow, but it comes along.
#[test]
fn a_message_that_comes_slowly_comes() {
    let large = [&b"Subject: slow\r\n\r\n"[..], &b"0123456789abcdef0123456789abcd\r\n".repeat(1000)].concat();
    let scene = hasty(Maildrop::offering(PLAIN, vec![Mail::new("slow", large)]));
    // For longer than four kilobytes may take.
    scene.maildrop.misbehave(Fault::DripIn("RETR 1", 64, Duration::from_millis(8)));
    scene.fetch_well().assert_counts([("kept", 1), ("deleted", 1)]);
    scene.assert_whole();
}

/// The message that is silence each time keeps none of the others away.
#[test]
fn a_message_that_never_comes_keeps_none_of_the_others_away() {
    let scene = hasty(Maildrop::offering(PLAIN, mails(5)));
    scene.maildrop.misbehave(Fault::StallIn("RETR 2", 60));
    for _ in 0..3 {
        scene.fetch().assert_failed("no answer in 1 s in mid transfer");
    }
    assert_eq!(scene.contents().len(), 4, "{:?}", scene.maildrop.heard());
    scene.assert_nothing_lost();
}

/// Each later answer is that to the command before.
#[test]
fn answers_that_lag_by_one_forge_nothing() {
    for stray in [&b"+OK\r\n"[..], b"-ERR what?\r\n"] {
        for (capabilities, command) in
            [(PLAIN, "RETR 2"), (PLAIN, "LIST"), (PIPELINING, "LIST"), (PIPELINING, "DELE 2")]
        {
            assert_forges_nothing(capabilities, Fault::After(command, stray.to_vec()));
        }
    }
}

/// Each later answer is that to the next command, and the last never comes.
#[test]
fn an_answer_too_few_forges_nothing() {
    for capabilities in [PLAIN, PIPELINING] {
        for command in ["UIDL", "LIST", "RETR 2", "DELE 2"] {
            assert_forges_nothing(capabilities, Fault::Answer(command, Vec::new()));
        }
    }
}

fn assert_forges_nothing(capabilities: &[&'static str], fault: Fault) {
    let scene = hasty(Maildrop::offering(capabilities, mails(6)));
    scene.maildrop.misbehave_once(fault.clone());
    for _ in 0..3 {
        scene.fetch();
        scene.assert_nothing_lost();
    }
    scene.assert_holds_all();
    assert!(scene.maildrop.mails().len() <= 1, "{fault:?}: {:?}", scene.maildrop.heard());
}
