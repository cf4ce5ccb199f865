use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::backup::{complain_of, depth};
use super::outcome::{complain, print, print_json};
use super::screen::{Bar, Checked, count, messages, packs, size};
use super::{Code, Context};
use crate::archive::Pace;
use crate::daemon::Progress;
use crate::daemon::restore::{self, Outcome};

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The folder of the backup
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Read and hash everything that was restored, too
    #[arg(long)]
    verify: bool,
}

impl Restore {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let config = context.config()?.config;
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "restoring", context.draws());
        let checked = Checked::new(context.draws());
        let mut follow = checked.follow();
        let mut pace = Pace::new(None, &mut follow);
        let depth = depth(self.verify);
        let outcome = super::runtime()?.block_on(async {
            restore::restore(&config, &self.folder, depth, context.clock.clone(), &progress, &mut pace).await
        });
        drop(bar);
        drop(checked);
        let outcome = outcome?;
        if context.json {
            print_json(&outcome)?;
        } else {
            print(&told(&outcome))?;
            if !context.quiet {
                complain(AFTER);
            }
        }
        if outcome.indexed < outcome.messages {
            complain(&format!("{} could not be indexed", messages(outcome.messages - outcome.indexed)));
        }
        Ok(complain_of(&outcome.damage))
    }
}

const AFTER: &str = "\
what was archived after this backup is not in it. Mail that is still on its server comes again with the next fetch; what \
was deleted there meanwhile does not. The journal goes on from the backup's checkpoint: whoever has kept a newer one will \
see that history parted there.";

fn told(outcome: &Outcome) -> String {
    let head = match &outcome.checkpoint {
        None => "nothing is signed yet\n".to_owned(),
        Some(note) => {
            let root = note.lines().nth(2).unwrap_or_default();
            format!("the journal stands at {} signed entries, root {root}\n", count(outcome.entries))
        }
    };
    format!(
        "{} restored in {} ({}), {} indexed{}; {head}",
        messages(outcome.messages),
        packs(outcome.packs),
        size(outcome.bytes),
        count(outcome.indexed),
        if outcome.verified { ", everything read and hashed" } else { "" },
    )
}
