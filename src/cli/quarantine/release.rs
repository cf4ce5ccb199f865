use clap::Args;

use crate::archive::{Decided, Outcome, Wish};
use crate::cli::outcome::{complain, print, print_json};
use crate::cli::screen::tame;
use crate::cli::{Code, Context, reader};

#[derive(Debug, Args)]
pub(in crate::cli) struct Release {
    /// The first 8 digits or more of an item's hash, or of a message's id: then all that was found in it
    id: String,
    /// Why; it stands in the journal
    #[arg(long, value_name = "TEXT", value_parser = super::reason)]
    reason: String,
}

impl Release {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let config = context.config()?.config;
        let archive = context.archive_in(&config)?;
        let by = reader();
        let wish = Wish { reason: &self.reason, by: &by, four_eyes: config.quarantine.four_eyes };
        let decided = archive.release(&self.id, &wish)?;
        if context.json {
            print_json(&decided)?;
        }
        for one in &decided {
            let sentence = tame(&sentence(one, &by));
            match one.outcome.is_done() {
                true if context.json || context.quiet => {}
                true => print(&format!("{sentence}\n"))?,
                false => complain(&sentence),
            }
        }
        Ok(code(&decided))
    }
}

/// All of a message may be asked for again when part of it was released: what is released already is no failure then.
fn code(decided: &[Decided]) -> Code {
    let refused = |one: &Decided| matches!(one.outcome, Outcome::NeedsAnotherPerson | Outcome::FoundAgain);
    let any_done = decided.iter().any(|one| one.outcome.is_done());
    if any_done && !decided.iter().any(refused) { Code::Well } else { Code::Failed }
}

fn sentence(one: &Decided, by: &str) -> String {
    let (hash, signature) = (one.hash.short(), &one.signature);
    let before = one.before.as_deref().unwrap_or("somebody");
    match one.outcome {
        Outcome::Released => {
            format!("{hash} is released; should anything but {signature} be found in it, it is sealed off again")
        }
        Outcome::Asked => format!(
            "it is on record that {by} wants {hash} released; it is as soon as another person runs the same command"
        ),
        Outcome::NeedsAnotherPerson => {
            format!(
                "{hash} stays sealed off: {before} has asked for its release already, and another person has to do the same"
            )
        }
        Outcome::FoundAgain => {
            format!("{hash} stays sealed off: something else than {signature} was found in it meanwhile")
        }
        Outcome::AlreadyReleased => format!("{hash} was released already, by {before}"),
        Outcome::Destroyed => format!("{hash} was destroyed; there is nothing left to release"),
    }
}
