use std::sync::Arc;

use crate::cli::fetch::interrupted;
use crate::cli::outcome::{complain, print, print_json};
use crate::cli::screen::{Bar, messages};
use crate::cli::{Code, Context, reader, runtime};
use crate::daemon::Progress;
use crate::daemon::purge::{self, Outcome, Wanted};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The id of the message, or of what was found in it, or the first 8 digits or more
    id: String,
    /// Why: it stays on record in the place of the mail
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Every message that holds it, if there are several
    #[arg(long)]
    all_messages: bool,
}

pub(super) fn run(arguments: Args, context: &Context) -> anyhow::Result<Code> {
    let config = context.config()?.config;
    let Args { id, reason, all_messages } = arguments;
    let wanted = Wanted { id, all_messages, reason, by: reader() };
    let progress = Arc::new(Progress::default());
    let bar = Bar::follow(progress.clone(), "destroying", context.draws());
    let outcome = runtime()?
        .block_on(async { purge::purge(&config, wanted, context.clock.clone(), progress, interrupted()).await })?;
    drop(bar);
    if context.json {
        print_json(&outcome)?
    } else {
        print(&told(&outcome))?
    }
    Ok(complain_of(&outcome))
}

fn told(outcome: &Outcome) -> String {
    let before = outcome.destroyed_before.len() as u64;
    let before = if before > 0 { format!(" ({} destroyed before)", messages(before)) } else { String::new() };
    format!("{} destroyed{before}\n", messages(outcome.destroyed.len() as u64))
}

fn complain_of(outcome: &Outcome) -> Code {
    for failed in &outcome.failed {
        complain(&format!("destroyed on record, and still in pack {}: {}", failed.pack, failed.error));
    }
    if let Some(why) = &outcome.index {
        complain(&format!("the words are still in the index, where nobody finds them: {why}"));
    }
    if outcome.interrupted {
        complain("interrupted; what is destroyed on record, the next start of poplar destroys in the packs");
    }
    let is_done = outcome.failed.is_empty() && outcome.index.is_none() && !outcome.interrupted;
    if is_done { Code::Well } else { Code::Failed }
}
