//! A clock that is set forward, or right after it was behind, makes no mail old enough to go.

use std::time::Duration;

use poplar::catalog::{Catalog, Told};
use poplar::journal::Entry;
use poplar::mail::event::{Session, SessionCounts};
use poplar::mail::{Clock, Event, Occurrence, Timestamp};

use super::{Scene, mails};
use crate::support::maildrop::{Fault, Maildrop};
use crate::support::poplar::until;

/// To the archive it then looks as if the clock had been set forward by so much since its last session.
fn tell_of_a_session_before(scene: &Scene, past: Duration) {
    let catalog = Catalog::open(&scene.archive.data_dir()).unwrap();
    let account = catalog.account("tester").unwrap().unwrap().id;
    let past = i64::try_from(past.as_millis()).unwrap();
    let at = Timestamp::from_millis(Clock::system().now().as_millis() - past);
    let session = Session {
        account,
        started: at,
        counts: SessionCounts::default(),
        missed: Vec::new(),
        gone: Vec::new(),
        absent: Vec::new(),
        error: None,
    };
    let occurrence = Occurrence { at, event: Event::Session(session) };
    let Entry { leaf, record } = Entry::new(&occurrence);
    catalog.commit(&[], &[Told::new(occurrence, leaf, record)]).unwrap();
}

#[test]
fn mail_that_grew_old_while_nobody_looked_stays_for_a_day_and_status_says_so() {
    let scene = Scene::with(Maildrop::new(mails(3)), "after_archive = \"keep\"");
    scene.fetch_well().assert_counts([("kept", 3)]);
    tell_of_a_session_before(&scene, Duration::from_secs(3 * 24 * 3600));
    scene.set("after_archive = { delete_after = \"1s\" }\ndelete_when = \"kept\"");
    std::thread::sleep(Duration::from_millis(1100));
    let planned = scene.archive.json(&["plan", "tester"]);
    assert!(!planned.to_string().contains("its time is over"), "{planned}");
    for _ in 0..2 {
        scene.fetch_well().assert_counts([("known", 3), ("deleted", 0)]);
        let warned = scene.archive.warnings();
        assert!(warned.contains("If the clock was set forward, set it back"), "{warned}");
    }

    // What is to go at once has no age.
    scene.set("after_archive = \"delete\"\ndelete_when = \"kept\"");
    scene.fetch_well().assert_counts([("deleted", 3)]);
    assert!(!scene.archive.warnings().contains("clock"), "{}", scene.archive.warnings());
    scene.assert_whole();
}

/// For times that no event can have. Its triggers call a function of the program's; what is written here has no fingerprint.
fn raw_catalog(scene: &Scene) -> rusqlite::Connection {
    let catalog = rusqlite::Connection::open(scene.archive.data_dir().join("catalog.db")).unwrap();
    let flags = rusqlite::functions::FunctionFlags::SQLITE_UTF8;
    catalog.create_scalar_function("fingerprint", -1, flags, |_| Ok(0_i64)).unwrap();
    catalog
}

/// As if the clock had been behind by so much when this was kept.
fn date_back(scene: &Scene, past: Duration) {
    let catalog = raw_catalog(scene);
    let millis = i64::try_from(past.as_millis()).unwrap();
    for (table, column) in [
        ("message", "kept_ms"),
        ("sighting", "seen_ms"),
        ("sighting", "fate_ms"),
        ("session", "started_ms"),
        ("session", "ended_ms"),
    ] {
        catalog.execute(&format!("UPDATE {table} SET {column} = {column} - ?1"), [millis]).unwrap();
    }
}

#[test]
fn mail_that_was_kept_while_the_clock_was_behind_is_as_old_as_the_archive_saw_it_become() {
    let scene = Scene::with(Maildrop::new(mails(3)), "after_archive = \"keep\"");
    scene.fetch_well().assert_counts([("kept", 3)]);
    date_back(&scene, Duration::from_secs(400 * 24 * 3600));
    for hours in [60, 48, 36, 24, 12] {
        tell_of_a_session_before(&scene, Duration::from_secs(hours * 3600));
    }
    scene.set("after_archive = { delete_after = \"30d\" }\ndelete_when = \"kept\"");
    scene.fetch_well().assert_counts([("known", 3), ("deleted", 0)]);
    scene.set("after_archive = { delete_after = \"2d\" }\ndelete_when = \"kept\"");
    scene.fetch_well().assert_counts([("known", 3), ("deleted", 3)]);
    scene.assert_whole();
}

#[test]
fn a_few_hours_without_a_session_are_nothing() {
    let scene = Scene::with(Maildrop::new(mails(3)), "after_archive = \"keep\"");
    scene.fetch_well().assert_counts([("kept", 3)]);
    tell_of_a_session_before(&scene, Duration::from_secs(20 * 3600));
    scene.set("after_archive = { delete_after = \"1s\" }\ndelete_when = \"kept\"");
    std::thread::sleep(Duration::from_millis(1100));
    scene.fetch_well().assert_counts([("deleted", 3)]);
    scene.assert_whole();
}

/// A clock that was ahead left a next poll and a last success far away.
fn leave_it_ahead(scene: &Scene, trouble: bool) {
    let catalog = Catalog::open(&scene.archive.data_dir()).unwrap();
    let known = catalog.account("tester").unwrap().unwrap();
    let ahead = Clock::system().now().after(Duration::from_secs(400 * 24 * 3600));
    let trouble = known.trouble.filter(|_| trouble);
    catalog.note_schedule(&known.id, trouble.as_ref(), Some(ahead)).unwrap();
    drop(catalog);
    let catalog = raw_catalog(scene);
    let times = "UPDATE account SET last_poll_ms = ?1, last_success_ms = ?1";
    catalog.execute(times, [ahead.as_millis()]).unwrap();
}

#[test]
fn an_account_that_failed_before_the_clock_was_set_back_is_polled() {
    let scene = Scene::keeping(Maildrop::offering(&["UIDL", "TOP", "USER", "LOGIN-DELAY 5"], mails(2)));
    scene.fetch_well();
    scene.maildrop.misbehave_once(Fault::QuitDropped);
    scene.fetch().assert_failed("the server closed the connection");
    leave_it_ahead(&scene, true);
    scene.maildrop.forget();
    let mut daemon = scene.archive.start(&[]);
    until("it is not polled", || (!scene.maildrop.heard().is_empty()).then_some(()));
    daemon.stop();
}

#[test]
fn the_alarm_is_raised_while_a_poll_hangs_and_after_the_clock_was_set_back() {
    for is_ahead in [false, true] {
        let scene = Scene::keeping(Maildrop::new(mails(2)));
        scene.fetch_well();
        if is_ahead {
            leave_it_ahead(&scene, false);
        }
        let text = std::fs::read_to_string(scene.archive.config_file()).unwrap();
        std::fs::write(scene.archive.config_file(), format!("{text}[polling]\nalarm_after = \"1s\"\n")).unwrap();
        scene.maildrop.misbehave(Fault::StallIn("PASS", 0));
        let mut daemon = scene.archive.start(&[]);
        until("there is no alarm", || daemon.log().contains("ALARM: no poll of the account").then_some(()));
        daemon.stop();
    }
}
