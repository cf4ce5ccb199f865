//! Accounts are paused, renamed and removed, beside a daemon and without one; and are left alone where they are refused.

use std::fs;
use std::time::Duration;

use poplar::catalog::{Catalog, ServerFacts};
use poplar::mail::Clock;
use serde_json::{Value, json};

use crate::support::poplar::{Account, Archive, Ended, mail, until};
use crate::support::scene::Scene;

/// One message waits at the server; nobody scans.
fn scene() -> Scene {
    let scene = Scene::without_scanner();
    scene.archive.configure(&[Account::implicit(&scene.server, "tester").with("poll_every = \"10s\"")]);
    scene.server.deliver("tester", &mail("first", "waiting"));
    scene
}

fn kept(archive: &Archive) -> u64 {
    archive.status()["messages"].as_u64().unwrap()
}

fn state(archive: &Archive, name: &str) -> Value {
    let status = archive.status();
    let account = status["accounts"].as_array().unwrap().iter().find(|account| account["account"] == name).cloned();
    account.unwrap_or_else(|| panic!("{name} is not in {status}"))["state"].take()
}

/// What a fetch says that waits for no scanner.
fn fetch(archive: &Archive, arguments: &[&str]) -> Ended {
    archive.run(&[&["--json", "fetch", "--wait", "0s"], arguments].concat())
}

fn counts(ended: &Ended) -> (u64, u64, u64) {
    let account = &ended.json()["accounts"][0];
    let count = |name: &str| account[name].as_u64().unwrap_or_else(|| panic!("{ended}"));
    (count("known"), count("kept"), count("duplicates"))
}

fn annotate(archive: &Archive) {
    let text = fs::read_to_string(archive.config_file()).unwrap();
    fs::write(archive.config_file(), text.replace("[[account]]", "# ours\n[[account]] # theirs")).unwrap();
}

#[test]
fn a_renamed_account_keeps_ledger_mail_and_comments() {
    let Scene { server, archive, .. } = &scene();
    archive.fetch(&["--keep-only"]);
    archive.run(&["import", "--wait", "0s", archive.config_file().to_str().unwrap()]);
    annotate(archive);
    let before = fs::read_to_string(archive.config_file()).unwrap();
    archive.well(&["account", "rename", "tester", "Büro.1"]);
    let text = fs::read_to_string(archive.config_file()).unwrap();
    assert_eq!(text, before.replace("name = \"tester\"", "name = \"Büro.1\""));

    server.deliver("tester", &mail("second", "later"));
    assert_eq!(counts(&fetch(archive, &["Büro.1"])), (1, 1, 0));
    assert_eq!((archive.found("account:Büro.1").len(), archive.found("account:tester").len()), (2, 0));
    assert_eq!(archive.status()["accounts"].as_array().unwrap().iter().filter(|a| a["account"] == "tester").count(), 0);
    archive.assert_sound();

    archive.well(&["rebuild"]);
    assert_eq!((archive.found("account:Büro.1").len(), archive.found("account:tester").len()), (2, 0));
    assert_eq!(counts(&fetch(archive, &[])), (2, 0, 0));
}

#[test]
fn names_that_are_taken_or_none_are_refused() {
    let Scene { server, archive, .. } = &scene();
    archive.configure(&["tester", "alice"].map(|user| Account::implicit(server, user)));
    for (arguments, sentence) in [
        (&["rename", "tester", "Alice"][..], "an account is called \"Alice\" already"),
        (&["rename", "tester", "a b"], "the new name may have up to 64 letters"),
        (&["rename", "tom", "x"], "no account is called \"tom\"; there are alice, tester"),
        (&["pause", "tom"], "no account is called \"tom\""),
        (&["remove", "tom"], "no account is called \"tom\""),
    ] {
        archive.run(&[&["account"], arguments].concat()).assert_said(2, sentence);
    }
}

#[test]
fn a_rename_that_was_cut_off_before_the_file_loses_nothing() {
    let Scene { archive, .. } = &scene();
    archive.fetch(&["--keep-only"]);
    let text = fs::read_to_string(archive.config_file()).unwrap();
    archive.well(&["account", "rename", "tester", "office"]);
    fs::write(archive.config_file(), text).unwrap();
    let fetched = fetch(archive, &["tester"]);
    assert_eq!((counts(&fetched), &fetched.json()["accounts"][0]["account"]), ((1, 0, 0), &json!("office")));
    assert_eq!(archive.status()["accounts"].as_array().unwrap().len(), 1);
}

#[test]
fn a_paused_account_is_not_polled_beside_a_daemon_or_alone() {
    let Scene { server, archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    until("nothing was polled", || (kept(archive) == 1).then_some(()));
    archive.well(&["account", "pause", "tester"]);
    assert_eq!(state(archive, "tester"), "paused");
    server.deliver("tester", &mail("second", "not yet"));
    fetch(archive, &["tester"]).assert_said(2, "account tester is paused and was not polled");
    let all = fetch(archive, &[]);
    assert_eq!((all.json()["skipped"].clone(), all.json()["accounts"].clone()), (json!(["tester"]), json!([])));
    assert!(all.stderr.contains("account tester is paused"), "{all}");
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());

    fetch(archive, &["tester"]).assert_said(2, "account tester is paused");
    let mut daemon = archive.start(&[]);
    assert_eq!(archive.json(&["account", "pause", "tester"])["changed"], false);
    assert_eq!(kept(archive), 1);
    archive.well(&["account", "resume", "tester"]);
    until("it is not polled again", || (kept(archive) == 2).then_some(()));
    assert_eq!((daemon.stop(), state(archive, "tester")), (0, json!("active")));
    archive.assert_sound();
}

#[test]
fn a_daemon_goes_on_with_an_account_that_is_renamed_beside_it() {
    let Scene { server, archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    until("nothing was polled", || (kept(archive) == 1).then_some(()));
    archive.well(&["account", "rename", "tester", "office"]);
    server.deliver("tester", &mail("second", "later"));
    assert_eq!(fetch(archive, &["office"]).json()["accounts"][0]["duplicates"], 0);
    until("the mail does not come", || (kept(archive) == 2).then_some(()));
    // By schedule too, with the file read anew or not.
    server.deliver("tester", &mail("third", "later still"));
    until("it is not polled any more", || (kept(archive) == 3).then_some(()));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    assert_eq!(archive.status()["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(archive.found("account:office").len(), 3);
}

#[test]
fn a_removed_account_leaves_its_mail_and_comes_back_when_it_is_written_again() {
    let Scene { server, archive, .. } = &scene();
    let bob = Account::plain(1, "bob").with("poll_every = \"10s\"");
    let accounts = [Account::implicit(server, "tester"), bob];
    archive.configure(&accounts);
    let mut daemon = archive.start(&[]);
    until("bob does not fail", || archive.warnings().contains("account bob: ").then_some(()));
    until("nothing was polled", || (kept(archive) == 1).then_some(()));
    for name in ["bob", "tester"] {
        archive.well(&["account", "remove", name]);
        assert_eq!(state(archive, name), "removed");
    }
    assert!(!archive.warnings().contains("bob"), "{}", archive.warnings());
    let text = fs::read_to_string(archive.config_file()).unwrap();
    assert!(!text.contains("[[account]]") && text.contains("[scan]"), "{text}");
    until("the shorter file was not read", || daemon.log().contains("accounts=0").then_some(()));
    assert_eq!((kept(archive), archive.found("").len() <= 1), (1, true));
    let listed = archive.json(&["account", "list"]);
    assert_eq!((&listed[0]["state"], &listed[0]["host"]), (&json!("removed"), &json!(null)), "{listed}");

    server.deliver("tester", &mail("second", "after"));
    archive.configure(&accounts);
    until("it does not come back", || (kept(archive) == 2).then_some(()));
    until("the other is not tried any more", || archive.warnings().contains("account bob: ").then_some(()));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    assert_eq!(state(archive, "tester"), "active");
    assert_eq!(counts(&fetch(archive, &["tester"])), (2, 0, 0));
    archive.assert_sound();
}

#[test]
fn a_wrong_password_is_told_twice_and_again_when_it_is_another_one() {
    let Scene { server, archive, .. } = &scene();
    archive.configure(&[Account::implicit(server, "tester").with_password("wrong")]);
    let mut daemon = archive.start(&[]);
    until("it was not tried", || archive.warnings().contains("account tester: ").then_some(()));
    assert_eq!(state(archive, "tester"), "active");
    assert_eq!(fetch(archive, &["tester"]).code, 1);
    until("it does not rest", || (state(archive, "tester") == "resting").then_some(()));
    assert!(archive.warnings().contains("It is not polled any more"), "{}", archive.warnings());
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    // That it rests is remembered.
    let mut daemon = archive.start(&[]);
    assert_eq!(state(archive, "tester"), "resting");
    archive.configure(&[Account::implicit(server, "tester")]);
    until("the right password is not tried", || (kept(archive) == 1).then_some(()));
    assert_eq!((daemon.stop(), state(archive, "tester")), (0, json!("active")));
}

#[test]
fn two_accounts_of_one_mailbox_take_turns() {
    let Scene { server, archive, .. } = &scene();
    let copy = |name: &str| Account::implicit(server, "tester").called(name);
    archive.configure(&[copy("one"), copy("two"), copy("three")]);
    let fetched = archive.json(&["fetch", "--keep-only"]);
    let accounts = fetched["accounts"].as_array().unwrap();
    assert!(accounts.iter().all(|account| account["error"].is_null() && account["listed"] == 1), "{fetched}");
}

#[test]
fn an_account_that_no_poll_succeeds_with_is_an_alarm() {
    let Scene { archive, .. } = &scene();
    archive.configure(&[Account::plain(1, "bob")]);
    let text = fs::read_to_string(archive.config_file()).unwrap();
    fs::write(archive.config_file(), format!("{text}[polling]\nalarm_after = \"1s\"\n")).unwrap();
    assert_eq!(fetch(archive, &[]).code, 1);
    until("there is no alarm", || {
        archive.warnings().contains("ALARM: account bob: no poll has succeeded since the first").then_some(())
    });
}

#[test]
fn what_a_server_said_of_itself_is_warned_of() {
    let Scene { archive, .. } = &scene();
    archive.fetch(&["--keep-only"]);
    let note = |facts: ServerFacts| {
        let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
        let id = catalog.account("tester").unwrap().unwrap().id;
        catalog.note_server(&id, &facts).unwrap();
    };
    let days = |days: u64| Some(Clock::system().now().after(Duration::from_secs(days * 24 * 3600)));
    note(ServerFacts { expire_days: Some(30), login_delay_seconds: Some(600), certificate_expires: days(90) });
    assert_eq!(archive.status()["accounts"][0]["login_delay_seconds"], 600);
    let warned = archive.warnings();
    assert!(!warned.contains("EXPIRE") && !warned.contains("certificate"), "{warned}");

    note(ServerFacts { expire_days: Some(0), certificate_expires: days(3), ..ServerFacts::default() });
    let warned = archive.warnings();
    assert!(warned.contains("deletes mail once it was fetched (EXPIRE 0)"), "{warned}");
    assert!(warned.contains("the certificate of its server expires"), "{warned}");
    archive.assert_sound();
}

#[test]
fn a_fetch_by_hand_that_failed_is_held_against_the_account_by_the_daemon() {
    let Scene { archive, .. } = &scene();
    archive.configure(&[Account::plain(1, "bob").with("poll_every = \"10s\"")]);
    assert_eq!(fetch(archive, &[]).code, 1);
    let known = Catalog::beside(&archive.data_dir()).unwrap().unwrap().account("bob").unwrap().unwrap();
    let next = known.next_poll.unwrap();
    assert!(next > known.last_poll.unwrap().after(Duration::from_secs(50)), "{known:?}");
    assert_eq!(known.trouble.unwrap().class, "passing");
    let mut daemon = archive.start(&[]);
    assert_eq!(archive.status()["accounts"][0]["next_poll"], next.to_string());
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
}

#[test]
fn our_own_certificate_is_warned_of_before_it_ends() {
    let Scene { server, archive, .. } = &scene();
    archive.fetch(&["--keep-only"]);
    for (days, word) in [(3, "expires"), (-3, "expired"), (90, "")] {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut ours = rcgen::CertificateParams::new(vec!["tester".to_owned()]).unwrap();
        let end = Clock::system().now().as_millis() / 1000 + days * 24 * 3600;
        ours.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(end.cast_unsigned());
        fs::write(archive.path("ours.pem"), ours.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(archive.path("ours.key"), key.serialize_pem()).unwrap();
        let lines = "client_cert = \"ours.pem\"\nclient_key = \"ours.key\"";
        archive.configure(&[Account::implicit(server, "tester").with(lines)]);
        let warned = archive.warnings();
        assert_eq!(warned.contains("its client_cert"), !word.is_empty(), "{warned}");
        assert!(word.is_empty() || warned.contains(&format!("ours.pem {word} 20")), "{warned}");
    }
}
