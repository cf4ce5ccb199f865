//! Answers that are none: garbage, replies without end, refusals at the door.

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Maildrop, refuse};

/// The poll fails with this sentence, without QUIT; the next one makes up for it.
fn assert_fails_and_recovers(fault: Fault, sentence: &str) {
    let scene = Scene::deleting(Maildrop::new(mails(4)));
    scene.maildrop.misbehave(fault);
    scene.fetch().assert_failed(sentence);
    assert_eq!(scene.maildrop.times("QUIT"), 0, "{:?}", scene.maildrop.heard());
    assert!(scene.maildrop.deleted().is_empty());
    scene.maildrop.behave();
    scene.fetch_well().assert_counts([("deleted", 4)]);
    scene.assert_holds_all();
}

#[test]
fn garbage_where_a_status_should_be() {
    for command in ["", "PASS", "UIDL", "LIST", "RETR 2"] {
        let garbage = b"HTTP/1.1 400 Bad Request\r\n".to_vec();
        assert_fails_and_recovers(Fault::Answer(command, garbage), "which is neither +OK nor -ERR");
    }
}

#[test]
fn a_reply_to_nothing() {
    assert_fails_and_recovers(Fault::After("LIST", b"+OK and another\r\n".to_vec()), "although nothing was asked");
}

#[test]
fn replies_without_end() {
    let too_long = |command: &str| format!("the server's answer to {command} is longer than");
    assert_fails_and_recovers(Fault::Endless("CAPA", b"X-MORE AND MORE\r\n"), &too_long("CAPA"));
    assert_fails_and_recovers(Fault::Endless("UIDL", b"1 once-more\r\n"), &too_long("UIDL"));
    assert_fails_and_recovers(Fault::Endless("LIST", b"7"), "a line of the server is longer than 4096 octets");
    let endless = [b"+OK ".as_slice(), &[b'x'; 100_000]].concat();
    assert_fails_and_recovers(Fault::Answer("", endless), "a line of the server is longer than 8192 octets");
}

#[test]
fn refusals_at_the_door_are_told_with_the_words_of_the_server() {
    for reply in [
        "[IN-USE] another session has this maildrop",
        "[SYS/TEMP] try again later",
        "[SYS/PERM] this maildrop is broken",
        "[LOGIN-DELAY] minimum time between logins not elapsed",
        "[AUTH] who are you",
        "no",
    ] {
        assert_fails_and_recovers(refuse("PASS", reply), &format!("-ERR {reply}"));
    }
    assert_fails_and_recovers(refuse("", "Auth process broken"), "-ERR Auth process broken");
}

#[test]
fn a_server_of_1988_will_do() {
    let scene = Scene::deleting(Maildrop::offering(&[], mails(4)));
    scene.fetch_well().assert_counts([("kept", 4), ("deleted", 4)]);
    scene.assert_whole();
    let heard = scene.maildrop.heard().concat();
    assert!(heard.contains(&"USER tester".to_owned()), "{heard:?}");
}

#[test]
fn listings_refused_for_now_change_nothing() {
    let scene = Scene::keeping(Maildrop::new(mails(4)));
    scene.fetch_well().assert_counts([("kept", 4)]);
    for reply in ["[SYS/TEMP] later", "not now"] {
        scene.maildrop.misbehave(refuse("UIDL", reply));
        scene.fetch().assert_failed(&format!("refuses to list the messages (-ERR {reply})"));
        scene.maildrop.behave();
    }
    scene.maildrop.forget();
    scene.fetch_well().assert_counts([("known", 4)]);
    assert_eq!(scene.maildrop.times("RETR"), 0);
    scene.assert_whole();
}
