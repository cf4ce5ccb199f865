//! Courier's POP3 server over a Maildir in a temporary folder. Who logs in, and how, is not its concern here.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::poplar::{Account, skipped};

pub(crate) struct Courier {
    port: u16,
    maildir: PathBuf,
}

impl Courier {
    /// `None`, with the reason said, where there is no Courier on this machine.
    pub(crate) fn start(dir: &Path) -> Option<Self> {
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/courier");
        let roots = [PathBuf::from("/"), unpacked];
        let Some(root) = roots.into_iter().find(|root| program(root).is_file()) else {
            skipped("there is no courierpop3d; scripts/test unpacks it");
            return None;
        };
        let maildir = dir.join("Maildir");
        ["cur", "new", "tmp"].iter().for_each(|folder| fs::create_dir_all(maildir.join(folder)).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let courier = Self { port: listener.local_addr().unwrap().port(), maildir: maildir.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that leaves early is no concern of the next.
                drop(serve(&stream.unwrap(), &root, &maildir));
            }
        });
        Some(courier)
    }

    pub(crate) fn account(&self) -> Account {
        Account::plain(self.port, "tester")
    }

    /// The file as Courier finds it. It sends each LF as CRLF, also where a CR stands before it.
    pub(crate) fn deliver(&self, number: u32, octets: &[u8]) {
        fs::write(self.maildir.join(format!("new/{}.{number}.poplar", 1_700_000_000 + number)), octets).unwrap();
    }

    /// The messages that are left.
    pub(crate) fn count(&self) -> usize {
        ["cur", "new"].iter().map(|folder| fs::read_dir(self.maildir.join(folder)).unwrap().count()).sum()
    }
}

fn program(root: &Path) -> PathBuf {
    root.join("usr/lib/courier/courier/courierpop3d")
}

/// Everybody is let in. Courier's first line answers PASS, and the rest of the session is its own.
fn serve(stream: &TcpStream, root: &Path, maildir: &Path) -> io::Result<()> {
    (&mut &*stream).write_all(b"+OK hello\r\n")?;
    for command in BufReader::new(stream).lines() {
        match command?.split(' ').next().unwrap_or_default() {
            "PASS" => break,
            "USER" => (&mut &*stream).write_all(b"+OK\r\n")?,
            _ => (&mut &*stream).write_all(b"-ERR log in first\r\n")?,
        }
    }
    let socket = || stream.try_clone().map(|socket| Stdio::from(OwnedFd::from(socket)));
    let libraries = ["usr/lib", "usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu"];
    let libraries: Vec<String> = libraries.iter().map(|folder| root.join(folder).display().to_string()).collect();
    let mut command = Command::new(program(root));
    command.arg(maildir).env("AUTHENTICATED", "tester").env("LD_LIBRARY_PATH", libraries.join(":"));
    command.stdin(socket()?).stdout(socket()?).stderr(Stdio::null()).status().map(drop)
}
