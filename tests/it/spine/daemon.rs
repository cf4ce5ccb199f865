//! The daemon, and commands beside it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;

use poplar::catalog::{Asked, Catalog, Owner};
use poplar::files::Lock;
use poplar::mail::{BlobId, Clock};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::poplar::{Account, Archive, Ended, mail, until};
use crate::support::scene::Scene;

fn id(octets: &[u8]) -> String {
    BlobId::of(octets).to_string()
}

/// One message waits at the server.
fn scene() -> Scene {
    let scene = Scene::with(Archive::new());
    scene.archive.configure(&[Account::implicit(&scene.server, "tester")]);
    scene.server.deliver("tester", &mail("first", "waiting"));
    scene
}

fn kept(archive: &Archive) -> u64 {
    archive.status()["messages"].as_u64().unwrap()
}

#[test]
fn it_polls_by_itself_and_commands_beside_it_see_all() {
    let Scene { server, archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    until("nothing was polled", || (kept(archive) == 1).then_some(()));

    server.deliver("tester", &mail("second", "asked for"));
    let fetched = archive.fetch(&[]);
    assert_eq!((&fetched["listed"], &fetched["kept"]), (&2.into(), &1.into()), "{fetched}");
    assert_eq!(archive.found("subject:second is:clean"), [id(&mail("second", "asked for"))]);
    assert_eq!(archive.raw(&id(&mail("first", "waiting"))), mail("first", "waiting"));

    let file = archive.path("third.eml");
    fs::write(&file, mail("third", "from a file")).unwrap();
    let imported = archive.json(&["import", file.to_str().unwrap()]);
    assert_eq!((&imported["read"], &imported["kept"]), (&1.into(), &1.into()), "{imported}");
    assert_eq!(archive.found("subject:third is:clean").len(), 1);

    let status = archive.status();
    assert_eq!(status["owner"], daemon.pid(), "{status}");
    assert_eq!(status["scanner"]["state"], "ready", "{status}");
    assert!(status["accounts"][0]["next_poll"].is_string(), "{status}");
    archive.assert_sound();

    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    let status = archive.status();
    assert_eq!((&status["owner"], &status["scanner"]["state"]), (&().into(), &"not running".into()), "{status}");
    archive.assert_sound();
}

#[test]
fn a_failing_fetch_beside_it_fails_as_it_would_alone() {
    let Scene { archive, server, .. } = &scene();
    archive.configure(&[Account::implicit(server, "tester"), Account::plain(1, "bob")]);
    let _daemon = archive.start(&[]);
    let beside = archive.run(&["fetch", "bob"]);
    beside.assert_said(1, "account bob: 127.0.0.1:1: cannot connect: Connection refused");
    until("the mail of the other account does not come", || (kept(archive) == 1).then_some(()));
    let bob = until("the next try is not told", || {
        let status = archive.status();
        let accounts = status["accounts"].as_array().unwrap();
        accounts.iter().find(|account| account["account"] == "bob" && account["next_poll"].is_string()).cloned()
    });
    assert!(bob["last_error"].as_str().unwrap().contains("cannot connect") && bob["last_success"].is_null(), "{bob}");
}

#[test]
fn a_second_one_is_told_to_come_later() {
    let Scene { archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    let second = archive.run(&["run"]);
    second.assert_said(75, &format!("is in use by process {}", daemon.pid()));
    assert_eq!(daemon.stop(), 0);
    archive.start(&[]);
}

#[test]
fn a_change_of_the_file_brings_an_account_in() {
    let Scene { server, archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    server.deliver("alice", &mail("for alice", "new account"));
    archive.configure(&["tester", "alice"].map(|user| Account::implicit(server, user)));
    until("the changed file was not read", || {
        (archive.status()["accounts"].as_array().unwrap().len() == 2 && kept(archive) == 2).then_some(())
    });
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn sighup_brings_an_account_in_and_a_broken_file_changes_nothing() {
    let Scene { server, archive, .. } = &scene();
    let mut daemon = archive.start(&[]);
    until("nothing was polled", || (kept(archive) == 1).then_some(()));
    let good = fs::read_to_string(archive.config_file()).unwrap();
    fs::write(archive.config_file(), good.replace("port = ", "prot = ")).unwrap();
    daemon.signal(Signal::HUP);
    until("the broken file was not refused", || {
        daemon.log().contains("the changed configuration is refused").then_some(())
    });
    assert!(daemon.log().contains("did you mean \\\"port\\\"") || daemon.log().contains("port"), "{}", daemon.log());
    server.deliver("tester", &mail("still", "polled"));

    server.deliver("alice", &mail("for alice", "new account"));
    archive.configure(&["tester", "alice"].map(|user| Account::implicit(server, user)));
    daemon.signal(Signal::HUP);
    until("the mended file was not read", || (kept(archive) == 3).then_some(()));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
}

#[test]
fn an_archive_that_grows_is_sound_at_every_moment() {
    let Scene { server, archive, .. } = &scene();
    for n in 0..400 {
        server.deliver("tester", &mail(&format!("number {n}"), &"body\r\n".repeat(n % 100)));
    }
    std::thread::scope(|scope| {
        let fetching = scope.spawn(|| archive.fetch(&[]));
        until("there is no archive", || (archive.run(&["status"]).code == 0).then_some(()));
        while !fetching.is_finished() {
            archive.assert_sound();
            archive.found("number");
        }
        assert_eq!(fetching.join().unwrap()["kept"], 401);
    });
    assert_eq!(archive.found("is:clean").len(), 401);
    archive.assert_sound();
}

#[test]
fn one_that_was_killed_leaves_an_archive_that_goes_on() {
    let Scene { server, archive, .. } = &scene();
    for n in 0..150 {
        server.deliver("tester", &mail(&format!("number {n}"), &"body\r\n".repeat(n)));
    }
    let daemon = archive.start(&[]);
    daemon.kill();
    // The server may take a moment to see that the session is over.
    let fetched = until("the maildrop stays locked", || {
        let ended = archive.run(&["--json", "fetch"]);
        (ended.code == 0).then(|| ended.json()["accounts"][0].take())
    });
    assert_eq!(fetched["known"].as_u64().unwrap() + fetched["kept"].as_u64().unwrap(), 151, "{fetched}");
    assert_eq!(kept(archive), 151);
    assert_eq!(archive.found("").len(), 151);
    archive.assert_sound();
}

#[test]
fn a_command_that_waits_for_one_that_is_killed_does_the_work_itself() {
    let Scene { archive, .. } = &scene();
    let daemon = archive.start(&[]);
    daemon.signal(Signal::STOP);
    let fetched = std::thread::scope(|scope| {
        let fetch = scope.spawn(|| archive.fetch(&[]));
        std::thread::sleep(std::time::Duration::from_millis(800));
        daemon.kill();
        fetch.join().unwrap()
    });
    assert_eq!(fetched["listed"], 1, "{fetched}");
    assert_eq!(archive.found("is:clean").len(), 1);
}

#[test]
fn an_import_beside_it_waits_for_the_scanner_as_long_as_it_is_told() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::plain(1, "bob")]);
    let _daemon = archive.start(&[]);
    let file = archive.path("one.eml");
    fs::write(&file, mail("one", "body")).unwrap();
    let begun = std::time::Instant::now();
    let imported = archive.run(&["import", "--wait", "0s", file.to_str().unwrap()]);
    imported.assert_said(75, "1 message waits for the scanner");
    assert!(begun.elapsed().as_secs() < 50, "it waited for the default time");
}

#[test]
fn a_fetch_behind_one_that_only_keeps_has_its_mail_scanned() {
    let Scene { server, archive, .. } = &scene();
    let (silent, bob) = silent_server();
    archive.configure(&[Account::implicit(server, "tester"), bob]);
    std::thread::scope(|scope| {
        let keeping = scope.spawn(|| archive.run(&["fetch", "--keep-only", "bob"]));
        let (session, _) = silent.accept().unwrap();
        let behind = scope.spawn(|| archive.json(&["fetch", "tester"]));
        std::thread::sleep(std::time::Duration::from_millis(700));
        drop(session);
        keeping.join().unwrap().assert_said(1, "the server closed the connection");
        let fetched = behind.join().unwrap();
        assert_eq!((&fetched["accounts"][0]["kept"], &fetched["unscanned"]), (&1.into(), &0.into()), "{fetched}");
    });
    assert_eq!(archive.found("is:clean").len(), 1);
}

/// A server that accepts and says nothing, and an account there.
fn silent_server() -> (TcpListener, Account) {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    (silent, Account::plain(port, "bob"))
}

#[test]
fn a_session_that_hangs_does_not_keep_a_changed_file_from_being_used() {
    let Scene { server, archive, .. } = &scene();
    let (silent, bob) = silent_server();
    archive.configure(&[bob]);
    let mut daemon = archive.start(&[]);
    let _session = silent.accept().unwrap();
    archive.configure(&[Account::implicit(server, "tester")]);
    daemon.signal(Signal::HUP);
    until("the changed file was not used", || (kept(archive) == 1).then_some(()));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
}

#[test]
fn a_request_that_hangs_does_not_keep_it_from_closing_the_archive() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let (silent, bob) = silent_server();
    archive.configure(&[bob]);
    let mut daemon = archive.start(&[]);
    let _session = silent.accept().unwrap();
    let beside = archive.spawn(&["fetch", "bob"]);
    let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
    until("the request was not taken", || {
        let status = archive.status();
        (status["owner"] == daemon.pid() && has_taken_all(&catalog)).then_some(())
    });
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    assert!(daemon.log().contains("archive closed"), "{}", daemon.log());
    let _now_it_fetches_itself = silent.accept().unwrap();
    end_at_once(beside);
}

/// Whether something was asked, and the owner has taken it up.
fn has_taken_all(catalog: &Catalog) -> bool {
    let asked = catalog.answer(1).unwrap() == Asked::Waiting;
    asked && !catalog.has_requests().unwrap()
}

/// Ctrl-C, and again.
fn end_at_once(mut child: std::process::Child) {
    let status = until("it does not end", || {
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        child.try_wait().unwrap()
    });
    assert_eq!(status.signal(), Some(Signal::KILL.as_raw()), "{status}");
}

#[test]
fn a_second_interrupt_ends_a_command_at_once() {
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let (silent, bob) = silent_server();
    archive.configure(&[bob]);
    let fetch = archive.spawn(&["fetch"]);
    let _session = silent.accept().unwrap();
    end_at_once(fetch);
}

/// An archive whose owner, this process, holds the lock and is silent.
fn silently_owned() -> (Archive, Catalog, Lock) {
    let archive = Archive::new();
    archive.configure(&[Account::plain(1, "bob")]);
    archive.start(&[]).stop();
    let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
    let now = Clock::system().now();
    catalog.beat(&Owner { pid: std::process::id(), started: now, beat: now, told: String::new() }).unwrap();
    let lock = Lock::take(&archive.data_dir().join("lock")).unwrap();
    (archive, catalog, lock)
}

#[test]
fn a_command_that_is_interrupted_while_it_waits_takes_its_request_back() {
    let (archive, catalog, _lock) = silently_owned();
    let fetch = archive.spawn(&["fetch"]);
    until("nothing was asked", || catalog.has_requests().unwrap().then_some(()));
    kill_process(Pid::from_child(&fetch), Signal::INT).unwrap();
    Ended::of(fetch).assert_said(1, "poplar: interrupted");
    assert!(!catalog.has_requests().unwrap());
}

#[test]
fn an_owner_that_hangs_is_named_and_not_waited_for() {
    let (archive, catalog, _lock) = silently_owned();
    archive.run(&["fetch"]).assert_said(75, &format!("is in use by process {}", std::process::id()));
    assert!(!catalog.has_requests().unwrap());
}

#[test]
fn a_request_that_ended_two_owners_is_not_tried_a_third_time() {
    let archive = Archive::new();
    archive.configure(&[Account::plain(1, "bob")]);
    archive.start(&[]).stop();
    let catalog = Catalog::beside(&archive.data_dir()).unwrap().unwrap();
    let now = Clock::system().now();
    let import = serde_json::json!({ "kind": "import", "account": "old", "paths": [], "wait_ms": 0 }).to_string();
    // Taken by two owners that died, and by one.
    let twice = catalog.ask("import", &import, now).unwrap();
    catalog.take_requests(now).unwrap();
    catalog.reopen_requests().unwrap();
    let once = catalog.ask("import", &import, now).unwrap();
    catalog.take_requests(now).unwrap();

    let _daemon = archive.start(&[]);
    let answer = |number| {
        until("there is no answer", || match catalog.answer(number).unwrap() {
            Asked::Answered(answer) => Some(answer),
            _ => None,
        })
    };
    assert!(answer(once).starts_with("{\"done\""), "{}", answer(once));
    assert_eq!(answer(twice), "{\"failed\":\"the process that worked on it ended twice\"}");
}
