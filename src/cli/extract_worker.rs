use std::time::Duration;

use clap::Args;

use super::Code;
use crate::extract::{self, Limits, ReadLimits};

/// The process that reads attachments: started by the program itself, of no use to people.
#[derive(Debug, Args)]
pub(super) struct ExtractWorker {
    #[arg(long)]
    memory_bytes: u64,
    #[arg(long)]
    cpu_seconds: u64,
    #[arg(long)]
    documents: u32,
    #[arg(long)]
    text_bytes: u64,
    #[arg(long)]
    unpacked_bytes: u64,
    #[arg(long)]
    members: u32,
    #[arg(long)]
    depth: u32,
    #[arg(long)]
    patience_ms: u64,
}

impl ExtractWorker {
    pub(super) fn run(&self) -> Code {
        let limits = Limits {
            memory_bytes: self.memory_bytes,
            cpu_seconds: self.cpu_seconds,
            documents: self.documents,
            read: ReadLimits {
                text_bytes: self.text_bytes,
                unpacked_bytes: self.unpacked_bytes,
                members: self.members,
                depth: self.depth,
                patience: Duration::from_millis(self.patience_ms),
            },
            // Kept by who started it.
            wall: Duration::MAX,
            document_bytes: u64::MAX,
        };
        match extract::serve(&limits) {
            extract::Ended::Well => Code::Well,
            extract::Ended::Failed => Code::Failed,
        }
    }
}
