//! A clamd for measuring: with one signature, and no memory of what it has passed.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use poplar::mail::eicar;

pub(crate) struct Clamd {
    child: Child,
    pub(crate) socket: PathBuf,
    _folder: tempfile::TempDir,
}

impl Clamd {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path();
        let pattern: String = eicar().iter().map(|octet| format!("{octet:02x}")).collect();
        fs::create_dir(home.join("db")).unwrap();
        fs::write(home.join("db/eicar.ndb"), format!("Bench.EICAR-Test-File:0:*:{pattern}\n")).unwrap();
        let threads = 2 * std::thread::available_parallelism().unwrap().get();
        let config = format!(
            "Foreground yes\nLocalSocket clamd.sock\nDatabaseDirectory db\nTemporaryDirectory .\nMaxThreads {threads}\n\
             DisableCache yes\nStreamMaxLength 256M\nMaxFileSize 256M\nMaxScanSize 800M\nUser root\n"
        );
        fs::write(home.join("clamd.conf"), config).unwrap();
        let mut command = Command::new("clamd");
        command.arg("--config-file=clamd.conf").current_dir(home);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("clamd is needed");
        let socket = home.join("clamd.sock");
        let began = Instant::now();
        while UnixStream::connect(&socket).is_err() {
            assert!(began.elapsed() < Duration::from_secs(60), "clamd does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, socket, _folder: folder }
    }
}

impl Drop for Clamd {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
