//! The disk under the archive: who else can read it, and what happens when it is full.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use poplar::mail::BlobId;

use crate::support::dovecot::Dovecot;
use crate::support::poplar::{Account, Archive, files_below, mail, skipped, until};

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
pub(super) struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this user may not mount.
    pub(super) fn mount(path: &Path, size: &str) -> Option<Self> {
        fs::create_dir(path).unwrap();
        let options = format!("size={size},mode=0700");
        mount(&["-t", "tmpfs", "-o", &options, "tmpfs", path.to_str().unwrap()]).then(|| Self(path.to_owned()))
    }

    /// Others write to it until so many octets are left.
    pub(super) fn fill(&self, left: u64) {
        let disk = rustix::fs::statvfs(&self.0).unwrap();
        let mut filler = File::options().append(true).create(true).open(self.filler()).unwrap();
        let octets = (disk.f_bavail * disk.f_frsize).checked_sub(left).expect("less than that is free already");
        filler.write_all(&vec![0; usize::try_from(octets).unwrap()]).unwrap();
    }

    /// They remove what they wrote.
    pub(super) fn empty(&self) {
        fs::remove_file(self.filler()).unwrap();
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
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
pub(super) fn incompressible(seed: u64, lines: usize) -> String {
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
    let mut archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.set_reserve("0");
    let Some(disk) = SmallDisk::mount(&archive.data_dir(), "4m") else {
        return skipped("this user may not mount a small tmpfs");
    };
    let mails: Vec<Vec<u8>> =
        (0..8).map(|n| mail(&format!("number {n}"), &format!(".{}", incompressible(n, 15_000)))).collect();
    mails.iter().for_each(|octets| server.deliver("tester", octets));
    let policy = "after_archive = \"delete\"\ndelete_when = \"kept\"";
    archive.configure(&[Account::implicit(&server, "tester").with(policy)]);

    let full = archive.run(&["--json", "fetch", "--keep-only"]);
    full.assert_said(1, "No space left on device");
    full.assert_said(1, "Make room on this disk");
    let account = full.json()["accounts"][0].take();
    let count = |name: &str| account[name].as_u64().unwrap();
    assert_eq!(count("kept") + count("deferred"), 8, "{account}");
    assert_eq!((count("deleted"), count("failed")), (0, 0), "{account}");
    assert_eq!(archive.status()["messages"], count("kept"));
    archive.assert_sound();

    disk.grow("64m");
    let roomy = archive.fetch(&["--keep-only"]);
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
    let mut archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
    archive.set_reserve("0");
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

/// The reserve where others fill the disk.
const R: u64 = 2 << 20;
const POLICY: &str = "after_archive = \"delete\"\ndelete_when = \"kept\"\npoll_every = \"10s\"";

/// A server, and an archive on a disk of its own.
struct Scene {
    server: Dovecot,
    disk: SmallDisk,
    archive: Archive,
    _folder: tempfile::TempDir,
}

/// None where this user may not mount.
fn scene(clamd: &str, reserve: &str, size: &str) -> Option<Scene> {
    let folder = tempfile::tempdir().unwrap();
    let server = Dovecot::start(folder.path());
    let mut archive = Archive::with_clamd(clamd);
    archive.set_reserve(reserve);
    let Some(disk) = SmallDisk::mount(&archive.data_dir(), size) else {
        skipped("this user may not mount a small tmpfs");
        return None;
    };
    archive.configure(&[Account::implicit(&server, "tester").with(POLICY)]);
    Some(Scene { server, disk, archive, _folder: folder })
}

impl Scene {
    fn reserve(&self) -> PathBuf {
        self.archive.data_dir().join("reserve")
    }

    /// What commands say while there is no room, but for the octets.
    fn sentence(&self) -> String {
        format!("no mail is taken in: the disk of {} has ", self.archive.data_dir().display())
    }

    fn assert_paused(&self) {
        let warnings = self.archive.warnings();
        assert!(warnings.contains(&self.sentence()), "{warnings}");
        let fetch = self.archive.run(&["--json", "fetch", "--wait=0s"]);
        fetch.assert_said(75, &self.sentence());
        let account = fetch.json()["accounts"][0].take();
        assert_eq!((&account["paused"], &account["kept"], &account["deleted"]), (&true.into(), &0.into(), &0.into()));
        let file = self.archive.path("letter.eml");
        fs::write(&file, mail("from a file", "has no room")).unwrap();
        let import = self.archive.run(&["--json", "import", "--wait=0s", file.to_str().unwrap()]);
        import.assert_said(75, &self.sentence());
        assert_eq!(import.json()["read"], 0, "{import}");
    }
}

#[test]
fn polling_pauses_while_others_fill_the_disk_and_goes_on_by_itself() {
    let Some(scene) = scene("managed", "2MiB", "16m") else { return };
    let Scene { server, disk, archive, .. } = &scene;
    let first = mail("first", "fits");
    server.deliver("tester", &first);
    let mut daemon = archive.start(&[]);
    until("it is not scanned", || (archive.found("is:clean").len() == 1).then_some(()));
    assert_eq!(scene.reserve().metadata().unwrap().len(), R);

    disk.fill(R / 2);
    until("it does not pause", || daemon.log().contains("polling pauses").then_some(()));
    server.deliver("tester", &mail("second", "has no room"));
    scene.assert_paused();
    assert!(scene.reserve().exists());

    disk.fill(R / 8);
    until("the reserve is not given up", || (!scene.reserve().exists()).then_some(()));
    scene.assert_paused();
    assert_eq!(archive.found("subject:first"), [BlobId::of(&first).to_string()]);
    assert_eq!(archive.raw(&BlobId::of(&first).to_string()), first);
    archive.assert_sound();

    disk.empty();
    until("it does not go on", || (archive.found("subject:second is:clean").len() == 1).then_some(()));
    assert!(daemon.log().contains("polling goes on"), "{}", daemon.log());
    assert_eq!(scene.reserve().metadata().unwrap().len(), R);
    let fetched = archive.fetch(&[]);
    assert_eq!((&fetched["kept"], &fetched["duplicates"]), (&0.into(), &0.into()), "{fetched}");
    assert_eq!((archive.status()["messages"].as_u64(), archive.warnings().as_str()), (Some(2), ""));
    assert_eq!(daemon.stop(), 0, "{}", daemon.log());
    archive.assert_sound();
}

const MANY: u64 = 140;

/// For a disk of 64 MiB. Nothing in it but the subjects is for the index.
fn more_than_fits() -> Vec<Vec<u8>> {
    let subject = |n| format!("number {n}\r\nContent-Type: application/octet-stream");
    (0..MANY).map(|n| mail(&subject(n), &incompressible(2 * n, 5_000))).collect()
}

#[test]
fn mail_that_fills_the_disk_stops_before_the_disk_is_full() {
    let Some(scene) = scene("unix:/nonexistent/clamd.sock", "16MiB", "64m") else { return };
    let Scene { server, disk, archive, .. } = &scene;
    let mails = more_than_fits();
    mails.iter().for_each(|octets| server.deliver("tester", octets));

    let full = archive.run(&["--json", "fetch", "--keep-only"]);
    full.assert_said(75, &scene.sentence());
    let account = full.json()["accounts"][0].take();
    let count = |name: &str| account[name].as_u64().unwrap();
    assert!(count("kept") > 0 && count("deferred") > 0, "{account}");
    assert_eq!((count("kept") + count("deferred"), count("failed")), (MANY, 0), "{account}");
    assert_eq!(count("deleted"), count("kept"), "what is kept goes all the same: {account}");
    archive.assert_sound();

    disk.grow("256m");
    let roomy = archive.fetch(&["--keep-only"]);
    assert_eq!((&roomy["listed"], &roomy["kept"]), (&account["deferred"], &account["deferred"]), "{roomy}");
    for octets in &mails {
        assert_eq!(archive.raw(&BlobId::of(octets).to_string()), *octets);
    }
    archive.assert_sound();
}

#[test]
fn an_import_that_fills_the_disk_is_finished_when_there_is_room() {
    let Some(scene) = scene("unix:/nonexistent/clamd.sock", "16MiB", "64m") else { return };
    let Scene { disk, archive, .. } = &scene;
    let folder = archive.path("letters");
    fs::create_dir(&folder).unwrap();
    for (n, octets) in more_than_fits().into_iter().enumerate() {
        fs::write(folder.join(format!("{n}.eml")), octets).unwrap();
    }
    let import = ["--json", "import", "--wait=0s", folder.to_str().unwrap()];
    let full = archive.run(&import);
    full.assert_said(75, &scene.sentence());
    let outcome = full.json();
    assert!(outcome["paused"].is_string() && outcome["interrupted"] == false, "{full}");
    let kept = outcome["kept"].as_u64().unwrap();
    assert!(kept > 0 && kept < MANY, "{full}");

    disk.grow("256m");
    let roomy = archive.run(&import).json();
    assert_eq!((&roomy["read"], &roomy["duplicates"]), (&MANY.into(), &kept.into()), "{roomy}");
    assert_eq!(archive.found("number").len(), 140);
    archive.assert_sound();
}

#[test]
fn on_a_full_disk_the_reserve_has_what_is_here_read_indexed_and_put_on_record() {
    for reserve in ["2MiB", "0"] {
        let Some(scene) = scene("unix:/nonexistent/clamd.sock", reserve, "16m") else { return };
        let Scene { server, disk, archive, .. } = &scene;
        let letters: Vec<Vec<u8>> = (0..30).map(|n| mail(&format!("number {n}"), "fits")).collect();
        letters.iter().for_each(|octets| server.deliver("tester", octets));
        assert_eq!(archive.fetch(&["--keep-only"])["kept"], 30);

        disk.fill(0);
        let fetch = archive.run(&["fetch", "--wait=0s"]);
        if reserve == "0" {
            assert!(!fetch.stderr.contains(&scene.sentence()), "{fetch}");
            fetch.assert_said(fetch.code, "Make room on the disk of the archive");
            continue;
        }
        fetch.assert_said(75, &scene.sentence());
        assert!(!scene.reserve().exists());
        assert_eq!(archive.found("subject:number").len(), 30, "{fetch}");
        archive.assert_sound();
        scene.assert_paused();
    }
}
