use std::io::Write;
use std::path::PathBuf;

use clap::Subcommand;

use super::outcome::{print, print_json};
use super::screen::tame;
use super::{Code, Context};
use crate::archive::{self, EntryShown, Head, Proved};
use crate::files;

/// What happened, and the proofs of it
#[derive(Debug, Subcommand)]
pub(super) enum Journal {
    /// The last signed checkpoint: keep copies of it elsewhere
    Head,
    /// The entries, oldest first
    List {
        /// The index of the first to show
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// How many at the most
        #[arg(long, default_value_t = u64::MAX, hide_default_value = true)]
        limit: u64,
    },
    /// Writes the proof that a message was kept, or that an entry is in the journal
    Prove {
        /// A message's id, or its beginning
        #[arg(required_unless_present = "entry")]
        id: Option<String>,
        /// The index of an entry instead
        #[arg(long, conflicts_with = "id")]
        entry: Option<u64>,
        /// Where to write it [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Checks a proof offline
    Check {
        file: PathBuf,
        /// The key that is trusted, or a file with it [default: the key of the configured archive]
        #[arg(long)]
        key: Option<String>,
        /// Check also that this file is the message, octet for octet
        #[arg(long, value_name = "FILE")]
        message: Option<PathBuf>,
    },
}

impl Journal {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::Head => head(context),
            Self::List { from, limit } => list(context, from, limit),
            Self::Prove { id, entry, output } => {
                let what = entry.map_or_else(|| Proved::Message(id.unwrap_or_default()), Proved::Entry);
                prove(context, &what, output)
            }
            Self::Check { file, key, message } => check(context, &file, key, message),
        }
    }
}

fn head(context: &Context) -> anyhow::Result<Code> {
    let head: Head = context.archive()?.journal_head()?;
    if context.json {
        print_json(&head)?
    } else {
        print(&head.checkpoint)?
    }
    Ok(Code::Well)
}

fn list(context: &Context, from: u64, limit: u64) -> anyhow::Result<Code> {
    let archive = context.archive()?;
    if context.json {
        let mut entries = Vec::new();
        archive.journal_entries(from, limit, &mut |entry| {
            entries.push(entry);
            Ok(())
        })?;
        print_json(&entries)?;
        return Ok(Code::Well);
    }
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let mut broken = None;
    archive.journal_entries(from, limit, &mut |entry| {
        if broken.is_none() {
            broken = writeln!(stdout, "{}", line(&entry)).err();
        }
        Ok(())
    })?;
    broken.map_or(Ok(()), Err)?;
    stdout.flush()?;
    Ok(Code::Well)
}

fn line(entry: &EntryShown) -> String {
    let word = |name: &str| entry.leaf.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    let shown = ["account", "verdict", "blob"].map(|name| (name, word(name)));
    let more: Vec<String> = shown
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {}", value.chars().take(16).collect::<String>()))
        .collect();
    let waits = if entry.signed { "" } else { "  (not signed yet)" };
    tame(&format!("{:>8}  {}  {:<14} {}{waits}", entry.index, word("time"), word("kind"), more.join("  ")))
}

fn prove(context: &Context, what: &Proved, output: Option<PathBuf>) -> anyhow::Result<Code> {
    let proof = context.archive()?.prove(what)?;
    let text = proof.to_text();
    if let Some(path) = &output {
        files::publish(path, text.as_bytes())
            .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))?;
    }
    if context.json {
        print_json(&archive::ProofShown::from(&proof))?;
    } else if output.is_none() {
        print(&text)?;
    }
    Ok(Code::Well)
}

fn check(
    context: &Context,
    file: &std::path::Path,
    key: Option<String>,
    message: Option<PathBuf>,
) -> anyhow::Result<Code> {
    let key = match key {
        Some(key) => archive::read_key(&key)?,
        None => context.archive()?.journal_key()?,
    };
    let proven = archive::check_proof(&read(file)?, &key)?;
    if let Some(path) = message {
        archive::check_message(&proven, &read(&path)?)?;
    }
    if context.json {
        print_json(&archive::ProvenShown::from(&proven))?;
        return Ok(Code::Well);
    }
    let about = proven.message.map(|id| format!(", and is about message {id}")).unwrap_or_default();
    print(&format!(
        "proven: entry {} of {} in {}{about}\n{}\n",
        proven.index, proven.size, proven.origin, proven.leaf
    ))?;
    Ok(Code::Well)
}

fn read(path: &std::path::Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| anyhow::anyhow!("cannot read {}: {error}", path.display()))
}
