//! SIGKILL in the middle of a session, at many points; then a run that nobody disturbs.

use std::time::Duration;

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Maildrop};

const MAILS: usize = 24;

/// The server falls silent after so many octets, and the program is killed so much later.
fn kill_at(upto: usize, later: Duration) {
    let scene = Scene::deleting(Maildrop::new(mails(MAILS)));
    scene.maildrop.misbehave_once(Fault::StallAfterOctets(upto));
    let mut child = scene.archive.spawn(&["fetch", "--keep-only"]);
    scene.maildrop.wait_until_it_stalls();
    std::thread::sleep(later);
    child.kill().unwrap();
    child.wait().unwrap();
    let kept = scene.contents();
    scene.assert_nothing_lost();

    let before = scene.maildrop.handed_out().len();
    let known = scene.maildrop.mails().iter().filter(|mail| kept.contains(&mail.id())).count();
    let clean = scene.fetch_well();
    clean.assert_counts([("known", known as u64), ("kept", (MAILS - kept.len()) as u64)]);
    let again = &scene.maildrop.handed_out()[before..];
    assert!(again.iter().all(|id| !kept.contains(id)), "killed at {upto}: fetched again what was kept");
    scene.assert_holds_all();
    assert!(scene.maildrop.mails().is_empty());
    scene.archive.assert_sound();
}

#[test]
fn a_kill_in_mid_session_loses_nothing_and_nothing_kept_comes_again() {
    let whole = Scene::deleting(Maildrop::new(mails(MAILS)));
    whole.fetch_well();
    let octets = whole.maildrop.sent_octets();
    for (turn, upto) in (0..octets).step_by(octets / 16).enumerate() {
        // The commit of what came may be before, in, or behind its time.
        kill_at(upto, Duration::from_millis([0, 3, 10, 60][turn % 4]));
    }
}
