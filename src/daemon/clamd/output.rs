//! What clamd prints: kept in a log of bounded size, and its last words remembered.

use std::fs::File;
use std::io::{self, PipeReader, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A fuller log begins anew.
const LOG_BYTES: u64 = 1 << 20;

const LAST_WORDS_BYTES: usize = 2048;

pub(super) struct Output {
    pipe: PipeReader,
    log: File,
}

impl Output {
    pub(super) fn new(pipe: PipeReader, log: &Path) -> io::Result<Self> {
        let log = File::options().create(true).truncate(true).write(true).mode(0o600).open(log)?;
        Ok(Self { pipe, log })
    }

    /// Copies until clamd ends. Returns the complaints among its last words.
    pub(super) fn follow(mut self) -> String {
        let mut last = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = self.pipe.read(&mut piece) {
            last.extend_from_slice(&piece[..length]);
            last.drain(..last.len().saturating_sub(LAST_WORDS_BYTES));
            // The log is a comfort: without room for it clamd must still be read, or it would block.
            let _full = self.keep(&piece[..length]);
        }
        complaint(&String::from_utf8_lossy(&last))
    }

    fn keep(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.log.stream_position()? > LOG_BYTES {
            self.log.set_len(0)?;
            self.log.rewind()?;
        }
        self.log.write_all(octets)
    }
}

fn complaint(text: &str) -> String {
    text.lines().filter(|line| line.contains("ERROR")).map(str::trim).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_what_counts_of_the_last_words() {
        assert_eq!(complaint("Loading\nERROR: no file \nERROR: stop\nBye\n"), "ERROR: no file; ERROR: stop");
        assert_eq!(complaint("Loading\nBye\n"), "");
        assert_eq!(complaint(""), "");
    }

    #[test]
    fn the_log_stays_bounded_and_the_end_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("clamd.log");
        let (reader, mut writer) = io::pipe().unwrap();
        let output = Output::new(reader, &log).unwrap();
        let writing = std::thread::spawn(move || {
            for _ in 0..300 {
                writer.write_all(&[b'x'; 8192]).unwrap();
            }
            writer.write_all(b"\nERROR: the end\n").unwrap();
        });
        assert_eq!(output.follow(), "ERROR: the end");
        writing.join().unwrap();
        assert!(log.metadata().unwrap().len() <= LOG_BYTES + 8192);
        assert!(std::fs::read(&log).unwrap().ends_with(b"ERROR: the end\n"));
    }
}
