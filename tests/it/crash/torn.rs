//! The end of a pack as a power cut may leave it: a batch that was never acknowledged, torn at any octet, or zeros.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use super::flow::{Flow, KEEP_MORE};
use super::lab::{Lab, said};
use super::state::{assert_nothing_lost, rows};
use super::strace::{self, Fault, Injection};

const PACK: &str = "packs/00000001.open";

/// Octets of a frame's header.
const HEADER: u64 = 56;

/// An archive whose pack goes on behind what is committed, by so many octets.
fn lab_with_tail() -> (Lab, PathBuf, u64, u64) {
    let lab = KEEP_MORE.lab();
    let pack = lab.archive().join(PACK);
    let injection = Injection { calls: "fdatasync", files: vec![pack.clone()], fault: Fault::Kill, nth: 1 };
    let output = KEEP_MORE.run(&lab, &injection.wrapper());
    assert_eq!(output.status.signal(), Some(9), "{}", said(&output));
    let committed = rows(lab.archive(), "SELECT committed_bytes FROM pack")[0].parse().unwrap();
    let tail = pack.metadata().unwrap().len() - committed;
    assert!(tail > 2 * HEADER, "{tail} octets were written");
    (lab, pack, committed, tail)
}

fn finishes_after(flow: &Flow, cut: impl Fn(&File, u64, u64)) {
    let (lab, pack, committed, tail) = lab_with_tail();
    let file = File::options().write(true).open(&pack).unwrap();
    cut(&file, committed, tail);
    assert_nothing_lost(&lab);
    assert_eq!(flow.golden().difference(&flow.to_the_end(&lab)), "");
}

#[test]
fn a_torn_tail_is_cut_wherever_it_is_torn() {
    if !strace::is_available() {
        return;
    }
    for kept in [1, HEADER - 1, HEADER, HEADER + 1] {
        finishes_after(&KEEP_MORE, |file, committed, _| file.set_len(committed + kept).unwrap());
    }
    finishes_after(&KEEP_MORE, |file, committed, tail| file.set_len(committed + tail / 2).unwrap());
    finishes_after(&KEEP_MORE, |file, committed, tail| file.set_len(committed + tail - 1).unwrap());
}

#[test]
fn octets_that_never_reached_the_disk_are_no_frame() {
    if !strace::is_available() {
        return;
    }
    finishes_after(&KEEP_MORE, |file, committed, tail| {
        file.write_all_at(&vec![0; usize::try_from(tail).unwrap()], committed).unwrap();
    });
    // The length and the header were written, the rest was not.
    finishes_after(&KEEP_MORE, |file, committed, tail| {
        let lost = usize::try_from(tail - HEADER).unwrap();
        file.write_all_at(&vec![0; lost], committed + HEADER).unwrap();
    });
}
