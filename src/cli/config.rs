use clap::Subcommand;

use super::outcome::{complain, print, print_json};
use super::{Code, Context};

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Says whether the configuration can be used, and what to know about it
    Check,
    /// Prints what will be used, where each value comes from; no secrets
    Show,
    /// Prints the JSON Schema of the configuration file
    Schema,
}

impl Config {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::Schema => print_json(&crate::config::schema())?,
            Self::Show => {
                let loaded = context.config()?;
                if context.json { print_json(&loaded.show_json())? } else { print(&loaded.show())? }
            }
            Self::Check => {
                let loaded = context.config()?;
                loaded.check_secrets()?;
                let notes = loaded.notes();
                if context.json {
                    print_json(&serde_json::json!({ "file": loaded.file, "notes": notes }))?;
                    return Ok(Code::Well);
                }
                for note in &notes {
                    complain(note);
                }
                let file =
                    loaded.file.map_or("no file; the defaults are used".to_owned(), |file| file.display().to_string());
                print(&format!("{file}: well\n"))?;
            }
        }
        Ok(Code::Well)
    }
}
