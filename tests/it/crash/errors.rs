//! Every call that changes something on the disk fails, one after the other, for once or for good: nothing is acknowledged
//! or deleted that is not there, and once the disk is well the same command does the rest.

use std::fs;
use std::path::PathBuf;
use std::process::Output;

use super::flow::{FETCH, Flow, IMPORT, KEEP_MORE, KEEP_ONLY, compare};
use super::lab::{Lab, said};
use super::state::{State, assert_nothing_lost};
use super::strace::{self, Fault, Injection};

/// Kinds of calls, and the file they are counted on. Sockets are written to by other calls than these, and by those that
/// are bound to a file here.
const PLACES: [(&str, Option<&str>); 9] = [
    ("pwrite64", None),
    ("ftruncate", None),
    ("fallocate", None),
    ("mkdir,mkdirat", None),
    ("rename,renameat,renameat2,link,linkat", None),
    ("unlink,unlinkat", None),
    ("write", Some("lock")),
    ("write", Some("FORMAT.tmp")),
    ("write", Some("entries.tmp")),
];
const SYNCS: &str = "fsync,fdatasync";

/// Every call with `CRASH_ALL=1`, else a sample.
fn steps() -> Box<dyn Iterator<Item = u32>> {
    if strace::is_everything() { Box::new(1..) } else { Box::new([1, 2, 5].into_iter()) }
}

/// Runs the flow with a fault; none if it has no such call.
fn run(
    flow: &Flow,
    calls: &'static str,
    file: Option<&str>,
    fault: Fault,
    nth: u32,
) -> Option<(Lab, Injection, Output)> {
    let lab = flow.lab();
    let files: Vec<PathBuf> = file.into_iter().map(|name| lab.archive().join(name)).collect();
    let injection = Injection { calls, files, fault, nth };
    let log = lab.config().with_file_name("strace.log");
    let mut wrapper = injection.wrapper();
    for word in wrapper.iter_mut().filter(|word| *word == "/dev/null") {
        *word = log.display().to_string();
    }
    let output = flow.run(&lab, &wrapper);
    let was_hit = fs::read_to_string(&log).unwrap().contains("(INJECTED)");
    was_hit.then_some((lab, injection, output))
}

/// The disk is well again.
fn goes_on(flow: &Flow, golden: &State, (lab, injection, output): &(Lab, Injection, Output)) {
    assert!(output.status.code().is_some(), "{injection:?}: {:?} {}", output.status, said(output));
    assert_nothing_lost(lab);
    compare(golden, &flow.to_the_end(lab), injection);
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
            goes_on(flow, &golden, &hit);
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

/// What was written may be lost, and the next sync may say that it is not.
fn sync_nowhere(flow: &Flow, least: u32) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    let mut hits = 0;
    for nth in steps() {
        let Some(hit) = run(flow, SYNCS, None, Fault::Once("EIO"), nth) else { break };
        let (_, injection, output) = &hit;
        let said = said(output);
        assert_eq!(output.status.code(), Some(1), "{injection:?}: {said}");
        assert!(said.contains("could not make"), "{injection:?}: {said}");
        hits += 1;
        goes_on(flow, &golden, &hit);
    }
    assert!(hits >= least, "only {hits} syncs failed");
}

#[test]
fn a_failed_sync_of_anything_ends_a_fetch() {
    sync_nowhere(&KEEP_ONLY, 3);
}

#[test]
fn a_failed_sync_of_anything_ends_a_fetch_that_indexes() {
    sync_nowhere(&FETCH, 3);
}
