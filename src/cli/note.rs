use clap::{Args, Subcommand};

use super::outcome::{print, print_json};
use super::screen::{minute, tame, tame_lines};
use super::{Code, Context, reader};
use crate::archive::NoteShown;

#[derive(Debug, Subcommand)]
pub(super) enum Note {
    /// Writes something about a message. It cannot be changed afterwards: who errs adds another note
    Add(Add),
    /// What was written about a message, the first one first
    List(List),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The message's id, or its first 8 digits or more
    id: String,
    /// What to write
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// The message's id, or its first 8 digits or more
    id: String,
}

/// A note is no document.
const LONGEST_BYTES: usize = 16 << 10;

impl Note {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let (archive, id) = match &self {
            Self::Add(Add { id, .. }) | Self::List(List { id }) => (context.archive()?, id),
        };
        let row = archive.find(id)?;
        if let Self::Add(add) = &self {
            archive.note(&row, &text(&add.text)?, &reader())?;
        }
        let notes = archive.notes(&row)?;
        if context.json {
            print_json(&notes)?;
        } else if notes.is_empty() {
            print("nothing was written about it\n")?;
        } else {
            print(&notes.iter().map(told).collect::<String>())?;
        }
        Ok(Code::Well)
    }
}

fn text(words: &[String]) -> anyhow::Result<String> {
    let text = words.join(" ").trim().to_owned();
    anyhow::ensure!(!text.is_empty(), "a note says something");
    anyhow::ensure!(text.len() <= LONGEST_BYTES, "a note has at most {} KiB", LONGEST_BYTES >> 10);
    Ok(text)
}

/// A note with all its lines.
pub(super) fn told(note: &NoteShown) -> String {
    format!("{}  {}: {}\n", minute(&note.at), tame(&note.by), tame_lines(&note.text))
}
