use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::outcome::{complain, print, print_json};
use super::screen::{Bar, Checked, count, messages, packs, size, tame};
use super::{Code, Context};
use crate::archive::{Damage, Depth, Pace};
use crate::daemon::Progress;
use crate::daemon::backup::{self, Outcome};
use crate::daemon::reserve::Reserve;

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// Where the backup is, or is to be: a folder for backups of this archive alone
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Read and hash everything in the backup, too
    #[arg(long)]
    verify: bool,
}

impl Backup {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let config = context.config()?.config;
        // A reader needs some room for what it shares with the owner.
        Reserve::of(&config).make_way();
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "packs", context.draws());
        let checked = Checked::new(context.draws());
        let mut follow = checked.follow();
        let mut pace = Pace::new(None, &mut follow);
        let clock = context.clock.clone();
        let outcome = backup::backup(&config, &self.folder, depth(self.verify), clock, &progress, &mut pace);
        drop(bar);
        drop(checked);
        let outcome = outcome?;
        if context.json {
            print_json(&outcome)?;
        } else {
            print(&told(&outcome))?;
            if outcome.linked > 0 && !context.quiet {
                complain(&format!(
                    "{} of the backup are the archive's own files under a second name, since both are on one disk; only \
                     a copy on another disk outlives this one",
                    packs(outcome.linked)
                ));
            }
        }
        let code = complain_of(&outcome.damage);
        if code != Code::Well && self.verify {
            complain(
                "where `poplar verify` finds nothing, the backup alone is damaged: remove those files from it, and back \
                 up again",
            );
        }
        Ok(code)
    }
}

/// The code that goes with it.
pub(super) fn complain_of(damage: &[Damage]) -> Code {
    for found in damage {
        complain(&format!("damage: {}: {}", tame(&found.object), tame(&found.problem)));
    }
    if damage.is_empty() { Code::Well } else { Code::Failed }
}

pub(super) const fn depth(verify: bool) -> Depth {
    if verify { Depth::Full } else { Depth::Quick }
}

fn told(outcome: &Outcome) -> String {
    let ways = [
        (outcome.unchanged, "unchanged".to_owned()),
        (outcome.linked, "linked".to_owned()),
        (outcome.cloned, "sharing their blocks".to_owned()),
        (outcome.copied, format!("copied ({})", size(outcome.copied_bytes))),
    ];
    let ways = ways.iter().filter(|(number, _)| *number > 0).map(|(number, way)| format!("{} {way}", count(*number)));
    format!(
        "{} and {} journal entries in {} ({}); the catalog copied ({}){}\n",
        messages(outcome.messages),
        count(outcome.entries),
        packs(outcome.packs),
        ways.collect::<Vec<_>>().join(", "),
        size(outcome.catalog_bytes),
        if outcome.verified { "; everything in the backup read and hashed" } else { "" },
    )
}
