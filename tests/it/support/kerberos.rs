//! A real Kerberos server (MIT) with a realm of its own, `POP.TEST`, on a free port of 127.0.0.1. The realm has the
//! user `tester` and the service `pop/localhost`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(20);
const PROGRAMS: [&str; 4] = ["krb5kdc", "kdb5_util", "kadmin.local", "kinit"];
const PLUGINS: [&str; 2] =
    ["/usr/lib/dovecot/modules/auth/libmech_gssapi.so", "/usr/lib64/dovecot/auth/libmech_gssapi.so"];

pub(crate) struct Realm {
    /// The key of `pop/localhost`, for the server.
    pub(crate) keytab: PathBuf,
    /// The key of `tester`, for the client.
    pub(crate) client_keytab: PathBuf,
    /// What the environment variable `KRB5_CONFIG` has to say, for every program of this realm.
    pub(crate) config: PathBuf,
    dir: PathBuf,
    kdc: Child,
}

/// What of the packages is missing on this machine; nothing if the tests can run.
pub(crate) fn missing() -> Option<String> {
    let path = path();
    let found = |program: &&str| path.split(':').any(|folder| Path::new(folder).join(program).exists());
    let mut missing: Vec<&str> = PROGRAMS.into_iter().filter(|program| !found(program)).collect();
    if !PLUGINS.iter().any(|plugin| Path::new(plugin).exists()) {
        missing.push("Dovecot's libmech_gssapi.so");
    }
    (!missing.is_empty()).then(|| {
        format!(
            "skipped, because {} is not here: run ./scripts/test, or apt-get install --no-install-recommends \
             krb5-kdc krb5-admin-server krb5-user dovecot-gssapi",
            missing.join(", ")
        )
    })
}

impl Realm {
    /// Returns when the server answers. It dies with the value, and with the thread that called this.
    pub(crate) fn start(dir: &Path) -> Self {
        fs::create_dir_all(dir).unwrap();
        let dir = dir.canonicalize().unwrap();
        configure(&dir, 0);
        run(&dir, "kdb5_util", &["create", "-s", "-r", "POP.TEST", "-P", "x"]);
        let [keytab, client_keytab] = ["pop.keytab", "tester.keytab"].map(|name| dir.join(name));
        for (principal, keytab) in [("pop/localhost", &keytab), ("tester", &client_keytab)] {
            run(&dir, "kadmin.local", &["-q", &format!("addprinc -randkey {principal}")]);
            run(&dir, "kadmin.local", &["-q", &format!("ktadd -k {} {principal}", keytab.display())]);
        }
        // Another process may take the port between the moment it was found free and the moment it is bound.
        let kdc = (0..5).find_map(|_| attempt(&dir)).unwrap_or_else(|| {
            panic!("krb5kdc does not start\n{}", fs::read_to_string(dir.join("kdc.log")).unwrap_or_default())
        });
        Self { keytab, client_keytab, config: dir.join("krb5.conf"), dir, kdc }
    }

    /// Signs `tester` in with a ticket that could be forwarded; gives what `KRB5CCNAME` has to say.
    pub(crate) fn kinit(&self) -> String {
        let cache = format!("FILE:{}", self.dir.join("tickets").display());
        run(&self.dir, "kinit", &["-f", "-c", &cache, "-k", "-t", self.client_keytab.to_str().unwrap(), "tester"]);
        cache
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        let _gone_already = self.kdc.kill();
        let _reaped_already = self.kdc.wait();
    }
}

fn configure(dir: &Path, port: u16) {
    for (name, text) in [("krb5.conf", include_str!("krb5.conf")), ("kdc.conf", include_str!("kdc.conf"))] {
        let filled = text.replace("{dir}", dir.to_str().unwrap()).replace("{port}", &port.to_string());
        fs::write(dir.join(name), filled).unwrap();
    }
}

fn attempt(dir: &Path) -> Option<Child> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    configure(dir, port);
    let mut kdc = command(dir, "setpriv").args(["--pdeathsig", "KILL", "krb5kdc", "-n"]).spawn().unwrap();
    let started = Instant::now();
    while started.elapsed() < PATIENCE && kdc.try_wait().unwrap().is_none() {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Some(kdc);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let _gone_already = kdc.kill();
    let _reaped_already = kdc.wait();
    None
}

fn run(dir: &Path, program: &str, arguments: &[&str]) {
    let output = command(dir, program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

fn command(dir: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", path());
    command.env("KRB5_CONFIG", dir.join("krb5.conf")).env("KRB5_KDC_PROFILE", dir.join("kdc.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default())
}
