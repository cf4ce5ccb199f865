//! What is sealed off because something was found in it. One file a verb.

mod purge;

use clap::Subcommand;

use super::{Code, Context};

#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// Destroys messages in which something was found, for good; that they were here, and why they are not, stays
    Purge(purge::Args),
}

impl Quarantine {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::Purge(purge) => purge::run(purge, context),
        }
    }
}
