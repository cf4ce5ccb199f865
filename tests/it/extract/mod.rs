//! The text of attachments, read by the real program's worker: what is found, what is survived, what is shut off.

mod corpus;
mod hostile;
mod made;
mod worker;

use std::path::PathBuf;
use std::time::Duration;

use poplar::extract::{Extractor, Limits, Outcome, ReadLimits};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_poplar"))
}

fn extractor() -> Extractor {
    Extractor::new(program(), Limits::default())
}

/// So short that tests reach them.
fn tight() -> Limits {
    let read = ReadLimits {
        unpacked_bytes: 32 << 20,
        members: 500,
        patience: Duration::from_secs(2),
        ..ReadLimits::default()
    };
    Limits { cpu_seconds: 4, wall: Duration::from_secs(12), read, ..Limits::default() }
}

/// Whether a plain document is read as ever.
fn is_well(extractor: &Extractor) -> bool {
    let read = extractor.extract(b"words as ever", "text/plain", None);
    (read.text.as_str(), read.outcome) == ("words as ever", Outcome::Read)
}
