//! What a kill cannot show: that an fsync was left out, or came too late. The system calls of a fetch that keeps and
//! deletes are held against the write order of `schemas/store.md`.

mod laws;
mod trace;

use std::fs;

use self::laws::Seen;
use crate::crash::flow::{Flow, KEEP_ONE, KEEP_ONE_MORE};
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
}

#[test]
fn a_fetch_into_an_archive_that_is_there_writes_in_order() {
    let Some(seen) = run(&KEEP_ONE_MORE, "home", mail::boxes()[1].len()) else { return };
    assert!(seen.batches >= 1 && seen.published >= 1, "{seen:?}");
}
