//! What a kill cannot show: that an fsync was left out, or came too late. The system calls of a fetch that keeps and
//! deletes are held against the write order of `schemas/store.md`.

mod laws;
mod logs;
mod trace;

use std::fs;

use self::laws::Seen;
use crate::crash::flow::{COMPACTION, Flow, JOURNAL_OF_ONE, KEEP_ONE, KEEP_ONE_MORE, REBUILD, SEAL};
use crate::crash::lab::said;
use crate::crash::{mail, strace};

/// `None`: strace cannot trace here.
fn run(flow: &Flow, prefix: &str, messages: usize) -> Option<Seen> {
    if !strace::is_available() {
        return None;
    }
    let lab = flow.lab();
    let log = lab.config().with_file_name("strace.log");
    let output = flow.run(&lab, &trace::wrapper(&log));
    assert!(flow.is_well(&output), "{}", said(&output));
    let log = fs::read(&log).unwrap();
    let uids: Vec<String> = (0..messages).map(|n| format!("{prefix}-{n}")).collect();
    let seen = laws::observe(lab.archive(), &uids, &trace::parse(&String::from_utf8_lossy(&log)));
    assert_eq!(seen.broken, Vec::<String>::new());
    assert_eq!(seen.deleted, messages);
    Some(seen)
}

#[test]
fn a_fetch_into_a_new_archive_writes_in_order() {
    let Some(seen) = run(&KEEP_ONE, "office", mail::boxes()[0].len()) else { return };
    assert!(seen.packs_begun == 1 && seen.batches >= 1 && seen.published >= 2, "{seen:?}");
    assert!(seen.checkpoints >= 2 && seen.tiles >= 2, "{seen:?}");
}

#[test]
fn a_fetch_into_an_archive_that_is_there_writes_in_order() {
    let Some(seen) = run(&KEEP_ONE_MORE, "home", mail::boxes()[1].len()) else { return };
    assert!(seen.batches >= 1 && seen.published >= 1, "{seen:?}");
    assert!(seen.checkpoints >= 1 && seen.tiles >= 2, "{seen:?}");
}

#[test]
fn tiles_that_grow_full_are_written_in_order() {
    let Some(seen) = run(&JOURNAL_OF_ONE, "office", mail::boxes()[0].len()) else { return };
    assert!(seen.checkpoints >= 2 && seen.tiles >= 5, "{seen:?}");
}

#[test]
fn a_sealing_writes_in_order() {
    let Some(seen) = run(&SEAL, "", 0) else { return };
    assert!(seen.sealed == 1 && seen.opens_removed == 1 && seen.checkpoints >= 1, "{seen:?}");
}

#[test]
fn a_compaction_writes_in_order() {
    let Some(seen) = run(&COMPACTION, "", 0) else { return };
    assert!(seen.sealed >= 2, "{seen:?}");
}

#[test]
fn a_rebuild_writes_in_order() {
    let Some(seen) = run(&REBUILD, "", 0) else { return };
    assert!(seen.published >= 1 && seen.checkpoints >= 1, "{seen:?}");
}
