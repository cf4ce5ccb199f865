//! A real Dovecot, rootless, in a folder of its own, on free ports of 127.0.0.1.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process_group};

/// Every user there is, with the password.
pub(crate) const USERS: [(&str, &str); 5] = [
    ("tester", "sekrit"),
    ("alice", "pässwörd with space"),
    ("bob", "bobpw"),
    ("carol", "carolpw"),
    ("bulk", "bulkpw"),
];

/// What access tokens are signed with (HS256).
pub(crate) const TOKEN_KEY: &[u8] = b"not a secret at all, and only for tests";

const INSTALL: &str = "these tests speak to a real Dovecot: run ./scripts/test, or \
                       apt-get install --no-install-recommends dovecot-core dovecot-pop3d";
const CONFIG: &str = include_str!("dovecot.conf");
const PATIENCE: Duration = Duration::from_secs(20);

/// `nobody` and `nogroup`: whom the server runs as when the tests run as root, because Dovecot's parts refuse root.
const NOBODY: u32 = 65534;

pub(crate) struct Dovecot {
    /// Plain text, with STLS.
    pub(crate) pop3_port: u16,
    /// TLS from the first octet.
    pub(crate) pop3s_port: u16,
    /// The authority (PEM) that vouches for the server as `localhost` and `127.0.0.1`.
    pub(crate) ca_file: PathBuf,
    /// Certificate and key (PEM) that make a client `tester`.
    pub(crate) client: [PathBuf; 2],
    dir: PathBuf,
    master: Child,
}

pub(crate) struct Options {
    /// `pop3_uidl_format`: starting again over the same folder with another one gives every message another UIDL.
    pub(crate) uidl_format: &'static str,
    /// Whom the server's certificate speaks of.
    pub(crate) certificate_names: &'static [&'static str],
    /// Lines below the ordinary configuration; the last word on a setting wins.
    pub(crate) more_config: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { uidl_format: "%08Xu%08Xv", certificate_names: &["localhost", "127.0.0.1"], more_config: "" }
    }
}

impl Dovecot {
    /// Returns when the server greets. Mail that an earlier server left in `dir` is served again. It dies with the
    /// value, and with the thread that called this.
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_with(dir, &Options::default())
    }

    pub(crate) fn start_with(dir: &Path, options: &Options) -> Self {
        for folder in ["run", "state", "mail"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        let dir = dir.canonicalize().unwrap();
        write_certificates(&dir, options.certificate_names);
        let users = USERS.map(|(user, password)| format!("{user}:{{PLAIN}}{password}\n"));
        fs::write(dir.join("users"), users.concat()).unwrap();
        write_token_settings(&dir);
        open_for_the_server(&dir);
        // Another process may take a port between the moment it was found free and the moment Dovecot binds it.
        let mut attempts = (0..5).map(|_| Self::attempt(&dir, options));
        attempts.find_map(Result::ok).unwrap_or_else(|| {
            let log = fs::read_to_string(dir.join("dovecot.log")).unwrap_or_default();
            let output = fs::read_to_string(dir.join("output")).unwrap_or_default();
            panic!("Dovecot does not start ({INSTALL}).\n{output}{log}")
        })
    }

    /// Puts a message into the user's mailbox, behind those delivered before. Dovecot sends a bare LF as CRLF.
    pub(crate) fn deliver(&self, user: &str, octets: &[u8]) {
        static DELIVERED: AtomicU64 = AtomicU64::new(1_700_000_000);
        let maildir = self.dir.join("mail").join(user).join("Maildir");
        let folders = ["cur", "new", "tmp"].map(|folder| maildir.join(folder));
        // The server makes them, too, when somebody logs in.
        if !folders.iter().all(|folder| folder.exists()) {
            folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
            give_to_the_server(&self.dir.join("mail").join(user));
        }
        // Dovecot numbers new mail by the time in its file's name.
        let name = format!("{}.M0P{}.poplar", DELIVERED.fetch_add(1, Ordering::Relaxed), std::process::id());
        let written = maildir.join("tmp").join(&name);
        fs::write(&written, octets).unwrap();
        give_to_the_server(&written);
        fs::rename(written, maildir.join("new").join(name)).unwrap();
    }

    fn attempt(dir: &Path, options: &Options) -> Result<Self, ()> {
        let ports = [(), ()].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [pop3_port, pop3s_port] = ports.map(|free| free.local_addr().unwrap().port());
        let (user, group) = account();
        let config = CONFIG
            .replace("{dir}", dir.to_str().unwrap())
            .replace("{user}", &user)
            .replace("{group}", &group)
            .replace("{pop3_port}", &pop3_port.to_string())
            .replace("{pop3s_port}", &pop3s_port.to_string())
            .replace("{uidl_format}", options.uidl_format);
        fs::write(dir.join("dovecot.conf"), config + options.more_config).unwrap();
        let client = ["client.pem", "client.key"].map(|name| dir.join(name));
        let (ca_file, dir) = (dir.join("ca.pem"), dir.to_owned());
        let mut server = Self { pop3_port, pop3s_port, ca_file, client, master: spawn(&dir), dir };
        server.wait_for_greeting().map(|()| server)
    }

    fn wait_for_greeting(&mut self) -> Result<(), ()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE && self.master.try_wait().unwrap().is_none() {
            if greets(self.pop3_port) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(())
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        // All at once: a master that is asked politely waits a second for its login processes. A session that was
        // answered has nothing left to write.
        let _gone_already = kill_process_group(Pid::from_child(&self.master), Signal::KILL);
        let _reaped_already = self.master.wait();
        // The login processes, which the master's death leaves to init, hold the ports until they are gone too.
        let killed = Instant::now();
        while killed.elapsed() < PATIENCE && [self.pop3_port, self.pop3s_port].iter().any(|port| listens(*port)) {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn spawn(dir: &Path) -> Child {
    let output = File::create(dir.join("output")).unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("setpriv");
    command.env("PATH", format!("{path}:/usr/local/sbin:/usr/sbin"));
    command.args(["--pdeathsig", "TERM"]);
    if as_root() {
        command.args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}"), "--clear-groups".into()]);
    }
    command.args(["dovecot", "-F", "-c"]).arg(dir.join("dovecot.conf"));
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output).process_group(0);
    command.spawn().unwrap_or_else(|error| panic!("setpriv (Debian: util-linux) cannot be started: {error}"))
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

fn greets(port: u16) -> bool {
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = String::new();
    BufReader::new(&stream).read_line(&mut greeting).is_ok_and(|_| greeting.starts_with("+OK"))
        && (&stream).write_all(b"QUIT\r\n").is_ok()
}

fn write_certificates(dir: &Path, names: &[&str]) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Poplar test authority");
    let issuer = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(dir.join("ca.pem"), issuer.pem()).unwrap();
    fs::write(dir.join("server.pem"), certificate.pem()).unwrap();
    fs::write(dir.join("server.key"), key.serialize_pem()).unwrap();
    let mut client = CertificateParams::default();
    client.distinguished_name = rcgen::DistinguishedName::new();
    client.distinguished_name.push(rcgen::DnType::CommonName, "tester");
    client.extended_key_usages.push(rcgen::ExtendedKeyUsagePurpose::ClientAuth);
    let key = KeyPair::generate().unwrap();
    fs::write(dir.join("client.pem"), client.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    fs::write(dir.join("client.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(dir.join("client.key"), PermissionsExt::from_mode(0o600)).unwrap();
}

/// Tokens are checked without a provider: by a key in a file whose path says issuer, algorithm and key id.
fn write_token_settings(dir: &Path) {
    let keys = dir.join("keys/default/HS256");
    fs::create_dir_all(&keys).unwrap();
    let key = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, TOKEN_KEY);
    fs::write(keys.join("default"), key).unwrap();
    let settings = format!(
        "introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={}/keys/\n\
         username_attribute = sub\nusername_format = %Lu\ntokeninfo_url =\n",
        dir.display()
    );
    fs::write(dir.join("oauth2.conf"), settings).unwrap();
}

/// Who the server runs as: names of user and group.
fn account() -> (String, String) {
    if as_root() {
        return ("nobody".into(), "nogroup".into());
    }
    let id = |flag| String::from_utf8(Command::new("id").arg(flag).output().unwrap().stdout).unwrap().trim().to_owned();
    (id("-un"), id("-gn"))
}

fn as_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Makes `dir` the server's, and lets it pass through the private temporary folders above.
fn open_for_the_server(dir: &Path) {
    if !as_root() {
        return;
    }
    give_to_the_server(dir);
    let temporary = std::env::temp_dir();
    for above in dir.ancestors().skip(1).take_while(|above| above.starts_with(&temporary) && **above != temporary) {
        let mode = above.metadata().unwrap().permissions().mode();
        fs::set_permissions(above, PermissionsExt::from_mode(mode | 0o011)).unwrap();
    }
}

fn give_to_the_server(path: &Path) {
    if !as_root() {
        return;
    }
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_to_the_server(&entry.unwrap().path()));
    }
}
