//! What servers say of how long they keep mail and how often they are to be asked, and what they do with it by themselves.

use super::{Scene, mails, numbered};
use crate::support::maildrop::{Fault, Maildrop, refuse};

const DELETING: &str = "after_archive = \"delete\"\ndelete_when = \"kept\"";

fn warned(expire: &'static str, settings: &str) -> String {
    let scene = Scene::with(Maildrop::offering(&["UIDL", "TOP", "USER", expire], mails(1)), settings);
    scene.fetch_well().assert_counts([("kept", 1)]);
    scene.archive.warnings()
}

#[test]
fn a_server_that_keeps_mail_for_less_than_the_settings_believe_is_warned_of() {
    let later = "after_archive = { delete_after = \"30d\" }";
    for (expire, settings, sentence) in [
        ("EXPIRE 0", "", "the server deletes mail once it was fetched (EXPIRE 0)"),
        ("EXPIRE 7 USER", later, "the server keeps mail for 7 days only (EXPIRE), less than delete_after says"),
        ("expire 1", "poll_every = \"2d\"", "the server keeps mail for 1 days only (EXPIRE), and poll_every is longer"),
    ] {
        let warned = warned(expire, settings);
        assert!(warned.contains(sentence), "{expire}: {warned}");
    }
    for (expire, settings) in [("EXPIRE NEVER", later), ("EXPIRE 60", later), ("EXPIRE 7", ""), ("EXPIRE soon", later)]
    {
        let warned = warned(expire, settings);
        assert!(!warned.contains("EXPIRE"), "{expire}: {warned}");
    }
}

/// The same poll would have to wait for too long before its next session.
#[test]
fn a_login_delay_of_minutes_leaves_the_rest_to_the_next_poll() {
    let mails = (1..=450).map(|n| numbered(&n.to_string(), 0)).collect();
    let scene =
        Scene::with(Maildrop::offering(&["UIDL", "TOP", "USER", "PIPELINING", "LOGIN-DELAY 300"], mails), DELETING);
    scene.maildrop.misbehave(Fault::Window(200));
    for kept in [200, 200, 50] {
        scene.maildrop.forget();
        scene.fetch_well().assert_counts([("kept", kept), ("deleted", kept)]);
        assert_eq!(scene.maildrop.heard().len(), 1);
        assert_eq!(scene.archive.status()["accounts"][0]["login_delay_seconds"], 300);
    }
    scene.assert_whole();
}

#[test]
fn a_short_login_delay_is_waited_for_within_the_poll() {
    let mails = (1..=250).map(|n| numbered(&n.to_string(), 0)).collect();
    let scene =
        Scene::with(Maildrop::offering(&["UIDL", "TOP", "USER", "PIPELINING", "LOGIN-DELAY 1"], mails), DELETING);
    scene.maildrop.misbehave(Fault::Window(200));
    scene.fetch_well().assert_counts([("kept", 250), ("deleted", 250)]);
    scene.assert_whole();
}

#[test]
fn a_login_that_came_too_soon_is_no_wrong_password() {
    let scene = Scene::with(Maildrop::offering(&["UIDL", "TOP", "USER", "LOGIN-DELAY 300"], mails(2)), DELETING);
    scene.fetch_well();
    scene.maildrop.misbehave(refuse("PASS", "[LOGIN-DELAY] minimum time between mail checks violated"));
    for _ in 0..3 {
        scene.fetch().assert_failed("[LOGIN-DELAY]");
        assert_eq!(scene.archive.status()["accounts"][0]["state"], "active");
    }
}

/// As Gmail: what was fetched is listed no more once QUIT was said, deleted or not.
#[test]
fn what_a_quit_hides_is_kept_before() {
    for settings in ["", DELETING] {
        let scene = Scene::with(Maildrop::offering(&["UIDL", "TOP", "USER"], mails(6)), settings);
        scene.maildrop.misbehave(Fault::QuitHidesWhatWasFetched);
        scene.maildrop.misbehave_once(Fault::CutIn("RETR 4", 100));
        scene.fetch().assert_failed("the server closed the connection");
        assert_eq!(scene.maildrop.mails().len(), 6, "there was no QUIT");
        scene.fetch_well();
        scene.fetch_well();
        scene.assert_holds_all();
    }
}

/// As Exchange: LIST does not tell the sizes that RETR has. Nothing goes before it was compared.
#[test]
fn mail_of_another_size_than_listed_goes_in_a_later_session() {
    let scene = Scene::with(Maildrop::new(mails(5)), DELETING);
    scene.maildrop.misbehave(Fault::ListLies("1000"));
    scene.fetch_well().assert_counts([("kept", 5), ("deleted", 0)]);
    scene.fetch_well().assert_counts([("known", 5), ("deleted", 5)]);
    scene.assert_whole();
}

#[test]
fn what_is_too_large_stays_whatever_the_policy_and_the_plan_says_so() {
    let scene = Scene::with(Maildrop::new(vec![numbered("small", 1), numbered("large", 4000)]), DELETING);
    scene.set(&format!("{DELETING}\nmax_message_bytes = \"20KiB\""));
    scene.fetch_well().assert_counts([("kept", 1), ("oversize", 1), ("deleted", 1)]);
    let planned = scene.archive.json(&["plan", "tester"]);
    assert!(planned.to_string().contains("oversize; it is tried again later"), "{planned}");
    scene.fetch_well().assert_counts([("listed", 1), ("oversize", 1), ("deleted", 0)]);
    assert_eq!(scene.maildrop.mails().len(), 1);
}

#[test]
fn a_server_with_neither_unique_ids_nor_header_blocks_is_warned_of() {
    let scene = Scene::with(Maildrop::offering(&["USER", "TOP"], mails(3)), "");
    scene.maildrop.misbehave(refuse("UIDL", "unknown command"));
    scene.fetch_well();
    assert!(!scene.archive.warnings().contains("neither UIDL nor TOP"), "{}", scene.archive.warnings());
    let scene = Scene::with(Maildrop::offering(&["USER"], mails(3)), "");
    ["UIDL", "TOP"].into_iter().for_each(|command| scene.maildrop.misbehave(refuse(command, "unknown command")));
    scene.fetch_well();
    assert!(scene.archive.warnings().contains("neither UIDL nor TOP"), "{}", scene.archive.warnings());
    scene.set(DELETING);
    assert!(!scene.archive.warnings().contains("neither UIDL nor TOP"), "{}", scene.archive.warnings());
}
