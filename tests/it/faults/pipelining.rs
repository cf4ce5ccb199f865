//! Servers that promise PIPELINING and cannot do it, and those that never promised.

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Maildrop};

#[test]
fn a_server_that_hangs_up_on_a_second_command_is_spoken_to_one_command_at_a_time_for_a_month() {
    let scene = Scene::deleting(Maildrop::new(mails(20)));
    scene.maildrop.misbehave(Fault::PipeliningBreaks);
    scene.fetch_well().assert_counts([("deleted", 20)]);
    scene.assert_whole();
    scene.maildrop.change(|there| there.extend(mails(30).split_off(20)));
    scene.maildrop.forget();
    scene.fetch_well().assert_counts([("kept", 10), ("deleted", 10)]);
    assert_eq!(scene.maildrop.heard().len(), 1, "{:?}", scene.maildrop.heard());
    scene.assert_whole();
}

/// Without the dot one message runs into the next, so what comes is no message of the server's.
#[test]
fn a_server_that_loses_the_dot_between_two_messages_forges_none() {
    let scene = Scene::deleting(Maildrop::new(mails(20)));
    scene.maildrop.misbehave(Fault::PipeliningLosesDots);
    for _ in 0..3 {
        scene.fetch();
        scene.assert_nothing_lost();
    }
    scene.assert_holds_all();
    assert!(scene.maildrop.mails().is_empty(), "{:?}", scene.maildrop.heard());
}

/// A stray reply makes each later reply the answer to the command before.
#[test]
fn a_reply_too_many_forges_no_message() {
    for stray in [&b"+OK\r\n"[..], b"-ERR what?\r\n", b".\r\n"] {
        let scene = Scene::deleting(Maildrop::new(mails(12)));
        scene.maildrop.misbehave_once(Fault::After("RETR 4", stray.to_vec()));
        for _ in 0..3 {
            scene.fetch();
            scene.assert_nothing_lost();
        }
        scene.assert_holds_all();
        assert!(scene.maildrop.mails().len() <= 1, "{stray:?}: {:?}", scene.maildrop.heard());
    }
}

#[test]
fn a_server_that_never_promised_is_never_asked_two_things_at_once() {
    let scene = Scene::deleting(Maildrop::offering(&["UIDL", "TOP", "USER"], mails(20)));
    scene.maildrop.misbehave(Fault::PipeliningBreaks);
    scene.fetch_well().assert_counts([("kept", 20), ("deleted", 20)]);
    assert_eq!(scene.maildrop.heard().len(), 1);
    scene.assert_whole();
}
