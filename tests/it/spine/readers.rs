//! Readers beside the process that owns the archive must not take anything from it.

use std::fs;
use std::os::unix::fs::MetadataExt;

use poplar::mail::BlobId;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, mail, until};

#[test]
fn what_is_kept_after_a_reader_came_and_went_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::new();
    archive.configure(&[Account::implicit(&server, "tester")]);
    server.deliver("tester", &mail("first", "before the reader"));
    let daemon = archive.start(&[]);
    until("nothing was polled", || (archive.status()["messages"] == 1).then_some(()));

    assert!(holds_its_lock(&archive, daemon.pid()), "a reader that closes may take the catalog's log away");
    archive.well(&["status"]);
    archive.well(&["search", "first"]);
    server.deliver("tester", &mail("second", "after the reader"));
    assert_eq!(archive.fetch(&[])["kept"], 1);
    daemon.kill();

    assert_eq!(archive.status()["messages"], 2);
    let second = mail("second", "after the reader");
    assert_eq!(archive.raw(&BlobId::of(&second).to_string()), second);
    archive.assert_sound();
}

/// SQLite's lock on the file says that a process has the catalog open. The kernel drops it when that process closes
/// any other descriptor of the same file.
fn holds_its_lock(archive: &Archive, pid: u32) -> bool {
    let inode = fs::metadata(archive.data_dir().join("catalog.db")).unwrap().ino();
    let locks = fs::read_to_string("/proc/locks").unwrap();
    locks.lines().any(|lock| {
        let words: Vec<&str> = lock.split_whitespace().collect();
        words.get(1) == Some(&"POSIX")
            && words.get(4) == Some(&pid.to_string().as_str())
            && words.get(5).is_some_and(|file| file.ends_with(&format!(":{inode}")))
    })
}
