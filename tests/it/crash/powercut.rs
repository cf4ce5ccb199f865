//! "After a power cut nothing acknowledged is missing": the archive on a disk that loses all it was not told to sync.
//! `scripts/powercut-test` runs it; it needs root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use poplar::archive::{Archive, Depth, Pace};
use poplar::mail::{AccountId, BlobId, Clock, Nonce};
use rustix::process::{Pid, Signal, kill_process};

use super::count::Count;
use super::ground;
use super::lab::{Lab, Scanner, USERS};
use super::mail::{Mail, letter};
use super::state::{State, names, open, rows};

/// Mail of one cut, in each of the boxes.
const MESSAGES: usize = 100;
const IN_BOTH: usize = 3;
/// As many cuts does an archive live through; then there is a new disk.
const LIFE: u32 = 20;
const FETCH: [&str; 3] = ["fetch", "--wait", "0s"];
/// The scanner is away, which is told with 75.
const WELL: [i32; 1] = [75];

/// What is at work when the power fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// A fetch that keeps and deletes, and where it is given the time, indexes.
    Fetch,
    /// The daemon does the same, and everything else that it does beside.
    Run,
    /// All is kept; every pack is rewritten.
    Seal,
}

impl Work {
    const fn command(self) -> &'static [&'static str] {
        match self {
            Self::Fetch => &FETCH,
            Self::Run => &["run"],
            Self::Seal => &["seal", "--rewrite"],
        }
    }
}

/// How long each takes that nothing disturbs.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// Until all is kept and deleted.
    kept: Duration,
    /// Until all is indexed as well.
    indexed: Duration,
    /// To seal what one fetch has brought.
    sealed: Duration,
}

/// A file system in a file, on a loop device.
struct Disk {
    folder: tempfile::TempDir,
    device: String,
    kind: &'static str,
}

impl Disk {
    fn make(kind: &'static str) -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        // The least that mkfs.xfs takes.
        File::create(&image).unwrap().set_len(320 << 20).unwrap();
        must(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image))?;
        let device = must(Command::new("losetup").args(["--find", "--show"]).arg(&image))?.trim().to_owned();
        let disk = Self { folder, device, kind };
        fs::create_dir(disk.at()).unwrap();
        disk.mount()?;
        Ok(disk)
    }

    fn at(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn mount(&self) -> Result<(), String> {
        // ext4 else guesses which renamed files somebody forgot to sync.
        let options = if self.kind == "ext4" { "noauto_da_alloc" } else { "defaults" };
        must(Command::new("mount").args(["-t", self.kind, "-o", options, &self.device]).arg(self.at())).map(drop)
    }

    /// The power fails: what is not on the disk never comes there, not even what its journal still had in memory.
    #[expect(unsafe_code, reason = "no safe wrapper knows this request")]
    fn cut(&self) {
        /// `XFS_IOC_GOINGDOWN`, which ext4 calls `EXT4_IOC_SHUTDOWN`.
        const SHUTDOWN: rustix::ioctl::Opcode = 0x8004_587d;
        const WITHOUT_FLUSH: u32 = 2;
        let handle = File::open(self.at()).unwrap();
        // SAFETY: the request reads one u32 through the pointer, and `Setter` passes a pointer to one.
        unsafe {
            let request = rustix::ioctl::Setter::<SHUTDOWN, u32>::new(WITHOUT_FLUSH);
            rustix::ioctl::ioctl(&handle, request).unwrap();
        }
    }

    fn power_on(&self) {
        must(Command::new("umount").arg(self.at())).unwrap();
        self.mount().unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(must(Command::new("umount").arg("-l").arg(self.at())));
        drop(must(Command::new("losetup").args(["-d", &self.device])));
    }
}

fn must(command: &mut Command) -> Result<String, String> {
    let Output { status, stdout, stderr } = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() { Ok(said) } else { Err(format!("{command:?}: {}", String::from_utf8_lossy(&stderr).trim())) }
}

/// An archive on its disk, and all mail that was ever meant for it.
struct Life {
    disk: Disk,
    mail: BTreeMap<(usize, Vec<u8>), Arc<[u8]>>,
    /// How often mail came in.
    rounds: u32,
}

impl Life {
    fn new(kind: &'static str) -> Self {
        Self { disk: Disk::make(kind).unwrap(), mail: BTreeMap::new(), rounds: 0 }
    }

    fn archive(&self) -> PathBuf {
        self.disk.at().join("archive")
    }

    /// A server with new mail for the archive.
    fn lab(&mut self) -> Lab {
        let boxes = boxes();
        self.rounds += 1;
        for (user, messages) in boxes.iter().enumerate() {
            self.mail.extend(messages.iter().map(|(uid, octets)| ((user, uid.clone()), octets.clone())));
        }
        Lab::with_archive(tempfile::tempdir().unwrap(), self.archive(), boxes, Scanner::Absent, "0")
    }

    fn cut(&mut self, work: Work, longest: Duration, count: &mut Count) {
        let lab = self.lab();
        if work == Work::Seal {
            lab.must(&["fetch", "--keep-only"], &[0]);
        }
        let signed = ground::signed(lab.archive());
        let (before, tails_before) = (kept(lab.archive()), tails(lab.archive()));
        let child = lab.poplar(work.command()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(longest.mul_f64(chance()));
        let at_work = self.pull_the_plug(child, count);
        count.in_a_run += u32::from(at_work && work == Work::Run);
        count.in_a_sealing += u32::from(at_work && work == Work::Seal);
        count.cuts += 1;
        // To look at it is to mend it: SQLite would take up its log. The next owner is to find it as it is.
        let copy = tempfile::tempdir().unwrap();
        let left = copy.path().join("archive");
        if lab.archive().exists() {
            must(Command::new("cp").arg("-a").arg(lab.archive()).arg(&left)).unwrap();
        }
        let kept = kept(&left).saturating_sub(before);
        count.within_keeping += u32::from(kept > 0 && kept < lab.messages() - IN_BOTH);
        count.with_a_tail += u32::from(tails(&left) > tails_before);
        count.half_sealed += u32::from(is_half_sealed(&left));
        ground::assert_continues(&left, signed);
        nothing_is_lost(&lab, &left, count);
        self.all_comes_in(&lab, count);
    }

    /// Whether the program had not ended yet.
    fn pull_the_plug(&self, mut child: Child, count: &mut Count) -> bool {
        kill_process(Pid::from_child(&child), Signal::STOP).ok();
        let at_work = child.try_wait().unwrap().is_none();
        count.at_work += u32::from(at_work);
        count.in_a_write += u32::from(at_work && is_in_the_kernel(&child));
        self.disk.cut();
        child.kill().unwrap();
        child.wait().unwrap();
        self.disk.power_on();
        at_work
    }

    fn all_comes_in(&self, lab: &Lab, count: &mut Count) {
        lab.must(&FETCH, &WELL);
        // A second listing shows what the first session deleted.
        lab.must(&["fetch", "--keep-only"], &[0]);
        let state = State::of(lab);
        assert!(state.left_on_server.iter().all(BTreeSet::is_empty), "left: {:?}", state.left_on_server);
        let archive = open(lab.archive());
        count.missing += self.mail.values().filter(|message| !holds(&archive, message)).count();
        let met = "SELECT account.name, CAST(uidl AS TEXT) FROM sighting JOIN account ON account.number = account
                   WHERE fate IN ('kept', 'duplicate')";
        let met = rows(lab.archive(), met);
        let met_once: BTreeSet<&String> = met.iter().collect();
        count.doubled += met.len() - met_once.len();
        let lines = self.mail.keys().map(|(user, uid)| format!("{} {}", USERS[*user], String::from_utf8_lossy(uid)));
        count.missing += lines.filter(|line| !met_once.contains(line)).count();
        let ids: BTreeSet<BlobId> = self.mail.values().map(|message| BlobId::of(message)).collect();
        count.doubled += kept(lab.archive()).saturating_sub(ids.len());
    }
}

/// Before anything is mended: what the server does not have any more is there, octet for octet.
fn nothing_is_lost(lab: &Lab, left: &Path, count: &mut Count) {
    let deleted = lab.deleted();
    count.after_deleting += u32::from(!deleted.is_empty());
    count.within_deleting += u32::from(!deleted.is_empty() && deleted.len() < lab.messages());
    count.deleted += deleted.len();
    if !has_tables(left) {
        count.lost += deleted.len();
        return;
    }
    // Between two of its first migrations, a catalog is for its next owner to complete.
    let Ok(archive) = Archive::open(left, Clock::system()) else {
        count.lost += deleted.len();
        return;
    };
    count.damaged += archive.verify(Depth::Full, &mut Pace::new(None, &mut |_, _| {})).damage.len();
    count.lost += deleted.iter().filter(|(_, message)| !holds(&archive, message)).count();
}

fn holds(archive: &Archive, message: &[u8]) -> bool {
    let Ok(id) = archive.find(&BlobId::of(message).to_string()) else { return false };
    archive.raw(&id).is_ok_and(|blob| blob.octets().is_ok_and(|octets| octets == message))
}

fn has_tables(folder: &Path) -> bool {
    folder.join("catalog.db").exists() && rows(folder, "PRAGMA user_version") != ["0"]
}

/// Messages that the catalog has.
fn kept(folder: &Path) -> usize {
    if has_tables(folder) { rows(folder, "SELECT number FROM message").len() } else { 0 }
}

/// Packs with octets behind what the catalog counts. Whole frames stay there from one cut to the next.
fn tails(folder: &Path) -> usize {
    if !has_tables(folder) {
        return 0;
    }
    let packs = rows(folder, "SELECT number, committed_bytes FROM pack");
    let has_tail = |row: &&String| {
        let (number, bytes) = row.split_once(' ').unwrap();
        let length = fs::metadata(folder.join(format!("packs/{number:0>8}.open"))).map_or(0, |file| file.len());
        length > bytes.parse().unwrap()
    };
    packs.iter().filter(has_tail).count()
}

fn is_half_sealed(folder: &Path) -> bool {
    let packs = names(&folder.join("packs"));
    let is_double =
        |name: &String| name.strip_suffix("open").is_some_and(|name| packs.contains(&format!("{name}pack")));
    packs.iter().any(|name| name.ends_with(".tmp") || is_double(name))
}

/// Whether a stopped process still has a thread that waits for the disk.
fn is_in_the_kernel(child: &Child) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{}/task", child.id())) else { return false };
    threads.flatten().any(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D'))
    })
}

/// Of 0 to 1.
fn chance() -> f64 {
    let octets = *Nonce::random().as_bytes();
    f64::from(u16::from_le_bytes([octets[0], octets[1]])) / f64::from(u16::MAX)
}

/// Letters that nobody has seen before, of all lengths; some are in both boxes, one is larger than what is held in memory.
fn boxes() -> Vec<Vec<Mail>> {
    let round = AccountId::random().to_string();
    let new = |name: &str, words: usize| {
        let body: String = (0..words).map(|n| format!("{round} {name} {n}\r\n")).collect();
        Arc::from(letter(&format!("{name} {round}"), &body))
    };
    let mail = |user: &str| {
        let mut messages: Vec<Mail> = (0..MESSAGES)
            .map(|n| (format!("{round}-{n}").into_bytes(), new(&format!("{user} {n}"), n * n / 16)))
            .collect();
        messages.extend((0..IN_BOTH).map(|n| (format!("{round}-both-{n}").into_bytes(), new(&format!("both {n}"), 3))));
        messages
    };
    let mut boxes: Vec<Vec<Mail>> = USERS.map(mail).into();
    boxes[0].push((format!("{round}-long").into_bytes(), new("long", 15_000)));
    boxes
}

fn measure(kind: &'static str) -> Times {
    let timed = |lab: &Lab, command: &[&str]| {
        let begun = Instant::now();
        lab.must(command, &[0, 75]);
        begun.elapsed()
    };
    let lab = |life: &mut Life| life.lab();
    let (mut keeping, mut indexing) = (Life::new(kind), Life::new(kind));
    let (keeping, indexing) = (lab(&mut keeping), lab(&mut indexing));
    Times {
        kept: timed(&keeping, &["fetch", "--keep-only"]),
        indexed: timed(&indexing, &FETCH),
        sealed: timed(&keeping, Work::Seal.command()),
    }
}

fn settings() -> (u32, Vec<&'static str>) {
    let cuts = std::env::var("POWERCUT_CUTS").ok().map_or(4, |cuts| cuts.parse().unwrap());
    let kinds = match std::env::var("POWERCUT_FS").as_deref() {
        Ok("ext4") => vec!["ext4"],
        Ok("xfs") => vec!["xfs"],
        _ => vec!["ext4", "xfs"],
    };
    (cuts, kinds)
}

#[expect(clippy::print_stdout, reason = "this test is a command that somebody waits for")]
fn cut_often(kind: &'static str, cuts: u32, count: &mut Count) {
    let times = measure(kind);
    println!("{kind}: undisturbed: {times:?}");
    let mut life = None;
    for nth in 1..=cuts {
        let this = life.get_or_insert_with(|| Life::new(kind));
        let before = count.troubles();
        // Half of them while mail comes in and is deleted: that is where most is at stake.
        let (work, longest) = match nth % 8 {
            0 => (Work::Fetch, times.indexed),
            2 | 4 => (Work::Run, times.kept.max(times.indexed / 2)),
            6 => (Work::Seal, times.sealed * (this.rounds + 1)),
            7 => (Work::Seal, times.sealed),
            _ => (Work::Fetch, times.kept),
        };
        if catch_unwind(AssertUnwindSafe(|| this.cut(work, longest, count))).is_err() {
            count.other += 1;
        }
        if nth % LIFE == 0 || before != count.troubles() {
            life = None;
        }
        if nth % 20 == 0 || nth == cuts {
            println!("{kind}: {nth} of {cuts} cuts; {} messages lost, {} doubled", count.lost, count.doubled);
        }
    }
}

#[test]
#[ignore = "needs root and loop devices; scripts/powercut-test runs it"]
#[expect(clippy::print_stdout, reason = "this test is a command that somebody waits for")]
fn power_cuts_lose_and_double_nothing() {
    let (cuts, kinds) = settings();
    let mut count = Count::default();
    for (nth, kind) in (0_u32..).zip(&kinds) {
        let of = kinds.len() as u32;
        if let Err(problem) = Disk::make(kind) {
            println!("skipped: a file system of its own cannot be made here ({problem})");
            return;
        }
        cut_often(kind, (cuts + nth) / of, &mut count);
    }
    println!("{count}");
    assert_eq!(count.troubles(), 0, "something was lost, damaged or doubled");
    assert!(cuts < 20 || count.after_deleting * 10 > cuts, "most cuts came before anything was at stake");
}
