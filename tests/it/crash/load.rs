//! SIGKILL at random moments, under load, with everything at work: sessions, clamd, the index.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use poplar::mail::Nonce;

use super::lab::{Lab, Scanner, numbered};
use super::mail::{self, Mail};
use super::state::{State, assert_nothing_lost};
use super::strace::is_everything;

const PATIENCE: Duration = Duration::from_secs(60);
const FETCH: [&str; 1] = ["fetch"];

/// Public mail in bulk where it is at hand, else letters.
fn boxes() -> Vec<Vec<Mail>> {
    let (kills, _) = dose();
    let limit = if kills > 10 { 3_000 } else { 300 };
    let mut letters = corpus(limit).unwrap_or_else(|| {
        (0..limit).map(|n| mail::letter(&format!("letter {n}"), &"word ".repeat(n % 3_000))).collect()
    });
    let both = letters.len() / 10;
    let office = letters.split_off(letters.len() / 2);
    letters.extend_from_slice(&office[..both]);
    vec![numbered("office", office), numbered("home", letters)]
}

fn corpus(limit: usize) -> Option<Vec<Vec<u8>>> {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .map(|folder| folder.join("shared/corpora/bulk-spamassassin.tar.zst"))
        .find(|file| file.is_file())?;
    let folder = tempfile::tempdir().unwrap();
    let unpacked = Command::new("tar").arg("--zstd").arg("-xf").arg(packed).arg("-C").arg(folder.path()).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut paths = Vec::new();
    messages_in(folder.path(), &mut paths);
    paths.sort();
    let step = (paths.len() / limit).max(1);
    Some(paths.iter().step_by(step).take(limit).map(|path| with_crlf(&fs::read(path).unwrap())).collect())
}

fn messages_in(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            messages_in(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "eml") {
            paths.push(path);
        }
    }
}

/// What a server hands out ends its lines with CRLF.
fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let lines = octets.split_inclusive(|octet| *octet == b'\n');
    lines
        .flat_map(|line| match line.strip_suffix(b"\n") {
            Some(line) => [line.strip_suffix(b"\r").unwrap_or(line), b"\r\n"].concat(),
            None => [line, b"\r\n"].concat(),
        })
        .collect()
}

/// How often is killed, and how long after the start at most.
fn dose() -> (u32, u32) {
    if is_everything() { (30, 1_500) } else { (6, 700) }
}

#[test]
fn random_kills_under_load_lose_and_double_nothing_and_leave_no_clamd() {
    let boxes = boxes();
    let undisturbed = Lab::new(boxes.clone(), Scanner::Managed);
    let golden = to_the_end(&undisturbed);

    let lab = Lab::new(boxes, Scanner::Managed);
    let (kills, longest_ms) = dose();
    let mut killed = Vec::new();
    for nth in 0..kills {
        let chance = u32::from(Nonce::random().as_bytes()[0]);
        // Later kills come later, so that all stages are met.
        let delay_ms = chance * longest_ms * (nth + 1) / kills / 255;
        let mut fetch = lab.poplar(&FETCH).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(delay_ms.into()));
        fetch.kill().unwrap();
        if fetch.wait().unwrap().signal() == Some(9) {
            killed.push(delay_ms);
        }
        assert_nothing_lost(&lab);
        no_clamd_is_left(&lab);
    }
    assert!(killed.len() * 2 >= kills as usize, "most runs had ended before they were to be killed: {killed:?}");
    let state = to_the_end(&lab);
    assert_eq!(golden.difference(&state), "", "killed after {killed:?} ms");
    no_clamd_is_left(&lab);
}

fn to_the_end(lab: &Lab) -> State {
    lab.must(&FETCH, &[0]);
    lab.must(&FETCH, &[0]);
    State::of(lab)
}

/// clamd works in a folder of the archive; a process with that folder is poplar's. It ends when poplar dies.
fn no_clamd_is_left(lab: &Lab) {
    let home = lab.archive().join("clamd");
    let begun = Instant::now();
    loop {
        let strays = working_in(&home);
        if strays.is_empty() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "still there: {strays:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn working_in(folder: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder)).collect()
}
