//! What a kill cannot show: that an fsync was left out, or came too late. The system calls of a fetch that keeps and
//! deletes are held against the write order of `schemas/store.md`.

mod laws;
mod logs;
mod trace;

use std::fs;
use std::process::Command;

use self::laws::Seen;
use crate::crash::flow::{COMPACTION, Flow, JOURNAL_OF_ONE, KEEP_ONE, KEEP_ONE_MORE, REBUILD, SEAL};
use crate::crash::lab::said;
use crate::crash::{mail, strace};
use crate::support::poplar::Archive;

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

#[test]
fn of_all_folders_above_a_new_archive_each_name_is_made_durable() {
    if !strace::is_available() {
        return;
    }
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let (log, folder) = (archive.path("strace.log"), archive.path("far/below/what/is/there"));
    fs::write(archive.path("one.eml"), "Subject: one\r\n\r\n").unwrap();
    let words = trace::wrapper(&log);
    let mut import = Command::new(&words[0]);
    import.args(&words[1..]).arg(env!("CARGO_BIN_EXE_poplar")).arg("-c").arg(archive.config_file());
    import.env("POPLAR_DATA_DIR", &folder).args(["import", "--wait", "0s"]).arg(archive.path("one.eml"));
    let output = import.output().unwrap();
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    let steps = trace::parse(&String::from_utf8_lossy(&fs::read(&log).unwrap()));
    let made = steps.iter().enumerate().filter(|(_, step)| step.ended && step.name.starts_with("mkdir"));
    let made: Vec<_> = made.flat_map(|(at, step)| step.paths().into_iter().map(move |path| (at, path))).collect();
    assert!(made.iter().any(|(_, path)| *path == archive.path("far")), "{made:?}");
    for (at, path) in made.iter().filter(|(_, path)| folder.starts_with(path)) {
        let above = path.parent().unwrap();
        assert!(steps[*at..].iter().any(|step| step.is_sync() && step.file() == above), "{} is not", path.display());
    }
}
