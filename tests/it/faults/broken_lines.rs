//! The connection ends, or goes quiet, where it should not.

use super::{Scene, mails, numbered};
use crate::support::maildrop::{Fault, Mail, Maildrop};
use crate::support::poplar::until;

const PLAIN: &[&str] = &["UIDL", "TOP", "USER"];

/// After message 3 broke off in its first session: 1 and 2 were kept, and come no second time.
fn assert_goes_on_after(fault: &Fault) {
    let scene = Scene::deleting(Maildrop::offering(PLAIN, mails(5)));
    scene.maildrop.misbehave_once(fault.clone());
    let broken = scene.fetch();
    broken.assert_failed("the server closed the connection while it was sending a message");
    broken.assert_counts([("listed", 5), ("kept", 2), ("deferred", 3), ("deleted", 0)]);
    assert_eq!(scene.maildrop.times("QUIT"), 0, "{fault:?}");
    assert!(scene.maildrop.deleted().is_empty());

    scene.fetch_well().assert_counts([("known", 2), ("kept", 3), ("deleted", 5)]);
    scene.assert_whole();
    assert!(scene.maildrop.mails().is_empty());
    scene.archive.assert_sound();
}

#[test]
fn a_line_that_drops_in_a_header() {
    assert_goes_on_after(&Fault::CutIn("RETR 3", 40));
}

#[test]
fn a_line_that_drops_in_a_body() {
    assert_goes_on_after(&Fault::CutIn("RETR 3", 200));
}

#[test]
fn a_message_that_is_all_there_but_for_its_end() {
    let octets = mails(3)[2].octets.len() + "+OK 000 octets\r\n".len();
    for missing in [octets, octets + 1, octets + 2] {
        assert_goes_on_after(&Fault::CutIn("RETR 3", missing));
    }
}

#[test]
fn a_line_that_drops_while_many_are_asked_for_is_taken_up_one_at_a_time_in_the_same_poll() {
    let scene = Scene::deleting(Maildrop::new(mails(20)));
    scene.maildrop.misbehave_once(Fault::CutIn("RETR 7", 100));
    scene.fetch_well().assert_counts([("deleted", 20)]);
    let [first, second] = <[_; 2]>::try_from(scene.maildrop.heard()).unwrap();
    assert!(!first.contains(&"QUIT".to_owned()), "{first:?}");
    assert_eq!(second.iter().filter(|said| said.starts_with("RETR")).count(), 14, "{second:?}");
    scene.assert_whole();
    assert!(scene.maildrop.mails().is_empty());
}

#[test]
fn a_line_that_drops_before_anything_was_listed() {
    for (command, sentence) in [
        ("", "while a reply was awaited"),
        ("CAPA", "while it was sending a listing"),
        ("PASS", "while a reply was awaited"),
        ("UIDL", "while it was sending a listing"),
        ("LIST", "while it was sending a listing"),
    ] {
        let scene = Scene::deleting(Maildrop::offering(PLAIN, mails(2)));
        scene.maildrop.misbehave_once(Fault::CutIn(command, 8));
        let broken = scene.fetch();
        broken.assert_failed(sentence);
        broken.assert_counts([("listed", 0), ("kept", 0)]);
        scene.fetch_well().assert_counts([("kept", 2), ("deleted", 2)]);
        scene.assert_whole();
    }
}

#[test]
fn one_message_that_breaks_every_session_keeps_none_of_the_others_away() {
    let scene = Scene::keeping(Maildrop::offering(PLAIN, mails(5)));
    scene.maildrop.misbehave(Fault::CutIn("RETR 2", 100));
    scene.fetch().assert_failed("while it was sending a message");
    for _ in 0..3 {
        scene.fetch();
    }
    assert_eq!(scene.contents().len(), 4, "{:?}", scene.maildrop.heard());
    scene.maildrop.behave();
    scene.assert_nothing_lost();
}

/// A server that says nothing more does not keep a person waiting who wants the program to end.
#[test]
fn a_program_told_to_stop_does_not_wait_for_a_server_that_says_nothing() {
    let scene = Scene::deleting(Maildrop::offering(PLAIN, mails(5)));
    scene.maildrop.misbehave_once(Fault::StallIn("RETR 3", 100));
    let child = scene.archive.spawn(&["fetch", "--keep-only"]);
    scene.maildrop.wait_until_it_stalls();
    let pid = rustix::process::Pid::from_child(&child);
    until("nothing was kept", || (scene.contents().len() == 2).then_some(()));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut child = child;
    until("it does not end", || child.try_wait().unwrap());
    assert!(scene.maildrop.deleted().is_empty());
    scene.fetch_well().assert_counts([("known", 2), ("kept", 3), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn a_large_message_takes_little_memory_and_one_that_never_ends_is_given_up() {
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde\r\n";
    let large = [&b"Subject: large\r\n\r\n"[..], line.repeat((48 << 20) / line.len()).as_bytes()].concat();
    let octets = large.len();
    let scene = Scene::keeping(Maildrop::new(vec![Mail::new("large", large), numbered("small", 1)]));
    scene.maildrop.misbehave_once(Fault::StallIn("RETR 1", octets));
    let mut child = scene.archive.spawn(&["fetch", "--keep-only"]);
    scene.maildrop.wait_until_it_stalls();
    let private_kib = |field: &str| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim_matches(|letter: char| !letter.is_ascii_digit()).parse().unwrap()
    };
    let held_kib = private_kib("RssAnon:") + private_kib("RssShmem:");
    assert!(held_kib < 32 << 10, "{held_kib} KiB are held");
    child.kill().unwrap();
    child.wait().unwrap();

    scene.set("max_message_bytes = \"1MiB\"");
    scene.maildrop.misbehave(Fault::ListLies("900"));
    scene.maildrop.misbehave(Fault::Endless("RETR 1", b"more and more of it\r\n"));
    scene.fetch().assert_failed("a message is more than twice as large as allowed (1048576 octets) and does not end");
    scene.fetch();
    scene.maildrop.behave();
    assert_eq!(scene.contents().len(), 1);
}
