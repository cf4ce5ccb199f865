//! DELE and QUIT that go wrong: a deletion stays wanted until a listing shows it done.

use super::{Scene, mails, numbered};
use crate::support::maildrop::{Fault, Maildrop, refuse};

#[test]
fn a_quit_that_is_dropped_deletes_nothing_and_the_next_session_makes_up_for_it() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave_once(Fault::QuitDropped);
    scene.fetch().assert_failed("the server closed the connection while a reply was awaited");
    assert_eq!(scene.maildrop.mails().len(), 5);
    scene.fetch_well().assert_counts([("known", 5), ("kept", 0), ("deleted", 5)]);
    assert!(scene.maildrop.mails().is_empty());
    scene.assert_whole();
}

#[test]
fn a_quit_that_deletes_and_says_nothing_is_believed_only_when_the_listing_shows_it() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave_once(Fault::QuitUnanswered);
    scene.fetch().assert_failed("the server closed the connection while a reply was awaited");
    assert!(scene.maildrop.mails().is_empty());
    scene.fetch_well().assert_counts([("listed", 0), ("vanished", 0)]);
    scene.assert_whole();
}

#[test]
fn a_quit_that_deletes_a_part_is_finished_by_the_next_session() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave_once(Fault::QuitErr(2));
    scene.fetch().assert_counts([("kept", 5), ("deleted", 0)]);
    assert_eq!(scene.maildrop.mails().len(), 3);
    scene.fetch_well().assert_counts([("known", 3), ("deleted", 3)]);
    assert!(scene.maildrop.mails().is_empty());
    scene.assert_whole();
}

/// That a deletion is wanted goes on record once, not once a poll.
#[test]
fn a_server_that_says_it_deletes_and_keeps_all_is_told_again_and_no_more_is_put_on_record() {
    let scene = Scene::deleting(Maildrop::new(mails(3)));
    scene.maildrop.misbehave(Fault::QuitKeepsAll);
    scene.fetch_well().assert_counts([("kept", 3), ("deleted", 3)]);
    let decided = scene.archive.json(&["ledger", "tester"]);
    scene.fetch_well().assert_counts([("known", 3), ("deleted", 3)]);
    assert_eq!(scene.archive.json(&["ledger", "tester"])["lines"], decided["lines"]);
    assert_eq!(scene.maildrop.times("DELE"), 6);
    scene.maildrop.behave();
    scene.fetch_well().assert_counts([("deleted", 3)]);
    scene.assert_whole();
}

/// More than one session deletes: another is begun, and sees that nothing has gone.
#[test]
fn a_server_that_keeps_more_than_a_session_deletes_does_not_keep_the_poll_from_ending() {
    let mails: Vec<_> = (1..=4100).map(|n| numbered(&n.to_string(), 0)).collect();
    let scene = Scene::deleting(Maildrop::new(mails));
    scene.maildrop.misbehave(Fault::QuitKeepsAll);
    scene.fetch_well().assert_counts([("kept", 4100)]);
    assert_eq!(scene.maildrop.heard().len(), 2);
    scene.maildrop.behave();
    scene.fetch_well().assert_counts([("known", 4100), ("deleted", 4100)]);
    assert!(scene.maildrop.mails().is_empty());
}

#[test]
fn a_deletion_that_is_refused_stays_wanted() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave(refuse("DELE 2", "this one is protected"));
    scene.fetch_well().assert_counts([("kept", 5), ("deleted", 4)]);
    scene.maildrop.behave();
    scene.fetch_well().assert_counts([("known", 1), ("deleted", 1)]);
    assert!(scene.maildrop.mails().is_empty());
    scene.assert_whole();
}

#[test]
fn a_line_that_drops_between_two_deletions_deletes_nothing() {
    let scene = Scene::deleting(Maildrop::offering(&["UIDL", "TOP", "USER"], mails(5)));
    scene.maildrop.misbehave_once(Fault::CutIn("DELE 3", 0));
    scene.fetch().assert_failed("the server closed the connection while a reply was awaited");
    assert_eq!(scene.maildrop.mails().len(), 5);
    scene.fetch_well().assert_counts([("known", 5), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn garbage_at_a_deletion_ends_the_session_without_quit() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    scene.maildrop.misbehave_once(Fault::Answer("DELE 3", b"what?\r\n".to_vec()));
    scene.fetch().assert_failed("which is neither +OK nor -ERR");
    assert_eq!((scene.maildrop.mails().len(), scene.maildrop.times("QUIT")), (5, 0));
    scene.fetch_well().assert_counts([("deleted", 5)]);
    scene.assert_whole();
}

/// The next session's listing decides, not what was said at the end of this one.
#[test]
fn messages_that_come_back_after_their_deletion_are_neither_doubled_nor_left() {
    let scene = Scene::deleting(Maildrop::new(mails(5)));
    let before = scene.maildrop.mails();
    scene.fetch_well().assert_counts([("deleted", 5)]);
    scene.maildrop.change(|mails| *mails = before);
    scene.fetch_well().assert_counts([("listed", 5), ("kept", 0), ("deleted", 5)]);
    assert!(scene.maildrop.mails().is_empty());
    scene.assert_nothing_lost();
    assert_eq!(scene.contents().len(), 5);
}

#[test]
fn nothing_is_deleted_where_keep_is_the_policy() {
    let scene = Scene::keeping(Maildrop::new(mails(5)));
    scene.fetch_well();
    scene.fetch_well();
    assert_eq!((scene.maildrop.times("DELE"), scene.maildrop.mails().len()), (0, 5));
    assert_eq!(scene.maildrop.times("QUIT"), 2, "Gmail marks mail as fetched at QUIT only");
}
