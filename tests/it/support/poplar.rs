//! The real program over an archive in a temporary folder: its settings, its verbs, its daemon.

use std::fmt::Write as _;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use poplar::mail::eicar;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::dovecot::{Dovecot, USERS};

const PROGRAM: &str = env!("CARGO_BIN_EXE_poplar");
/// A command that takes longer hangs. In seconds, for `timeout`.
const PATIENCE_SECONDS: &str = "180";
const PATIENCE: Duration = Duration::from_secs(60);
/// What the program promises for its end after SIGTERM.
const PROMISED_END: Duration = Duration::from_secs(10);

/// A folder with a configuration, its password files, and the archive that it leads to.
pub(crate) struct Archive {
    folder: TempDir,
    clamd: String,
    reserve: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Archive {
    /// No accounts; a clamd of poplar's own that knows the EICAR test file.
    pub(crate) fn new() -> Self {
        Self::with_clamd("managed")
    }

    /// `clamd` as in the configuration file.
    pub(crate) fn with_clamd(clamd: &str) -> Self {
        let archive =
            Self { folder: tempfile::tempdir().unwrap(), clamd: clamd.to_owned(), reserve: "1MiB".to_owned() };
        // clamd runs as another user where the tests run as root, and has to find the signatures.
        fs::set_permissions(archive.folder.path(), Permissions::from_mode(0o711)).unwrap();
        let hex: String = eicar().iter().map(|octet| format!("{octet:02x}")).collect();
        fs::create_dir(archive.path("signatures")).unwrap();
        fs::write(archive.path("signatures/test.ndb"), format!("Poplar.Test.EICAR:0:*:{hex}\n")).unwrap();
        archive.configure(&[]);
        archive
    }

    /// A path in the folder, beside the archive.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.path("archive")
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path("poplar.toml")
    }

    /// Writes the configuration anew, with these accounts.
    pub(crate) fn configure(&self, accounts: &[Account]) {
        let (data_dir, signatures) = (self.data_dir(), self.path("signatures"));
        let mut text = format!("data_dir = {data_dir:?}\n");
        for account in accounts {
            self.write_password(account);
            write!(text, "\n[[account]]\n{}", account.settings).unwrap();
        }
        write!(text, "\n[scan]\nclamd = {:?}\ndatabase_dir = {signatures:?}\n", self.clamd).unwrap();
        write!(text, "[storage]\nreserve = {:?}\n", self.reserve).unwrap();
        fs::write(self.config_file(), text).unwrap();
    }

    /// Holds from the next [`Self::configure`] on.
    pub(crate) fn set_reserve(&mut self, reserve: &str) {
        reserve.clone_into(&mut self.reserve);
    }

    pub(crate) fn set_clamd(&mut self, clamd: &str) {
        clamd.clone_into(&mut self.clamd);
    }

    fn write_password(&self, account: &Account) {
        let file = self.path(&format!("{}.secret", account.name));
        fs::write(&file, format!("{}\n", account.password)).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(&[], arguments)
    }

    /// The same, with more in its environment.
    pub(crate) fn run_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = Command::new("timeout");
        command.args(["-s", "KILL", PATIENCE_SECONDS, PROGRAM]).envs(environment.iter().copied());
        let output = self.command(command).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Ended { code: output.status.code().expect("killed: it hung"), stdout: output.stdout, stderr }
    }

    /// The same; it must end well.
    pub(crate) fn well(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended}");
        ended
    }

    /// The one JSON document that a verb prints, which must end well.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        self.well(&[&["--json"], arguments].concat()).json()
    }

    /// The only account's line of a fetch that must end well.
    pub(crate) fn fetch(&self, arguments: &[&str]) -> Value {
        let mut fetched = self.json(&[&["fetch"], arguments].concat());
        assert_eq!(fetched["accounts"].as_array().unwrap().len(), 1, "{fetched}");
        fetched["accounts"][0].take()
    }

    pub(crate) fn raw(&self, id: &str) -> Vec<u8> {
        self.well(&["show", id, "--raw"]).stdout
    }

    /// The ids of the messages that a query finds, oldest first.
    pub(crate) fn found(&self, query: &str) -> Vec<String> {
        let results = self.json(&["search", "--sort=date", "--limit=10000", "--", query]);
        let hits = results["hits"].as_array().unwrap();
        assert_eq!(results["total"], hits.len(), "{results}");
        hits.iter().map(|hit| hit["id"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn status(&self) -> Value {
        self.json(&["status"])
    }

    /// All warnings of `status`, a line each.
    pub(crate) fn warnings(&self) -> String {
        let status = self.status();
        let warnings = status["warnings"].as_array().unwrap();
        warnings.iter().map(|warning| format!("{}\n", warning.as_str().unwrap())).collect()
    }

    /// Nothing may be wrong with the archive.
    pub(crate) fn assert_sound(&self) {
        let report = self.json(&["verify"]);
        assert_eq!(report["damage"], serde_json::json!([]), "{report}");
    }

    /// Starts a verb, and does not wait for its end.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(Command::new(PROGRAM));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Starts `poplar run` and waits until it owns the archive.
    pub(crate) fn start(&self, arguments: &[&str]) -> Daemon {
        let log = self.path("daemon.log");
        let output = File::create(&log).unwrap();
        let mut command = self.command(Command::new(PROGRAM));
        command.arg("run").args(arguments).stdout(output.try_clone().unwrap()).stderr(output);
        let mut daemon = Daemon { child: command.spawn().unwrap(), log };
        let pid = daemon.child.id();
        until("the daemon does not start", || {
            assert!(daemon.child.try_wait().unwrap().is_none(), "the daemon ended: {}", daemon.log());
            let status = self.run(&["--json", "status"]);
            (status.code == 0 && status.json()["owner"] == pid).then_some(())
        });
        daemon
    }

    fn command(&self, mut command: Command) -> Command {
        command.arg("-c").arg(self.config_file()).env("HOME", self.folder.path()).stdin(Stdio::null());
        for name in ["POPLAR_CONFIG", "POPLAR_DATA_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"] {
            command.env_remove(name);
        }
        command
    }
}

impl Ended {
    /// Waits for what [`Archive::spawn`] started; it must end by itself, not by a signal.
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code().expect("ended by a signal"), stdout: output.stdout, stderr }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("not one JSON document ({error}): {self}"))
    }

    /// It ended with this code, and said this on stderr.
    pub(crate) fn assert_said(&self, code: i32, sentence: &str) {
        assert_eq!(self.code, code, "{self}");
        assert!(self.stderr.contains(sentence), "{sentence:?} is missing: {self}");
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}\n{}\n{}", self.code, String::from_utf8_lossy(&self.stdout), self.stderr)
    }
}

/// A `[[account]]` of the configuration.
#[derive(Clone)]
pub(crate) struct Account {
    name: String,
    password: String,
    settings: String,
}

impl Account {
    /// TLS from the first octet; the account is called as its user.
    pub(crate) fn implicit(server: &Dovecot, user: &str) -> Self {
        Self::at(server.pop3s_port, user).trusting(server)
    }

    /// TLS by STLS.
    pub(crate) fn starttls(server: &Dovecot, user: &str) -> Self {
        Self::at(server.pop3_port, user).with("tls = \"starttls\"").trusting(server)
    }

    /// No TLS at all, on purpose.
    pub(crate) fn plain(port: u16, user: &str) -> Self {
        Self::at(port, user).with("tls = \"none\"\nallow_cleartext = true")
    }

    /// TLS from the first octet, with whomever the system trusts.
    pub(crate) fn at(port: u16, user: &str) -> Self {
        let password = USERS.iter().find(|(known, _)| *known == user).unwrap().1.to_owned();
        let settings = format!("host = \"127.0.0.1\"\nport = {port}\nuser = {user:?}\n");
        Self { name: String::new(), password, settings }.named(user)
    }

    fn named(self, name: &str) -> Self {
        let account = self.with(&format!("name = {name:?}\npassword = {{ file = \"{name}.secret\" }}"));
        Self { name: name.to_owned(), ..account }
    }

    /// Another name than its user's.
    pub(crate) fn called(self, name: &str) -> Self {
        let settings = self.settings.replace(&format!("name = {:?}", self.name), &format!("name = {name:?}"));
        let settings = settings.replace(&format!("{}.secret", self.name), &format!("{name}.secret"));
        Self { name: name.to_owned(), settings, ..self }
    }

    pub(crate) fn trusting(self, server: &Dovecot) -> Self {
        self.with(&format!("ca_file = {:?}", server.ca_file))
    }

    /// By another name of the same host.
    pub(crate) fn at_host(self, host: &str) -> Self {
        Self { settings: self.settings.replace("host = \"127.0.0.1\"", &format!("host = {host:?}")), ..self }
    }

    /// Logs in by other means.
    pub(crate) fn without_password(self) -> Self {
        let password = format!("password = {{ file = \"{}.secret\" }}", self.name);
        Self { settings: self.settings.replace(&password, ""), ..self }
    }

    pub(crate) fn with_password(self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self }
    }

    /// One more line of settings.
    pub(crate) fn with(mut self, line: &str) -> Self {
        writeln!(self.settings, "{line}").unwrap();
        self
    }
}

/// A running `poplar run`. Ends with the value.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// SIGTERM. Returns the exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PROMISED_END {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| panic!("{status}: {}", self.log()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.log())
    }

    /// SIGKILL.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has said.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) && !std::thread::panicking() {
            self.stop();
        }
        let _ended_already = self.child.kill();
        let _reaped_already = self.child.wait();
    }
}

/// Waits for something that will happen soon.
pub(crate) fn until<T>(complaint: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(what) = happened() {
            return what;
        }
        assert!(begun.elapsed() < PATIENCE, "{complaint}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An ordinary message.
pub(crate) fn mail(subject: &str, body: &str) -> Vec<u8> {
    format!(
        "From: Ana Babić <ana@example.org>\r\nTo: office@example.org\r\nSubject: {subject}\r\n\
         Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n{body}\r\n"
    )
    .into_bytes()
}

/// A message whose second part is the EICAR test file, as text that a person would read.
pub(crate) fn infected_mail() -> Vec<u8> {
    let part = |header: &str, body: &[u8]| {
        [b"--edge\r\nContent-Type: text/plain", header.as_bytes(), b"\r\n\r\n", body, b"\r\n"].concat()
    };
    [
        &b"From: mallory@example.net\r\nTo: office@example.org\r\nSubject: your parcel\r\n"[..],
        b"Date: Sat, 21 Nov 2026 10:00:00 +0000\r\nMIME-Version: 1.0\r\n",
        b"Content-Type: multipart/mixed; boundary=edge\r\n\r\n",
        &part("", b"Please open the attached note."),
        &part("; name=note.txt\r\nContent-Disposition: attachment; filename=note.txt", &eicar()),
        b"--edge--\r\n",
    ]
    .concat()
}

/// The files in `path` and in everything below it.
pub(crate) fn files_below(path: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A test that cannot run here says why.
#[expect(clippy::print_stdout, reason = "the test runner shows it")]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}
