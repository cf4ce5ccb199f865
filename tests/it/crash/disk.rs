//! A disk that is really full, and has room again later.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::flow::{FETCH, Flow, IMPORT, KEEP_ONLY};
use super::lab::{Lab, Scanner, said};
use super::mail;
use super::state::assert_nothing_lost;

const PATIENCE: Duration = Duration::from_secs(60);

/// A small file system of its own, unmounted when dropped.
struct Disk {
    at: PathBuf,
}

impl Disk {
    /// None where this user may not mount.
    #[expect(clippy::print_stderr, reason = "a test that does nothing must say so")]
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self { at }),
            refused => {
                eprintln!("skipped: a small disk cannot be mounted here: {refused:?}");
                None
            }
        }
    }

    fn grow(&self, size: &str) {
        let options = format!("remount,size={size}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.at).status().unwrap().success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.at).status());
    }
}

/// The archive on disks that are full at one place after the other; then there is room, and the same command again.
fn full_disk(flow: &Flow) {
    let golden = flow.golden();
    let mut failures = Vec::new();
    for size in ["64k", "200k", "300k", "400k", "500k", "600k", "750k", "900k", "1100k", "1400k"] {
        let folder = tempfile::tempdir().unwrap();
        let Some(disk) = Disk::mount(folder.path().join("disk"), size) else { return };
        let lab = Lab::with_archive(folder, disk.at.join("archive"), mail::boxes(), Scanner::Absent, "0");
        let output = flow.run(&lab, &[]);
        failures.extend((!flow.is_well(&output)).then_some(size));
        assert_nothing_lost(&lab);
        disk.grow("64m");
        let state = flow.to_the_end(&lab);
        assert_eq!(golden.difference(&state), "", "a disk of {size}");
    }
    assert!(failures.len() >= 4, "only these disks were full: {failures:?}");
}

#[test]
fn a_fetch_onto_a_full_disk_is_finished_when_there_is_room() {
    full_disk(&KEEP_ONLY);
}

#[test]
fn an_import_onto_a_full_disk_is_finished_when_there_is_room() {
    full_disk(&IMPORT);
}

/// The index alone is on a full disk.
fn with_full_index(size: &str, test: impl FnOnce(&Lab, &Disk)) {
    let lab = FETCH.lab();
    lab.must(&["fetch", "--keep-only"], &[0]);
    let Some(disk) = Disk::mount(lab.archive().join("index"), size) else { return };
    test(&lab, &disk);
    let difference = FETCH.golden().difference(&FETCH.to_the_end(&lab));
    drop(disk);
    assert_eq!(difference, "");
}

#[test]
fn a_fetch_does_not_wait_for_ever_for_an_index_on_a_full_disk() {
    with_full_index("24k", |lab, disk| {
        let output = FETCH.run(lab, &[]);
        assert_eq!(output.status.code(), Some(75), "{}", said(&output));
        assert!(said(&output).contains("No space left on device"), "{}", said(&output));
        disk.grow("64m");
    });
}

#[test]
fn the_index_goes_on_in_the_same_process_when_there_is_room() {
    // Too small for a segment: the engine's thread ends, and its writer takes nothing more.
    with_full_index("12k", |lab, disk| {
        let told = lab.config().with_file_name("stderr");
        let mut fetch = lab.poplar(&["fetch", "--wait", "30s"]);
        let mut fetch = fetch.stdout(Stdio::null()).stderr(File::create(&told).unwrap()).spawn().unwrap();
        wait_for("a stage failed", &told);
        disk.grow("64m");
        let ended = fetch.wait().unwrap();
        assert_eq!(ended.code(), Some(75), "{}", fs::read_to_string(&told).unwrap());
    });
}

fn wait_for(words: &str, file: &Path) {
    let begun = Instant::now();
    while !fs::read_to_string(file).unwrap().contains(words) {
        assert!(begun.elapsed() < PATIENCE, "{}", fs::read_to_string(file).unwrap());
        std::thread::sleep(Duration::from_millis(5));
    }
}
