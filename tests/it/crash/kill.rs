//! SIGKILL just before a system call, at one call after the other; then the same command again, to the end.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use super::flow::{
    COMPACTION, DELETE, FETCH, FLOWS, Flow, IMPORT, JOURNAL, KEEP_MORE, KEEP_ONLY, PURGE, REBUILD, SEAL, compare,
};
use super::ground;
use super::lab::said;
use super::state::State;
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
        (flow.holds)(&lab);
        let signed = ground::signed(lab.archive());
        compare(golden, &flow.to_the_end(&lab), &injection);
        ground::assert_continues(lab.archive(), signed);
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

/// What a thread writes with `write` is files of the journal.
const SIGNING: [Place; 8] = [
    ("write", None),
    ("pwrite64", Some("packs/00000001.open")),
    ("pwrite64", Some("catalog.db-wal")),
    ("fdatasync", None),
    ("fsync", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat,rmdir", None),
    ("mkdir,mkdirat", None),
];

const SEALING: [Place; 8] = [
    ("write,pwrite64,writev,pwritev", None),
    ("pwrite64", Some("packs/00000002.pack.tmp")),
    ("pwrite64", Some("catalog.db-wal")),
    ("fdatasync", None),
    ("fsync", None),
    ("ftruncate", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
];

const PURGING: [Place; 8] = [
    ("pwrite64", Some("packs/00000001.pack.tmp")),
    ("pwrite64", Some("packs/00000002.pack.tmp")),
    ("pwrite64", Some("catalog.db-wal")),
    ("fdatasync", None),
    ("fsync", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("rename,renameat,renameat2,link,linkat", Some("index/meta.json")),
    ("unlink,unlinkat", None),
];

/// Many commands lead up to each point.
const PURGING_SAMPLE: [Place; 4] = [
    ("pwrite64", Some("catalog.db-wal")),
    ("fdatasync", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
];

const REBUILDING: [Place; 9] = [
    ("write,pwrite64,writev,pwritev", None),
    ("pwrite64", Some("rebuild/catalog.db-wal")),
    ("pwrite64", Some("rebuild/catalog.db")),
    ("pwrite64", Some("catalog.db-wal")),
    ("fdatasync", None),
    ("fsync", None),
    ("ftruncate", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
];

/// Which points of a flow are tried in a sample, and how many there must be, so that nothing is tested by testing
/// nothing. With `CRASH_ALL=1` all points of all places are.
struct Drill {
    flow: &'static Flow,
    places: &'static [Place],
    all_places: &'static [Place],
    /// How fast the sample grows thin.
    growth: u32,
    least: u32,
    least_of_all: u32,
}

const DRILLS: [Drill; 10] = [
    Drill { flow: &KEEP_ONLY, places: &PLACES, all_places: &PLACES, growth: 2, least: 30, least_of_all: 250 },
    Drill { flow: &KEEP_MORE, places: &PLACES, all_places: &PLACES, growth: 2, least: 20, least_of_all: 140 },
    Drill { flow: &DELETE, places: &PLACES, all_places: &PLACES, growth: 2, least: 20, least_of_all: 100 },
    Drill { flow: &FETCH, places: &WITH_INDEX, all_places: &PLACES, growth: 6, least: 10, least_of_all: 100 },
    Drill { flow: &IMPORT, places: &WITH_INDEX, all_places: &PLACES, growth: 6, least: 10, least_of_all: 250 },
    Drill { flow: &JOURNAL, places: &SIGNING, all_places: &SIGNING, growth: 2, least: 20, least_of_all: 100 },
    Drill { flow: &SEAL, places: &SEALING, all_places: &SEALING, growth: 1, least: 25, least_of_all: 70 },
    Drill { flow: &COMPACTION, places: &SEALING, all_places: &SEALING, growth: 1, least: 25, least_of_all: 70 },
    Drill { flow: &PURGE, places: &PURGING_SAMPLE, all_places: &PURGING, growth: 6, least: 8, least_of_all: 50 },
    Drill { flow: &REBUILD, places: &REBUILDING, all_places: &REBUILDING, growth: 6, least: 20, least_of_all: 100 },
];

fn drill(name: &str) {
    if !strace::is_available() {
        return;
    }
    let drill = DRILLS.iter().find(|drill| drill.flow.name == name).unwrap();
    let everything = strace::is_everything();
    let (places, least) = if everything { (drill.all_places, drill.least_of_all) } else { (drill.places, drill.least) };
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

#[test]
fn a_fetch_killed_anywhere_while_it_signs_keeps_what_was_signed() {
    drill(JOURNAL.name);
}

#[test]
fn a_sealing_killed_anywhere_loses_and_doubles_nothing() {
    drill(SEAL.name);
}

#[test]
fn a_compaction_killed_anywhere_loses_and_doubles_nothing() {
    drill(COMPACTION.name);
}

#[test]
fn a_purge_killed_anywhere_is_not_begun_or_is_finished_by_the_next() {
    drill(PURGE.name);
}

#[test]
fn a_rebuild_killed_anywhere_begins_anew() {
    drill(REBUILD.name);
}
