//! An archive with two accounts and a folder of mail, the server the accounts are on, and what has become of all of it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use poplar::daemon::pop3_server::{Mailbox, Server};
use tokio::runtime::Runtime;

use super::mail::{self, Mail};

pub(crate) const USERS: [&str; 2] = ["office", "home"];
const PASSWORD: &str = "sekrit";
/// A server needs a moment to see that a killed client is gone, and a machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Lab {
    folder: tempfile::TempDir,
    archive: PathBuf,
    runtime: Runtime,
    server: Option<Server>,
    /// Messages of each user, as they were in the beginning.
    boxes: Vec<Vec<Mail>>,
}

/// Where the verdicts of a lab come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scanner {
    /// There is none: messages are kept and indexed, and wait for it.
    Absent,
    /// Poplar's own clamd, with the built-in signature.
    Managed,
}

impl Lab {
    /// A server with `boxes`, one for each of [`USERS`], and no archive yet.
    pub(crate) fn new(boxes: Vec<Vec<Mail>>, scanner: Scanner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("archive");
        Self::with_archive(folder, archive, boxes, scanner, "1MiB")
    }

    pub(crate) fn with_archive(
        folder: tempfile::TempDir,
        archive: PathBuf,
        boxes: Vec<Vec<Mail>>,
        scanner: Scanner,
        reserve: &str,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let mailbox = |(user, messages): (&&str, &Vec<Mail>)| Mailbox {
            user: (*user).to_owned(),
            password: PASSWORD.to_owned(),
            messages: messages.clone(),
        };
        let server = runtime.block_on(Server::start(USERS.iter().zip(&boxes).map(mailbox).collect())).unwrap();
        let lab = Self { folder, archive, runtime, server: Some(server), boxes };
        lab.write_config(scanner, reserve);
        for (name, octets) in mail::folder() {
            let path = lab.mail_folder().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, octets).unwrap();
        }
        lab
    }

    fn write_config(&self, scanner: Scanner, reserve: &str) {
        let deleting = "after_archive = \"delete\"
delete_when = \"kept\"
";
        fs::write(self.config(), self.configuration(scanner, reserve, deleting)).unwrap();
        fs::write(
            self.keeping_config(),
            self.configuration(
                scanner,
                reserve,
                "after_archive = \"keep\"
",
            ),
        )
        .unwrap();
    }

    fn configuration(&self, scanner: Scanner, reserve: &str, policy: &str) -> String {
        let password = self.folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
        let clamd = match scanner {
            Scanner::Absent => "unix:/nonexistent/clamd.sock",
            Scanner::Managed => "managed",
        };
        // There are no signatures in this folder, and with an empty PATH nothing would fetch them.
        let empty = self.folder.path().join("no-signatures");
        let mut config = format!(
            "data_dir = {:?}\n[storage]\nreserve = {reserve:?}\n[scan]\nclamd = {clamd:?}\ndatabase_dir = {empty:?}\n",
            self.archive.display().to_string()
        );
        for user in USERS {
            config += &format!(
                "[[account]]\nname = {user:?}\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
                 allow_cleartext = true\nuser = {user:?}\npassword = {{ file = {password:?} }}\n{policy}",
                self.address().port(),
            );
        }
        config
    }

    /// Where all of it is.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn archive(&self) -> &Path {
        &self.archive
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("poplar.toml")
    }

    /// The same, but that nothing is deleted at the server.
    fn keeping_config(&self) -> PathBuf {
        self.folder.path().join("keeping.toml")
    }

    pub(crate) fn keep_all_on_the_server(&self) {
        let mut command = self.program(&[], &self.keeping_config());
        let output = command.args(["fetch", "--keep-only"]).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        assert!(self.deleted().is_empty());
    }

    pub(crate) fn mail_folder(&self) -> PathBuf {
        self.folder.path().join("mail")
    }

    fn address(&self) -> SocketAddr {
        self.server.as_ref().map(Server::address).unwrap()
    }

    /// The real program; `wrapper` is a program with arguments that runs it.
    pub(crate) fn poplar_in(&self, wrapper: &[String], arguments: &[&str]) -> Command {
        let mut command = self.program(wrapper, &self.config());
        command.args(arguments);
        command
    }

    fn program(&self, wrapper: &[String], config: &Path) -> Command {
        let mut words: Vec<String> = wrapper.to_vec();
        words.push(env!("CARGO_BIN_EXE_poplar").to_owned());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("-c").arg(config).arg("--json");
        command.env_remove("POPLAR_CONFIG").env_remove("RUST_LOG");
        command
    }

    pub(crate) fn poplar(&self, arguments: &[&str]) -> Command {
        self.poplar_in(&[], arguments)
    }

    /// Runs a verb that must succeed. `codes` are those that count as success.
    pub(crate) fn must(&self, arguments: &[&str], codes: &[i32]) -> Output {
        let output = self.poplar(arguments).output().unwrap();
        let code = output.status.code();
        assert!(
            code.is_some_and(|code| codes.contains(&code)),
            "{arguments:?}: {:?}\n{}",
            output.status,
            said(&output)
        );
        output
    }

    /// The unique-ids that the server still lists for a user.
    pub(crate) fn listed(&self, user: &str) -> BTreeSet<Vec<u8>> {
        let begun = Instant::now();
        loop {
            let answer = self.dialog(&format!("USER {user}\r\nPASS {PASSWORD}\r\nUIDL\r\nQUIT\r\n"));
            let text = String::from_utf8(answer).unwrap();
            if !text.contains("[IN-USE]") {
                let lines = text.lines().skip_while(|line| *line != "+OK").skip(1).take_while(|line| *line != ".");
                return lines.map(|line| line.split_once(' ').unwrap().1.as_bytes().to_vec()).collect();
            }
            assert!(begun.elapsed() < PATIENCE, "the server still thinks that {user} is logged in");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn dialog(&self, commands: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.write_all(commands.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    /// In all boxes, in the beginning.
    pub(crate) fn messages(&self) -> usize {
        self.boxes.iter().map(Vec::len).sum()
    }

    /// Every message that the server does not have any more.
    pub(crate) fn deleted(&self) -> Vec<Mail> {
        let mut deleted = Vec::new();
        for (user, messages) in USERS.iter().zip(&self.boxes) {
            let left = self.listed(user);
            deleted.extend(messages.iter().filter(|(uid, _)| !left.contains(uid)).cloned());
        }
        deleted
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A message of a box: unique-id and octets.
pub(crate) fn numbered(prefix: &str, messages: Vec<Vec<u8>>) -> Vec<Mail> {
    let uid = |n: usize| format!("{prefix}-{n}").into_bytes();
    messages.into_iter().enumerate().map(|(n, octets)| (uid(n), Arc::from(octets))).collect()
}
