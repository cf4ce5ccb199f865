//! A disk that fails, or is full, at one call after the other: nothing is acknowledged that is not there, and once the
//! disk is well the same command does the rest.

use std::path::PathBuf;

use super::flow::{Flow, IMPORT, KEEP_ONLY, compare};
use super::lab::{Lab, said};
use super::state::{State, assert_nothing_lost};
use super::strace::{self, Fault, Injection};

const PACK: &str = "packs/00000001.open";

/// From the nth call on, the disk takes nothing more for a file.
fn fail_from_each(flow: &Flow, calls: &'static str, file: &str, error: &'static str, golden: &State) -> u32 {
    let mut faults = 0;
    for nth in [1, 2, 3, 5, 8, 13] {
        let lab = flow.lab();
        let files: Vec<PathBuf> = vec![lab.archive().join(file)];
        let injection = Injection { calls, files, fault: Fault::Error(error), nth };
        let output = flow.run(&lab, &injection.wrapper());
        faults += u32::from(!flow.is_well(&output));
        for pack in packs(&lab) {
            assert!(pack.metadata().unwrap().len() > 0, "{injection:?} left {}", pack.display());
        }
        assert_nothing_lost(&lab);
        let state = flow.to_the_end(&lab);
        compare(golden, &state, &injection);
    }
    faults
}

fn packs(lab: &Lab) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(lab.archive().join("packs")) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn full_disk(flow: &Flow, file: &str, least: u32) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    for error in ["ENOSPC", "EIO"] {
        let faults = fail_from_each(flow, "write,pwrite64", file, error, &golden);
        assert!(faults >= least, "only {faults} runs failed");
    }
}

#[test]
fn a_disk_that_takes_no_packs_stops_a_fetch_and_loses_nothing() {
    full_disk(&KEEP_ONLY, PACK, 2);
}

#[test]
fn a_disk_that_takes_no_catalog_stops_a_fetch_and_loses_nothing() {
    full_disk(&KEEP_ONLY, "catalog.db-wal", 5);
    full_disk(&KEEP_ONLY, "catalog.db", 0);
}

#[test]
fn a_disk_that_takes_no_packs_stops_an_import_and_loses_nothing() {
    full_disk(&IMPORT, PACK, 2);
}

/// What the kernel could not make durable it may have thrown away: the only answer is to stop.
fn failing_sync(flow: &Flow, calls: &'static str, file: &str) {
    if !strace::is_available() {
        return;
    }
    let golden = flow.golden();
    for nth in [1, 2, 4] {
        let lab = flow.lab();
        let files = vec![lab.archive().join(file)];
        let injection = Injection { calls, files, fault: Fault::Error("EIO"), nth };
        let output = flow.run(&lab, &injection.wrapper());
        if !flow.is_well(&output) {
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{injection:?}: {said}");
            assert!(said.contains("could not make"), "{injection:?}: {said}");
        } else {
            assert!(nth > 1, "{injection:?} did not stop it");
        }
        assert_nothing_lost(&lab);
        compare(&golden, &flow.to_the_end(&lab), &injection);
    }
}

#[test]
fn a_failed_sync_of_a_pack_ends_the_process() {
    failing_sync(&KEEP_ONLY, "fsync,fdatasync", PACK);
}

#[test]
fn a_failed_sync_of_the_catalog_ends_the_process() {
    failing_sync(&KEEP_ONLY, "fsync,fdatasync", "catalog.db-wal");
}
