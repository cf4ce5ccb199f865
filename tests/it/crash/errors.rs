//! Every call that changes something on the disk fails, one after the other, for once or for good: nothing is acknowledged
//! or deleted that is not there, and once the disk is well the same command does the rest.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use super::flow::{FETCH, Flow, IMPORT, KEEP_MORE, KEEP_ONLY, SEAL, compare};
use super::lab::{Lab, said};
use super::state::{State, assert_nothing_lost};
use super::strace::{self, Fault, Injection};

/// Kinds of calls, and the file they are counted on. Sockets are written to by other calls than these, and by those that
/// are bound to a file here.
const PLACES: [(&str, Option<&str>); 10] = [
    ("pwrite64", None),
    ("ftruncate", None),
    ("fallocate", None),
    ("mkdir,mkdirat", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
    ("write", Some("lock")),
    ("write", Some("FORMAT.tmp")),
    ("write", Some("entries.tmp")),
    ("write", Some("journal/checkpoint.tmp")),
];
const SYNCS: &str = "fsync,fdatasync";

/// Every call with `CRASH_ALL=1`, else a sample.
fn steps() -> Box<dyn Iterator<Item = u32>> {
    if strace::is_everything() { Box::new(1..) } else { Box::new([1, 2, 5].into_iter()) }
}

/// A run that met its fault.
struct Hit {
    lab: Lab,
    injection: Injection,
    output: Output,
    /// The calls, as strace tells them: descriptors with their paths. Each thread may have met a fault.
    told: Vec<String>,
}

/// Runs the flow with a fault; none if it has no such call.
fn run(flow: &Flow, calls: &'static str, file: Option<&str>, fault: Fault, nth: u32) -> Option<Hit> {
    let lab = flow.lab();
    let files: Vec<PathBuf> = file.into_iter().map(|name| lab.archive().join(name)).collect();
    let injection = Injection { calls, files, fault, nth };
    let log = lab.config().with_file_name("strace.log");
    let mut wrapper = injection.wrapper();
    wrapper.iter_mut().filter(|word| *word == "/dev/null").for_each(|word| *word = log.display().to_string());
    wrapper.insert(1, "-y".to_owned());
    let output = flow.run(&lab, &wrapper);
    let told = fs::read_to_string(&log).unwrap();
    let told: Vec<String> = told.lines().map(str::to_owned).collect();
    told.iter().any(|call| is_failed(call)).then_some(Hit { lab, injection, output, told })
}

fn is_failed(call: &str) -> bool {
    call.contains("(INJECTED)")
}

impl Hit {
    fn failed(&self) -> Vec<&String> {
        self.told.iter().filter(|call| is_failed(call)).collect()
    }

    /// The disk is well again.
    fn goes_on(&self, flow: &Flow, golden: &State) {
        let Self { lab, injection, output, .. } = self;
        assert!(output.status.code().is_some(), "{:?}: {:?} {}", self.failed(), output.status, said(output));
        assert_nothing_lost(lab);
        compare(golden, &flow.to_the_end(lab), injection);
    }

    /// SQLite says nothing of a folder that it could not sync, of a change to its write-ahead log that it took back, and
    /// of its last checkpoint, after which the log stays. The index is derived: it is written again.
    fn may_go_unnoticed(&self) -> bool {
        let archive = self.lab.archive().display().to_string();
        let places = [">", "/catalog.db>", "/catalog.db-journal>", "/index"].map(|end| format!("<{archive}{end}"));
        let log = format!("<{archive}/catalog.db-wal>");
        let last = self.told.iter().rposition(|call| call.contains("/catalog.db"));
        let mut failed = self.told.iter().enumerate().filter(|(_, call)| is_failed(call));
        failed.all(|(at, call)| {
            places.iter().any(|place| call.contains(place)) || (call.contains(&log) && Some(at) == last)
        })
    }
}

fn fail_everywhere(flow: &Flow, fault: Fault, least: u32) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    let mut hits = 0;
    for (calls, file) in PLACES {
        for nth in steps() {
            let Some(hit) = run(flow, calls, file, fault, nth) else { break };
            hits += 1;
            hit.goes_on(flow, &golden);
        }
    }
    assert!(hits >= least, "only {hits} calls failed");
}

#[test]
fn a_fetch_into_a_new_archive_on_a_disk_that_is_full_for_a_moment_is_finished_by_the_next() {
    fail_everywhere(&KEEP_ONLY, Fault::Once("ENOSPC"), 12);
}

#[test]
fn a_fetch_on_a_disk_that_fails_from_some_call_on_is_finished_by_the_next() {
    fail_everywhere(&KEEP_MORE, Fault::Error("EIO"), 8);
}

#[test]
fn a_fetch_that_indexes_on_a_disk_that_fails_for_a_moment_is_finished_by_the_next() {
    fail_everywhere(&FETCH, Fault::Once("EIO"), 12);
}

#[test]
fn an_import_onto_a_disk_that_is_full_from_some_call_on_is_finished_by_the_next() {
    fail_everywhere(&IMPORT, Fault::Error("ENOSPC"), 12);
}

#[test]
fn a_sealing_on_a_disk_that_is_full_for_a_moment_is_finished_by_the_next() {
    fail_everywhere(&SEAL, Fault::Once("ENOSPC"), 6);
}

/// What was written may be lost, and the next sync may say that it is not.
fn sync_nowhere(flow: &Flow, least: u32) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    let mut hits = 0;
    for nth in steps() {
        let Some(hit) = run(flow, SYNCS, None, Fault::Once("EIO"), nth) else { break };
        let said = said(&hit.output);
        let stopped = hit.output.status.code() == Some(1) && said.contains("could not make");
        assert!(stopped || hit.may_go_unnoticed(), "{:?}: {:?} {said}", hit.failed(), hit.output.status);
        hits += u32::from(stopped);
        hit.goes_on(flow, &golden);
    }
    assert!(hits >= least, "only {hits} syncs failed");
}

#[test]
fn a_failed_sync_of_anything_ends_a_fetch() {
    sync_nowhere(&KEEP_ONLY, 2);
}

#[test]
fn a_failed_sync_of_anything_ends_a_sealing() {
    sync_nowhere(&SEAL, 2);
}

#[test]
fn a_failed_sync_of_anything_ends_a_fetch_that_indexes() {
    sync_nowhere(&FETCH, 2);
}
