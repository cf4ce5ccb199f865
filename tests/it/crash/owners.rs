//! Several processes at one archive, and what a dead one left behind.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::flow::{FETCH, Flow, KEEP_ONLY};
use super::lab::{Lab, said};
use super::state::{assert_nothing_lost, rows};

const PATIENCE: Duration = Duration::from_secs(60);

/// The daemon, killed when dropped.
struct Daemon(Child);

impl Daemon {
    fn start(lab: &Lab) -> Self {
        let child = lab.poplar(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let daemon = Self(child);
        let begun = Instant::now();
        while !lab.archive().join("catalog.db").exists() || owner(lab) != Some(daemon.0.id()) {
            assert!(begun.elapsed() < PATIENCE, "the daemon does not say that it is alive");
            std::thread::sleep(Duration::from_millis(10));
        }
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Who last said that it owns the archive.
fn owner(lab: &Lab) -> Option<u32> {
    let tables = rows(lab.archive(), "SELECT name FROM sqlite_schema WHERE name = 'owner'");
    (!tables.is_empty()).then(|| rows(lab.archive(), "SELECT pid FROM owner").first()?.parse().ok())?
}

fn assert_golden(flow: &Flow, lab: &Lab) {
    assert_nothing_lost(lab);
    assert_eq!(flow.golden().difference(&flow.to_the_end(lab)), "");
}

#[test]
fn commands_that_start_together_do_everything_once() {
    for _ in 0..3 {
        let lab = KEEP_ONLY.lab();
        let outputs: Vec<_> = std::thread::scope(|scope| {
            let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| KEEP_ONLY.run(&lab, &[]))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        for output in outputs {
            assert!(KEEP_ONLY.is_well(&output), "{:?} {}", output.status, said(&output));
        }
        assert_golden(&KEEP_ONLY, &lab);
    }
}

#[test]
fn who_waits_for_an_owner_that_is_killed_does_it_alone() {
    for delay_ms in [0, 20, 60, 110, 150, 250] {
        let lab = FETCH.lab();
        let daemon = Daemon::start(&lab);
        let output = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| FETCH.run(&lab, &[]));
            std::thread::sleep(Duration::from_millis(delay_ms));
            drop(daemon);
            waiting.join().unwrap()
        });
        let said = said(&output);
        // The server may not have seen yet that the daemon is gone.
        assert!(FETCH.is_well(&output) || said.contains("IN-USE"), "{delay_ms} ms: {:?} {said}", output.status);
        let open = rows(lab.archive(), "SELECT number FROM request WHERE done_ms IS NULL");
        assert!(open.is_empty(), "{delay_ms} ms: requests {open:?} are left");
        assert_golden(&FETCH, &lab);
    }
}

#[test]
fn an_owner_whose_lock_file_is_removed_stays_the_only_one() {
    let lab = FETCH.lab();
    let daemon = Daemon::start(&lab);
    fs::remove_file(lab.archive().join("lock")).unwrap();
    FETCH.run(&lab, &[]);
    // Who has read an answer takes the request away; that there was one is left in the numbering.
    let asked = rows(lab.archive(), "SELECT seq FROM sqlite_sequence WHERE name = 'request'");
    assert_eq!(asked, ["1"], "the daemon was not asked");
    drop(daemon);
    assert_golden(&FETCH, &lab);
}

#[test]
fn what_a_killed_process_left_in_the_spool_is_removed() {
    let lab = KEEP_ONLY.lab();
    KEEP_ONLY.to_the_end(&lab);
    fs::write(lab.archive().join("spool/incoming-0123456789ab"), b"half a message").unwrap();
    assert_golden(&KEEP_ONLY, &lab);
}

#[test]
fn a_lost_or_emptied_catalog_never_costs_the_packs() {
    for emptied in [false, true] {
        let lab = KEEP_ONLY.lab();
        KEEP_ONLY.to_the_end(&lab);
        let pack = lab.archive().join("packs/00000001.open");
        let octets = fs::read(&pack).unwrap();
        for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
            drop(fs::remove_file(lab.archive().join(name)));
        }
        if emptied {
            fs::write(lab.archive().join("catalog.db"), b"").unwrap();
        }
        for _ in 0..2 {
            let output = KEEP_ONLY.run(&lab, &[]);
            assert_eq!(output.status.code(), Some(1), "{}", said(&output));
            assert!(fs::read(&pack).unwrap() == octets, "the pack was changed");
        }
    }
}
