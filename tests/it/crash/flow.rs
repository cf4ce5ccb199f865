//! Commands that change an archive, and where they lead when nothing disturbs them.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::ground::{self, sealed_facts};
use super::lab::{Lab, Scanner, said};
use super::mail;
use super::state::{State, assert_nothing_lost};
use super::strace::{Fault, Injection};

/// A command that changes an archive. To add one: say what comes before, what is run, when it has done what it should,
/// and what else must be as in a run that nothing disturbed; then name it in [`FLOWS`], and drill it in `kill.rs`.
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// Undisturbed, in a lab without an archive.
    before: fn(&Lab),
    command: fn(&Lab) -> Vec<String>,
    /// Exit codes with which it has done what it should.
    codes: &'static [i32],
    /// What [`State`] does not look at, in words.
    facts: fn(&Lab) -> Vec<String>,
    /// What must hold of the archive when the command was killed, before anything is mended.
    pub(crate) holds: fn(&Lab),
}

pub(crate) const FLOWS: [&Flow; 10] =
    [&KEEP_ONLY, &KEEP_MORE, &DELETE, &FETCH, &IMPORT, &JOURNAL, &SEAL, &COMPACTION, &PURGE, &REBUILD];

pub(crate) const KEEP_ONLY: Flow = Flow {
    name: "fetch into a new archive",
    before: |_| {},
    command: |_| words(&["fetch", "--keep-only"]),
    codes: &[0],
    facts: |_| Vec::new(),
    holds: assert_nothing_lost,
};
/// Into an archive that is there: what the threads do then is counted from its beginning.
pub(crate) const KEEP_MORE: Flow =
    Flow { name: "fetch", before: |lab| drop(lab.must(&["fetch", "home", "--keep-only"], &[0])), ..KEEP_ONLY };
/// All is there, and nothing is deleted yet.
pub(crate) const DELETE: Flow = Flow { name: "delete", before: Lab::keep_all_on_the_server, ..KEEP_ONLY };
/// With the index, which is there already. The scanner is away, which is told with 75.
pub(crate) const FETCH: Flow = Flow {
    name: "fetch with index",
    before: |lab| drop(lab.must(&["fetch", "home", "--wait", "0s"], &[75])),
    command: |_| words(&["fetch", "--wait", "0s"]),
    codes: &[75],
    ..KEEP_ONLY
};
/// One account: what the server is told can be held against what is on the disk.
pub(crate) const KEEP_ONE: Flow =
    Flow { name: "fetch of one account", command: |_| words(&["fetch", "office", "--keep-only"]), ..KEEP_ONLY };
pub(crate) const KEEP_ONE_MORE: Flow = Flow {
    name: "fetch of another account",
    before: |lab| drop(lab.must(&["fetch", "office", "--keep-only"], &[0])),
    command: |_| words(&["fetch", "home", "--keep-only"]),
    ..KEEP_ONLY
};
pub(crate) const IMPORT: Flow = Flow {
    name: "import",
    command: |lab| words(&["import", "--wait", "0s", &lab.mail_folder().display().to_string()]),
    codes: &[75],
    ..KEEP_ONLY
};

/// Three checkpoints: over what waits, which fills tiles, and before each account's deletions.
pub(crate) const JOURNAL: Flow = Flow {
    name: "journal",
    before: |lab| {
        lab.must(&["fetch", "home", "--keep-only"], &[0]);
        ground::let_entries_wait(lab, 250);
    },
    ..KEEP_ONLY
};
pub(crate) const JOURNAL_OF_ONE: Flow =
    Flow { name: "journal, one account", command: |_| words(&["fetch", "office", "--keep-only"]), ..JOURNAL };
/// A pack with attachments, and with a record that nobody needs; a sealed one is there already.
pub(crate) const SEAL: Flow = Flow {
    name: "seal",
    before: |lab| {
        lab.must(&["fetch", "home", "--keep-only"], &[0]);
        lab.must(&["seal"], &[0]);
        (0..2).for_each(|_| drop(lab.must(&["fetch", "--keep-only"], &[0])));
        ground::leave_a_nameless_record(lab);
    },
    command: |_| words(&["seal"]),
    facts: sealed_facts,
    holds: any_owner_mends,
    ..KEEP_ONLY
};
/// Sealed packs, loosely packed, with records that nobody needs; one refers to another's attachment.
pub(crate) const COMPACTION: Flow = Flow {
    name: "compaction",
    before: |lab| {
        for account in ["office", "home"] {
            (0..2).for_each(|_| drop(lab.must(&["fetch", account, "--keep-only"], &[0])));
            ground::leave_a_nameless_record(lab);
            ground::seal_with_everything(lab);
        }
    },
    command: |_| words(&["seal", "--rewrite"]),
    ..SEAL
};
/// One message in a sealed pack, with an attachment that nobody else needs any more in another sealed pack; and one in the
/// pack that grows.
pub(crate) const PURGE: Flow = Flow {
    name: "purge",
    before: ground::find_something,
    command: |_| words(&["quarantine", "purge", &ground::found().to_string(), "--reason", "drill", "--all-messages"]),
    facts: ground::purged_facts,
    holds: any_owner_mends,
    ..KEEP_ONLY
};
/// Neither catalog nor index are there any more, and the last mail is under no checkpoint.
pub(crate) const REBUILD: Flow = Flow {
    name: "rebuild",
    before: |lab| {
        lab.must(&["fetch", "--wait", "0s"], &[75]);
        lab.must(&["seal"], &[0]);
        import_unsigned(lab);
        for name in ["catalog.db", "catalog.db-wal", "catalog.db-shm"] {
            drop(std::fs::remove_file(lab.archive().join(name)));
        }
        std::fs::remove_dir_all(lab.archive().join("index")).unwrap();
    },
    command: |_| words(&["rebuild"]),
    holds: ground::assert_ground_has_all,
    ..KEEP_ONLY
};

/// What a sealing leaves that is cut off is put right by whoever owns the archive next, not only by another sealing.
fn any_owner_mends(lab: &Lab) {
    assert_nothing_lost(lab);
    lab.must(&["fetch", "--keep-only"], &[0]);
    State::of(lab);
}

/// An import that is killed before its mail is under a checkpoint.
fn import_unsigned(lab: &Lab) {
    IMPORT.run(lab, &[]);
    std::fs::write(lab.mail_folder().join("z.eml"), mail::letter("late", "soundings of another bay")).unwrap();
    let files = vec![lab.archive().join("journal/checkpoint.tmp")];
    let injection = Injection { calls: "rename,renameat,renameat2", files, fault: Fault::Kill, nth: 1 };
    let output = IMPORT.run(lab, &injection.wrapper());
    assert_eq!(output.status.signal(), Some(9), "{}", said(&output));
}

/// Far more than any of the commands takes: one that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(120);

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Flow {
    /// A lab in which this flow is about to run.
    pub(crate) fn lab(&self) -> Lab {
        let lab = Lab::new(mail::boxes(), Scanner::Absent);
        (self.before)(&lab);
        lab
    }

    pub(crate) fn run(&self, lab: &Lab, wrapper: &[String]) -> Output {
        let arguments = (self.command)(lab);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut command = lab.poplar_in(wrapper, &arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap();
        let (stdout, stderr) = (follow(child.stdout.take().unwrap()), follow(child.stderr.take().unwrap()));
        let begun = Instant::now();
        let status: Option<ExitStatus> = loop {
            match child.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if begun.elapsed() > PATIENCE => break None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        if status.is_none() {
            kill_process_group(Pid::from_child(&child), Signal::KILL).unwrap();
            child.wait().unwrap();
        }
        let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
        match status {
            Some(status) => Output { status, stdout, stderr },
            None => panic!("{arguments:?} under {wrapper:?} does not end: {}", String::from_utf8_lossy(&stderr)),
        }
    }

    pub(crate) fn is_well(&self, output: &Output) -> bool {
        output.status.code().is_some_and(|code| self.codes.contains(&code))
    }

    /// Twice, so that a second listing has shown what the first session deleted.
    pub(crate) fn to_the_end(&self, lab: &Lab) -> State {
        for _ in 0..2 {
            let output = self.run(lab, &[]);
            assert!(self.is_well(&output), "{:?}\n{}", output.status, said(&output));
        }
        let mut state = State::of(lab);
        for fact in (self.facts)(lab) {
            *state.facts.entry(fact).or_default() += 1;
        }
        state
    }

    pub(crate) fn golden(&self) -> State {
        self.to_the_end(&self.lab())
    }
}

fn follow(mut pipe: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut octets = Vec::new();
        pipe.read_to_end(&mut octets).unwrap();
        octets
    })
}

/// Fails, naming what differs, when an archive is not as it would be had nothing happened.
pub(crate) fn compare(golden: &State, state: &State, after: &Injection) {
    let difference = golden.difference(state);
    assert!(difference.is_empty(), "after {after:?}:\n{difference}");
}
