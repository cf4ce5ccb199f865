use std::path::PathBuf;

use clap::Args;

use crate::cli::outcome::{print, print_json};
use crate::cli::{Code, Context, reader};

#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    /// The first 8 digits or more of an item's hash, or of a message's id: then all that was found in it
    id: String,
    /// The zip to write; one that is there is not overwritten
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Why; it stands in the journal
    #[arg(long, value_name = "TEXT", value_parser = super::reason)]
    reason: Option<String>,
}

impl Export {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let archive = context.archive()?;
        let exported = archive.export(&self.id, &self.output, self.reason.as_deref(), &reader())?;
        if context.json {
            print_json(&exported)?;
        } else if !context.quiet {
            let (number, file) = (exported.items.len(), exported.file.display());
            let noun = if number == 1 { "item" } else { "items" };
            print(&format!("{file}: {number} {noun}, encrypted with the password \"infected\"\n"))?;
        }
        Ok(Code::Well)
    }
}
