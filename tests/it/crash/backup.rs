//! A backup that is killed at any step leaves the older one or the newer one, whole.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::lab::{Lab, Scanner, said};
use super::mail;
use super::strace::{self, Fault, Injection};

const CALLS: [&str; 8] = [
    "write,pwrite64,writev,pwritev",
    "fdatasync",
    "fsync",
    "rename,renameat,renameat2",
    "link,linkat",
    "unlink,unlinkat,rmdir",
    "ftruncate",
    "mkdir,mkdirat",
];

#[test]
fn a_backup_killed_anywhere_leaves_one_that_can_be_restored() {
    if !strace::is_available() {
        return;
    }
    let lab = Lab::new(mail::boxes(), Scanner::Absent);
    lab.must(&["fetch", "home", "--keep-only"], &[0]);
    lab.must(&["seal"], &[0]);
    let older = lab.folder().join("older");
    let first = backup(&lab, &older);
    lab.must(&["fetch", "office", "--keep-only"], &[0]);
    lab.must(&["seal", "--rewrite", "--level=1"], &[0]);
    lab.must(&["import", "--wait", "0s", lab.mail_folder().to_str().unwrap()], &[75]);
    let second = backup(&lab, &lab.folder().join("newer"));
    assert_ne!(first["messages"], second["messages"]);
    let mut kills = 0;
    let mut survivors = [0, 0];
    for calls in CALLS {
        for nth in steps() {
            let to = lab.folder().join("backup");
            copy(&older, &to);
            let injection = Injection { calls, files: Vec::new(), fault: Fault::Kill, nth };
            let output = lab.poplar_in(&injection.wrapper(), &["backup", to.to_str().unwrap()]).output().unwrap();
            let killed = output.status.signal() == Some(9);
            assert!(killed || output.status.success(), "{injection:?}: {}", said(&output));
            let restored = restore(&lab, &to, &injection);
            let at = [&first, &second].iter().position(|backup| backup["checkpoint"] == restored["checkpoint"]);
            let at = at.unwrap_or_else(|| panic!("{injection:?}: neither the older nor the newer: {restored}"));
            assert_eq!(restored["messages"], [&first, &second][at]["messages"], "{injection:?}");
            survivors[at] += 1;
            // What was left does not disturb the next.
            assert_eq!(backup(&lab, &to)["checkpoint"], second["checkpoint"], "{injection:?}");
            if !killed {
                assert_eq!(restore(&lab, &to, &injection)["checkpoint"], second["checkpoint"], "{injection:?}");
                break;
            }
            kills += 1;
        }
    }
    assert!(kills >= 20 && survivors[0] > 0 && survivors[1] > 0, "killed at {kills} points; left {survivors:?}");
}

/// Every call with `CRASH_ALL=1`; else a sample.
fn steps() -> Box<dyn Iterator<Item = u32>> {
    if strace::is_everything() {
        return Box::new(1..);
    }
    Box::new(std::iter::successors(Some(1), |nth| Some(nth * 3)))
}

fn backup(lab: &Lab, to: &Path) -> Value {
    serde_json::from_slice(&lab.must(&["backup", to.to_str().unwrap()], &[0]).stdout).unwrap()
}

fn restore(lab: &Lab, from: &Path, after: &Injection) -> Value {
    let to = lab.folder().join("restored");
    drop(fs::remove_dir_all(&to));
    let output = lab
        .poplar(&["--data-dir", to.to_str().unwrap(), "restore", "--verify", from.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{after:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn copy(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}
