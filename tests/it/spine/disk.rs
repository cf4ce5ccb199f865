//! The disk under the archive: who else can read it, and what happens when it is full.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use poplar::mail::BlobId;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, files_below, mail, skipped};

#[test]
fn a_folder_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    server.deliver("tester", &mail("private", "letter"));
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.configure(&[Account::implicit(&server, "tester")]);
    fs::create_dir(archive.data_dir()).unwrap();
    fs::set_permissions(archive.data_dir(), Permissions::from_mode(0o750)).unwrap();
    let refused = archive.run(&["fetch", "--keep-only"]);
    let path = archive.data_dir();
    let sentence = format!("poplar: {0}: it can be read by others (mode 0750); run: chmod go= {0}\n", path.display());
    refused.assert_said(1, &sentence);
    assert!(files_below(&archive.data_dir()).is_empty());

    let nowhere = archive.run(&["--data-dir", "/dev/null/archive", "fetch", "--keep-only"]);
    nowhere.assert_said(1, "/dev/null/archive: Not a directory (os error 20); data_dir has to name a folder");

    fs::set_permissions(archive.data_dir(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 1);
}

#[test]
fn nothing_in_the_archive_can_be_read_by_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    server.deliver("tester", &mail("private", "letter"));
    let archive = Archive::new();
    archive.configure(&[Account::implicit(&server, "tester")]);
    archive.fetch(&[]);
    let data_dir = archive.data_dir();
    let entries = fs::read_dir(&data_dir).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.chain([data_dir.clone()]) {
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{} has mode {mode:o}", path.display());
    }
    assert_eq!(data_dir.metadata().unwrap().permissions().mode() & 0o070, 0);
}

/// A file system of its own at `path`, gone with the value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let options = format!("size={size},mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs", path.to_str().unwrap()]).then(|| Self(path.to_owned()))
    }

    fn grow(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}"), self.0.to_str().unwrap()]));
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let ended = Command::new("umount").arg(&self.0).status();
        assert!(ended.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

fn mount(arguments: &[&str]) -> bool {
    let mut command = Command::new("mount");
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Octets that no packing makes smaller, as text.
fn incompressible(seed: u64, lines: usize) -> String {
    let mut state = seed | 1;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
    };
    (0..lines).map(|_| (0..70).map(|_| letter()).collect::<String>() + "\r\n").collect()
}

#[test]
fn a_full_disk_loses_nothing_and_once_there_is_room_all_comes_in() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let Some(disk) = SmallDisk::mount(&archive.data_dir(), "4m") else {
        return skipped("this user may not mount a small tmpfs");
    };
    let mails: Vec<Vec<u8>> =
        (0..8).map(|n| mail(&format!("number {n}"), &format!(".{}", incompressible(n, 15_000)))).collect();
    mails.iter().for_each(|octets| server.deliver("tester", octets));
    let policy = "after_archive = \"delete\"\ndelete_when = \"kept\"";
    archive.configure(&[Account::implicit(&server, "tester").with(policy)]);

    let full = archive.run(&["--json", "fetch", "--keep-only", "--unproven"]);
    full.assert_said(1, "No space left on device");
    full.assert_said(1, "Make room on this disk");
    let account = full.json()["accounts"][0].take();
    let count = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(count("kept") + count("deferred"), 8, "{account}");
    assert_eq!((count("deleted"), count("failed")), (0, 0), "{account}");
    assert_eq!(archive.status()["messages"], count("kept"));
    archive.assert_sound();

    disk.grow("64m");
    let roomy = archive.fetch(&["--keep-only", "--unproven"]);
    assert_eq!(roomy["kept"].as_u64().unwrap() + roomy["known"].as_u64().unwrap(), 8, "{roomy}");
    assert_eq!(roomy["deleted"], 8, "{roomy}");
    for octets in &mails {
        assert_eq!(archive.raw(&BlobId::of(octets).to_string()), *octets);
    }
    assert_eq!(archive.warnings().matches("tester").count(), 0, "{}", archive.warnings());
    archive.assert_sound();
}

#[test]
fn a_disk_that_was_filled_by_others_stops_it_with_advice_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    let Some(_disk) = SmallDisk::mount(&archive.data_dir(), "8m") else {
        return skipped("this user may not mount a small tmpfs");
    };
    archive.configure(&[Account::implicit(&server, "tester")]);
    server.deliver("tester", &mail("first", "fits"));
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 1);

    server.deliver("tester", &mail("second", "has no room"));
    let filler = archive.data_dir().join("filler");
    assert!(fs::write(&filler, vec![0; 16 << 20]).is_err());
    let full = archive.run(&["fetch", "--keep-only"]);
    assert_ne!(full.code, 0, "{full}");
    full.assert_said(full.code, "Make room on the disk of the archive");

    fs::remove_file(filler).unwrap();
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 1);
    archive.assert_sound();
}
