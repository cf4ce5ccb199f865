//! SIGKILL just before a system call, at one call after the other; then the same command again, to the end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use super::flow::{DELETE, FETCH, FLOWS, Flow, IMPORT, KEEP_MORE, KEEP_ONLY, compare};
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
    ("write,pwrite64,writev,pwritev", None),
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
const WITH_INDEX: [Place; 7] = [
    ("write,pwrite64,writev,pwritev", None),
    ("fdatasync", None),
    ("fsync", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("rename,renameat,renameat2,link,linkat", Some("index/meta.json")),
    ("unlink,unlinkat", None),
    ("openat", None),
];

/// Which points of a flow are tried in a sample, and how many there must be, so that nothing is tested by testing
/// nothing. With `CRASH_ALL=1` all points of all places are.
struct Drill {
    flow: &'static Flow,
    places: &'static [Place],
    /// How fast the sample grows thin.
    growth: u32,
    least: u32,
    least_of_all: u32,
}

const DRILLS: [Drill; 5] = [
    Drill { flow: &KEEP_ONLY, places: &PLACES, growth: 2, least: 30, least_of_all: 250 },
    Drill { flow: &KEEP_MORE, places: &PLACES, growth: 2, least: 20, least_of_all: 140 },
    Drill { flow: &DELETE, places: &PLACES, growth: 2, least: 20, least_of_all: 100 },
    Drill { flow: &FETCH, places: &WITH_INDEX, growth: 6, least: 10, least_of_all: 100 },
    Drill { flow: &IMPORT, places: &WITH_INDEX, growth: 6, least: 10, least_of_all: 250 },
];

fn drill(name: &str) {
    if !strace::is_available() {
        return;
    }
    let drill = DRILLS.iter().find(|drill| drill.flow.name == name).unwrap();
    let everything = strace::is_everything();
    let (places, least) = if everything { (&PLACES[..], drill.least_of_all) } else { (drill.places, drill.least) };
    let golden = drill.flow.golden();
    let mut kills = Vec::new();
    for &(calls, file) in places {
        kills.push((kill_at_each(drill.flow, calls, file, drill.growth, &golden), calls, file));
    }
    let tried: u32 = kills.iter().map(|(here, ..)| here).sum();
    tell(name, tried, &kills);
    assert!(tried >= least, "only {tried} points were tried: {kills:?}");
}

#[expect(clippy::print_stderr, reason = "scripts/crash-test shows it")]
fn tell(name: &str, tried: u32, kills: &[(u32, &str, Option<&str>)]) {
    eprintln!("{name}: killed at {tried} points");
    for (here, calls, file) in kills {
        eprintln!("  {here:4} {calls} {}", file.unwrap_or_default());
    }
}

#[test]
fn every_flow_is_drilled() {
    assert!(FLOWS.iter().all(|flow| DRILLS.iter().any(|drill| drill.flow.name == flow.name)));
}

#[test]
fn a_fetch_into_a_new_archive_killed_anywhere_loses_and_doubles_nothing() {
    drill(KEEP_ONLY.name);
}

#[test]
fn a_fetch_killed_anywhere_loses_and_doubles_nothing() {
    drill(KEEP_MORE.name);
}

#[test]
fn a_deletion_killed_anywhere_loses_and_doubles_nothing() {
    drill(DELETE.name);
}

#[test]
fn a_fetch_killed_while_it_indexes_loses_and_doubles_nothing() {
    drill(FETCH.name);
}

#[test]
fn an_import_killed_anywhere_loses_and_doubles_nothing() {
    drill(IMPORT.name);
}
