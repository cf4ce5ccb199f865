//! SIGKILL just before a system call, at one call after the other; then the same command again, to the end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use super::flow::{FETCH, Flow, IMPORT, KEEP_MORE, KEEP_ONLY, compare};
use super::lab::said;
use super::state::{State, assert_nothing_lost};
use super::strace::{self, Fault, Injection};

/// Kills at each call of a kind that `steps` names, until a run has fewer such calls. Returns how often it killed.
fn kill_at_each(flow: &Flow, calls: &'static str, file: Option<&str>, growth: u32, golden: &State) -> u32 {
    let mut kills = 0;
    for nth in steps(growth) {
        let lab = flow.lab();
        let files: Vec<PathBuf> = file.into_iter().map(|name| lab.archive().join(name)).collect();
        let injection = Injection { calls, files, fault: Fault::Kill, nth };
        let output = flow.run(&lab, &injection.wrapper());
        if output.status.signal() != Some(9) {
            assert!(flow.is_well(&output), "{injection:?}: {}", said(&output));
            return kills;
        }
        kills += 1;
        assert_nothing_lost(&lab);
        compare(golden, &flow.to_the_end(&lab), &injection);
    }
    kills
}

/// Every call with `CRASH_ALL=1`; else a sample, dense in the beginning and thin behind.
fn steps(growth: u32) -> Box<dyn Iterator<Item = u32>> {
    if strace::is_everything() {
        return Box::new(1..);
    }
    Box::new(std::iter::successors(Some(1), move |nth| Some(nth + nth * growth / 2 + 1)))
}

/// Kinds of calls, and the file they are counted on: what a thread does seldom comes late among all it does.
type Place = (&'static str, Option<&'static str>);

const PLACES: [Place; 12] = [
    ("write,pwrite64", None),
    ("pwrite64", Some("catalog.db-wal")),
    ("pwrite64", Some("catalog.db")),
    ("pwrite64", Some("packs/00000001.open")),
    ("fdatasync", None),
    ("fdatasync", Some("packs/00000001.open")),
    ("fsync", None),
    ("ftruncate", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
    ("openat", None),
    ("sendto,recvfrom", None),
];

/// Where the index writes too.
const WITH_INDEX: [Place; 6] = [
    ("write,pwrite64", None),
    ("fdatasync", None),
    ("fsync", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
    ("openat", None),
];

/// `growth`: how fast a sample grows thin.
fn kill_everywhere(flow: &Flow, places: &[Place], growth: u32, least: u32) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    let mut kills = Vec::new();
    let places = if strace::is_everything() { &PLACES } else { places };
    for &(calls, file) in places {
        kills.push((kill_at_each(flow, calls, file, growth, &golden), calls, file));
    }
    let tried: u32 = kills.iter().map(|(here, ..)| here).sum();
    assert!(tried >= least, "only {tried} places were tried: {kills:?}");
}

#[test]
fn a_fetch_into_a_new_archive_killed_anywhere_loses_and_doubles_nothing() {
    kill_everywhere(&KEEP_ONLY, &PLACES, 2, 30);
}

#[test]
fn a_fetch_killed_anywhere_loses_and_doubles_nothing() {
    kill_everywhere(&KEEP_MORE, &PLACES, 2, 20);
}

#[test]
fn a_fetch_killed_while_it_indexes_loses_and_doubles_nothing() {
    kill_everywhere(&FETCH, &WITH_INDEX, 6, 10);
}

#[test]
fn an_import_killed_anywhere_loses_and_doubles_nothing() {
    kill_everywhere(&IMPORT, &WITH_INDEX, 6, 10);
}
