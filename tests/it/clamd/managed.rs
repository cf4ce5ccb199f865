//! The supervisor keeps a clamd running, private, and not longer than itself.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use poplar::daemon::clamd::{Error, Freshclam, Managed, Settings, Signatures, State};
use poplar::mail::eicar;
use poplar::net::clamd::{Address, Answer};
use rustix::process::{Pid, Signal};

use super::{answer, finds, pool};
use crate::support::clamd::{PATIENCE, settings, start, start_with, wait};

#[tokio::test]
async fn a_killed_clamd_is_started_again() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pool = pool(clamd.address());
    assert!(finds(&pool, eicar()).await);
    let pid = pid_of(folder.path());
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    let why = why_restarting(&clamd);
    assert!(why.contains("SIGKILL"), "{why}");
    wait(&clamd);
    assert_ne!(pid_of(folder.path()), pid);
    assert!(finds(&pool, eicar()).await);
}

#[test]
fn clamd_ends_with_its_supervisor_and_leaves_no_socket() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let process = PathBuf::from(format!("/proc/{}", pid_of(folder.path()).as_raw_nonzero()));
    assert!(process.exists());
    clamd.stop();
    assert!(!process.exists());
    assert!(!folder.path().join("clamd/clamd.pid").exists());
    assert!(!folder.path().join("clamd/run/clamd.sock").exists());
}

#[test]
fn clamd_ends_even_when_poplar_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut poplar = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "clamd::managed::a_poplar_to_be_killed"])
        .env("POPLAR_TEST_FOLDER", folder.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    until(|| folder.path().join("ready").exists().then_some(()));
    let process = PathBuf::from(format!("/proc/{}", pid_of(folder.path()).as_raw_nonzero()));
    assert!(process.exists());
    poplar.kill().unwrap();
    poplar.wait().unwrap();
    until(|| has_ended(&process).then_some(()));
}

#[test]
#[ignore = "the test above starts it as a process of its own, and kills it"]
fn a_poplar_to_be_killed() {
    let Ok(folder) = std::env::var("POPLAR_TEST_FOLDER") else { return };
    let _clamd = start(Path::new(&folder));
    fs::write(Path::new(&folder).join("ready"), "").unwrap();
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_ctrl_c_in_poplars_terminal_does_not_reach_clamd() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let pid = pid_of(folder.path());
    assert_eq!(rustix::process::getpgid(Some(pid)), Ok(pid), "a terminal signals poplar's whole process group");
    drop(clamd);
}

#[test]
fn a_clamd_that_an_earlier_poplar_left_behind_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("clamd");
    fs::create_dir(&home).unwrap();
    let mut left = Command::new("sh")
        .args(["-c", "read line", "--config-file=clamd.conf"])
        .current_dir(&home)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    fs::write(home.join("clamd.pid"), left.id().to_string()).unwrap();
    until(|| fs::read(format!("/proc/{}/cmdline", left.id())).unwrap().starts_with(b"sh\0").then_some(()));
    let clamd = start(folder.path());
    assert_eq!(left.wait().unwrap().signal(), Some(9));
    drop(clamd);
}

#[test]
fn a_pid_file_that_names_somebody_else_harms_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    fs::create_dir(folder.path().join("clamd")).unwrap();
    fs::write(folder.path().join("clamd/clamd.pid"), other.id().to_string()).unwrap();
    let clamd = start(folder.path());
    assert!(other.try_wait().unwrap().is_none(), "an innocent process was ended");
    other.kill().unwrap();
    other.wait().unwrap();
    drop(clamd);
}

#[tokio::test]
async fn a_long_path_with_blanks_works_and_leaves_nothing_in_the_temporary_folder() {
    let folder = tempfile::tempdir().unwrap();
    let long = folder.path().join("a long name ".repeat(12));
    fs::create_dir(&long).unwrap();
    let clamd = start(&long);
    let Address::Unix(socket) = clamd.address() else { panic!("not a unix socket") };
    let shortcut = socket.parent().unwrap().parent().unwrap().to_owned();
    assert!(socket.as_os_str().len() < 100, "{}", socket.display());
    assert_eq!(fs::metadata(&shortcut).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(finds(&pool(clamd.address()), eicar()).await);
    drop(clamd);
    assert!(!shortcut.exists());
}

#[test]
fn nobody_else_reaches_clamds_folder_or_socket() {
    let folder = tempfile::tempdir().unwrap();
    let clamd = start(folder.path());
    let home = folder.path().join("clamd");
    for name in ["", "run", "clamd.conf", "clamd.log", "clamd.pid", "run/clamd.sock", "builtin"] {
        let mode = fs::metadata(home.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o007, 0, "{name}: {mode:o}");
    }
    drop(clamd);
}

#[tokio::test]
async fn the_systems_signatures_are_preferred() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let database_dir = folder.path().join("signatures here");
    fs::create_dir(&database_dir).unwrap();
    let signatures = [signature("Mine.Eicar", &eicar()), signature("Mine.Word", b"poplar")].join("\n");
    fs::write(database_dir.join("mine.ndb"), signatures + "\n").unwrap();
    let clamd = start_with(Settings { database_dir: database_dir.clone(), ..settings(&folder.path().join("data")) });
    assert_eq!(clamd.signatures(), Some(Signatures::System(database_dir)));
    let answer = answer(&pool(clamd.address()), b"a poplar is a tree".to_vec()).await.unwrap();
    assert_eq!(answer, Answer::Found("Mine.Word.UNOFFICIAL".to_owned()));
}

#[test]
fn a_scanner_that_does_not_find_the_test_file_never_gets_ready() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(folder.path().join("blind.ndb"), "Mine.Word:0:*:706f706c6172\n").unwrap();
    let database_dir = folder.path().to_owned();
    let clamd = Managed::start(Settings { database_dir, ..settings(&folder.path().join("data")) }, || {}).unwrap();
    let why = why_restarting(&clamd);
    assert!(why.contains("does not find the EICAR test file"), "{why}");
}

/// What it downloads is not clamd's official database, which nothing here could sign; all else is as it is with that.
/// The other end hears whenever clamd is ready.
fn start_with_freshclam(folder: &Path, script: &str) -> (Managed, Receiver<()>) {
    let program = folder.join("freshclam");
    let find = r#"while [ "$1" != --datadir ]; do shift; done; cd "$2""#;
    fs::write(&program, format!("#!/bin/sh\n{find}\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let freshclam = Freshclam { program: Some(program), every: Duration::from_millis(200), ..Freshclam::default() };
    let (ready, told) = mpsc::channel();
    let settings = Settings { freshclam: Some(freshclam), ..settings(&folder.join("data")) };
    (Managed::start(settings, move || ready.send(()).unwrap()).unwrap(), told)
}

fn signature(name: &str, octets: &[u8]) -> String {
    let pattern: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    format!("{name}:0:*:{pattern}")
}

#[tokio::test]
async fn signatures_that_were_downloaded_are_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "if [ -e first.ndb ]; then echo '{}' >second.new; sleep 1; mv second.new second.ndb; else echo '{}' >first.ndb; fi",
        signature("Second.Word", b"poplar"),
        signature("First.Eicar", &eicar()),
    );
    let (clamd, told) = start_with_freshclam(folder.path(), &script);
    told.recv_timeout(PATIENCE).unwrap();
    let downloaded = folder.path().join("data/clamd/db").canonicalize().unwrap();
    assert_eq!(clamd.signatures(), Some(Signatures::Downloaded(downloaded)));
    told.recv_timeout(PATIENCE).unwrap();
    let answer = answer(&pool(clamd.address()), b"a poplar is a tree".to_vec()).await.unwrap();
    assert_eq!(answer, Answer::Found("Second.Word.UNOFFICIAL".to_owned()));
}

#[test]
fn what_freshclam_could_not_download_it_is_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "if [ -e failed ]; then echo '{}' >first.ndb; else touch failed; echo no network >&2; exit 11; fi",
        signature("First.Eicar", &eicar()),
    );
    let (clamd, told) = start_with_freshclam(folder.path(), &script);
    told.recv_timeout(PATIENCE).unwrap();
    let Some(Signatures::BuiltIn { why }) = clamd.signatures() else { panic!("{:?}", clamd.signatures()) };
    assert!(why.contains("freshclam could not download them (exit status: 11); see "), "{why}");
    let log = folder.path().join("data/clamd/freshclam.log");
    told.recv_timeout(PATIENCE).unwrap();
    assert!(matches!(clamd.signatures(), Some(Signatures::Downloaded(_))));
    assert!(log.exists());
}

#[test]
fn without_clamd_it_says_what_to_install() {
    let folder = tempfile::tempdir().unwrap();
    let clamd_program = Some(folder.path().join("no-clamd"));
    let clamd = Managed::start(Settings { clamd_program, ..settings(folder.path()) }, || {}).unwrap();
    until(|| matches!(clamd.state(), State::Absent { .. }).then_some(()));
    let error = clamd.wait_ready(Duration::from_secs(60)).unwrap_err();
    assert!(matches!(error, Error::NotReady { .. }));
    assert!(error.to_string().contains("apt-get install clamav-daemon"), "{error}");
}

fn pid_of(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("clamd/clamd.pid")).unwrap();
    Pid::from_raw(text.trim().parse().unwrap()).unwrap()
}

/// A zombie has ended too; who reaps it is not poplar's business.
fn has_ended(process: &Path) -> bool {
    fs::read(process.join("cmdline")).map_or(true, |line| line.is_empty())
}

/// Waits for what is about to happen; the limit only ends a test that has failed.
fn until<T>(happened: impl Fn() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(what) = happened() {
            return what;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "it did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn why_restarting(clamd: &Managed) -> String {
    until(|| if let State::Restarting { why } = clamd.state() { Some(why) } else { None })
}
