//! The process that reads: what it cannot do, and what becomes of one that dies, hangs or lies.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use poplar::extract::{Extractor, Hold, Limits, Outcome};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use super::{extractor, is_well, program, tight};

/// The children of this process, zombies among them.
fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let of_task = |task: PathBuf| fs::read_to_string(task.join("children")).unwrap_or_default();
    let all: String = tasks.map(|task| of_task(task.unwrap().path()) + " ").collect();
    all.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// Within which a process that is to go must be gone.
const SOON: Duration = Duration::from_secs(10);

fn within(patience: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    while !is_so() {
        if start.elapsed() > patience {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

#[test]
fn a_worker_can_do_nothing_but_read_what_it_is_given() {
    let extractor = extractor();
    let confinement = extractor.confinement().unwrap();
    assert_eq!((&confinement.calls, &confinement.resources), (&Hold::Full, &Hold::Full), "{confinement:?}");
    let attempts = extractor.probe().unwrap();
    assert!(attempts.len() >= 10, "{attempts:?}");
    for attempt in attempts {
        assert!(attempt.refused.is_some(), "it could {}", attempt.what);
    }
    assert!(is_well(&extractor));
}

#[test]
fn landlock_holds_where_the_kernel_has_it() {
    // Landlock's own call, which needs no rights, tells its version (landlock_create_ruleset(2)).
    let has_landlock = fs::read_to_string("/sys/kernel/security/lsm").is_ok_and(|names| names.contains("landlock"));
    let files = extractor().confinement().unwrap().files;
    assert!(!has_landlock || !matches!(files, Hold::No(_)), "{files:?}");
}

#[test]
fn one_worker_serves_many_documents_and_is_replaced_when_it_has_served_enough() {
    let extractor = Extractor::new(program(), Limits { documents: 3, ..Limits::default() });
    let mut workers = Vec::new();
    for _ in 0..7 {
        assert!(is_well(&extractor));
        let now = children();
        assert_eq!(now.len(), 1, "one at a time, and no zombies");
        workers.push(now[0]);
    }
    assert!(
        workers[0] == workers[2] && workers[2] != workers[3] && workers[3] == workers[5] && workers[5] != workers[6]
    );
    drop(extractor);
    assert_eq!(children(), []);
}

#[test]
fn a_worker_that_was_killed_meanwhile_is_no_documents_fault() {
    let extractor = extractor();
    assert!(is_well(&extractor));
    kill_process(children()[0], Signal::KILL).unwrap();
    assert!(is_well(&extractor));
}

#[test]
fn the_thread_that_asked_first_may_end() {
    let extractor = extractor();
    std::thread::scope(|scope| assert!(scope.spawn(|| is_well(&extractor)).join().unwrap()));
    let worker = children();
    std::thread::sleep(Duration::from_millis(200));
    assert!(is_well(&extractor));
    assert_eq!(children(), worker);
}

#[test]
fn a_worker_dies_with_its_parent() {
    let limits = "--memory-bytes 536870912 --cpu-seconds 10 --documents 9 --text-bytes 99 --unpacked-bytes 99 --members 9 \
                  --depth 1 --patience-ms 1000";
    let script = format!("'{}' extract-worker {limits} <&0 & echo $! >&2; wait", program().display());
    let mut parent = Command::new("sh");
    parent.args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut parent = parent.spawn().unwrap();
    // It is ready once it has said how it is held.
    parent.stdout.as_mut().unwrap().read_exact(&mut [0; 11]).unwrap();
    let mut said = [0; 16];
    let length = parent.stderr.as_mut().unwrap().read(&mut said).unwrap();
    let worker = std::str::from_utf8(&said[..length]).unwrap().trim().parse().ok().and_then(Pid::from_raw).unwrap();
    assert!(test_kill_process(worker).is_ok());
    parent.kill().unwrap();
    // Its input is still open here, so that is not what it ends of.
    let is_gone = || fs::read_to_string(format!("/proc/{worker}/stat")).map_or(true, |stat| stat.contains(") Z "));
    assert!(within(SOON, is_gone));
    parent.wait().unwrap();
}

/// A stand-in for the program: says how it is held, as a worker does, then runs the rest of the script.
fn stand_in(folder: &Path, rest: &str) -> PathBuf {
    let hello = r#"{"resources":"full","files":"full","calls":"full"}"#;
    let script = format!(
        "#!/bin/sh\nprintf '\\001\\000\\000\\{:03o}\\000\\000\\000\\000\\000\\000\\000%s' '{hello}'\n{rest}\n",
        hello.len()
    );
    let path = folder.join("program");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn outcome_of(rest: &str, octets: &[u8]) -> (Outcome, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits { wall: Duration::from_millis(700), ..Limits::default() };
    let extractor = Extractor::new(stand_in(folder.path(), rest), limits);
    let start = Instant::now();
    let extracted = extractor.extract(octets, "text/plain", None);
    let took = start.elapsed();
    assert_eq!(extracted.text, "");
    drop(extractor);
    assert_eq!(children(), [], "nothing is left of it");
    (extracted.outcome, took)
}

#[test]
fn a_worker_that_neither_reads_nor_answers_is_ended() {
    // More than a pipe holds, and less.
    for octets in [vec![b'x'; 1 << 20], b"words".to_vec()] {
        let (outcome, took) = outcome_of("exec sleep 600", &octets);
        assert!(matches!(&outcome, Outcome::Crashed(why) if why.contains("longer than")), "{outcome}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn a_worker_that_lies_about_lengths_or_talks_without_end_is_ended() {
    let lying = r"printf '\001\000\000\377\377\377\377\377\377\377\017'; exec sleep 600";
    for rest in [lying, r"printf '\011\000\000\001\000\000\000\000\000\000\000x'; exec sleep 600", "exec yes"] {
        let (outcome, took) = outcome_of(rest, b"words");
        assert!(matches!(&outcome, Outcome::Crashed(why) if why.contains("no proper answer")), "{outcome}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[test]
fn who_gives_up_waits_for_no_document_and_says_nothing_about_it() {
    let folder = tempfile::tempdir().unwrap();
    let extractor = Extractor::new(stand_in(folder.path(), "exec sleep 600"), Limits::default());
    let extracted = std::thread::scope(|scope| {
        let reading = scope.spawn(|| extractor.extract(b"words", "text/plain", None));
        assert!(within(SOON, || !children().is_empty()));
        extractor.give_up();
        reading.join().unwrap()
    });
    assert!(matches!(extracted.outcome, Outcome::Unavailable(_)), "{}", extracted.outcome);
    assert_eq!(children(), [], "nothing is left of it");
}

#[test]
fn a_worker_that_dies_is_replaced_once() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("starts");
    let (outcome, _) = outcome_of(&format!("echo x >>'{}'; echo 'the reason' >&2; exit 3", log.display()), b"words");
    assert!(matches!(&outcome, Outcome::Crashed(why) if why.contains("status 3 (the reason)")), "{outcome}");
    assert_eq!(fs::read_to_string(log).unwrap(), "x\nx\n");
}

#[test]
fn no_worker_says_nothing_about_the_document() {
    for program in ["/nonexistent/poplar", "/bin/true"] {
        let extractor = Extractor::new(program.into(), tight());
        let outcome = extractor.extract(b"words", "text/plain", None).outcome;
        assert!(matches!(outcome, Outcome::Unavailable(_)), "{program}: {outcome}");
        assert!(extractor.confinement().is_err());
    }
}

#[test]
fn what_needs_no_reading_starts_no_worker() {
    let extractor = extractor();
    assert_eq!(extractor.extract(b"\x89PNG\r\n\x1a\n", "image/png", Some("a.png")).outcome, Outcome::Unsupported);
    assert_eq!(children(), []);
}

#[test]
fn of_what_is_too_large_text_is_read_up_to_the_limit() {
    let extractor = Extractor::new(program(), Limits { document_bytes: 9, ..Limits::default() });
    let text = extractor.extract(b"some more words", "text/plain", None);
    assert_eq!((text.text.as_str(), text.outcome.as_str()), ("some more", "partial"));
    let rtf = extractor.extract(b"{\\rtf1 more words}", "text/rtf", None);
    assert_eq!((rtf.text.as_str(), rtf.outcome.as_str()), ("", "failed"));
}
