//! Commands that change an archive, and where they lead when nothing disturbs them.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::lab::{Lab, Scanner, said};
use super::mail;
use super::state::State;
use super::strace::Injection;

/// A command, and the exit codes with which it has done what it should.
pub(crate) struct Flow {
    /// What is run undisturbed before.
    before: &'static [&'static str],
    command: fn(&Lab) -> Vec<String>,
    codes: &'static [i32],
}

pub(crate) const KEEP_ONLY: Flow =
    Flow { before: &[], command: |_| words(&["fetch", "--unproven", "--keep-only"]), codes: &[0] };
/// Into an archive that is there: what the threads do then is counted from its beginning.
pub(crate) const KEEP_MORE: Flow = Flow { before: &["fetch", "home", "--unproven", "--keep-only"], ..KEEP_ONLY };
/// With the index. The scanner is away, which is told with 75.
pub(crate) const FETCH: Flow =
    Flow { before: &[], command: |_| words(&["fetch", "--unproven", "--wait", "0s"]), codes: &[75] };
/// One account: what the server is told can be held against what is on the disk.
pub(crate) const KEEP_ONE: Flow =
    Flow { before: &[], command: |_| words(&["fetch", "office", "--unproven", "--keep-only"]), codes: &[0] };
pub(crate) const KEEP_ONE_MORE: Flow = Flow {
    before: &["fetch", "office", "--unproven", "--keep-only"],
    command: |_| words(&["fetch", "home", "--unproven", "--keep-only"]),
    codes: &[0],
};
pub(crate) const IMPORT: Flow = Flow {
    before: &[],
    command: |lab| words(&["import", "--wait", "0s", &lab.mail_folder().display().to_string()]),
    codes: &[75],
};

/// Far more than any of the commands takes: one that hangs fails its test.
const PATIENCE: Duration = Duration::from_secs(120);

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

impl Flow {
    /// A lab in which this flow is about to run.
    pub(crate) fn lab(&self) -> Lab {
        let lab = Lab::new(mail::boxes(), Scanner::Absent);
        if !self.before.is_empty() {
            lab.must(self.before, &[0]);
        }
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
        State::of(lab)
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
