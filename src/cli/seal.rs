use std::sync::Arc;

use clap::Args;

use super::fetch::interrupted;
use super::outcome::{complain, print, print_json};
use super::screen::{Bar, count, packs, size};
use super::{Code, Context};
use crate::daemon::Progress;
use crate::daemon::owner::{Options, Stages};
use crate::daemon::seal::{self, Job, Outcome};

#[derive(Debug, Args)]
pub(super) struct Seal {
    /// Rewrite packs that are sealed already, too
    #[arg(long)]
    rewrite: bool,
    /// How hard to pack, by Zstandard's levels: a higher one takes longer
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: Option<i32>,
}

impl Seal {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let options = Options { stages: Stages::KeepOnly, allow_freshclam: false };
        let job = Job { level: self.level, rewrite: self.rewrite };
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "sealing", context.draws());
        let outcome = super::runtime()?.block_on(async {
            seal::seal(&loaded.config, job, &options, context.clock.clone(), progress, interrupted()).await
        })?;
        drop(bar);
        if context.json {
            print_json(&outcome)?
        } else {
            print(&told(&outcome))?
        }
        for failed in &outcome.failed {
            complain(&format!("pack {}: {}", failed.pack, failed.error));
        }
        if outcome.interrupted {
            complain("interrupted; what is not sealed yet stays as it was");
        }
        Ok(if outcome.failed.is_empty() && !outcome.interrupted { Code::Well } else { Code::Failed })
    }
}

fn told(outcome: &Outcome) -> String {
    if outcome.packs == 0 {
        return "nothing to seal\n".to_owned();
    }
    format!(
        "{} sealed: {} messages, {} of them with attachments stored once; {} on the disk instead of {}, for {} of mail \
         and records\n",
        packs(outcome.packs),
        count(outcome.messages),
        count(outcome.recipes),
        size(outcome.after_bytes),
        size(outcome.before_bytes),
        size(outcome.raw_bytes),
    )
}
