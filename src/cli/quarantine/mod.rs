//! `poplar quarantine`: one file a verb.
//! Knows nothing about what makes something dangerous, or where its octets lie.

mod export;
mod list;
mod purge;
mod release;
mod show;

use clap::Subcommand;

use super::{Code, Context};

#[derive(Debug, Subcommand)]
pub(super) enum Quarantine {
    /// What is sealed off, the latest first
    List(list::List),
    /// All that is known of it: where it was found, who read that, who let it out
    Show(show::Show),
    /// Lets it out: ordinary readers get it again, wherever it occurs
    Release(release::Release),
    /// Writes it into a zip with AES and the password "infected", for whoever is to look into it
    Export(export::Export),
    /// Destroys messages in which something was found, for good; that they were here, and why they are not, stays
    Purge(purge::Args),
}

impl Quarantine {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::List(list) => list.run(context),
            Self::Show(show) => show.run(context),
            Self::Release(release) => release.run(context),
            Self::Export(export) => export.run(context),
            Self::Purge(purge) => purge::run(purge, context),
        }
    }
}

/// A reason that says something.
pub(super) fn reason(given: &str) -> Result<String, String> {
    let reason = given.trim();
    if reason.is_empty() { Err("say why; it stands in the journal".to_owned()) } else { Ok(reason.to_owned()) }
}
