//! The text of attachments, read by the real program's worker: what is found, what is survived, what is shut off.

mod corpus;

use std::path::PathBuf;

use poplar::extract::{Extractor, Limits};

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_poplar"))
}

fn extractor() -> Extractor {
    Extractor::new(program(), Limits::default())
}
