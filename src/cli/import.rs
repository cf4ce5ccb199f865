use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::fetch::interrupted;
use super::outcome::{complain, complain_of, print, print_json};
use super::screen::{Bar, count, messages, tame};
use super::{Code, Context};
use crate::daemon::Progress;
use crate::daemon::import::{self, Job};
use crate::daemon::owner::{Options, Stages};

#[derive(Debug, Args)]
pub(super) struct Import {
    /// .eml and mbox files, Maildirs, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// The account the mail is kept under
    #[arg(long, default_value = "import")]
    account: String,
    /// How long to wait for a scanner that stays away, for example 5m
    #[arg(long, default_value = "60s", value_parser = super::fetch::period)]
    wait: Duration,
}

impl Import {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        // The owner of the archive may have another working folder.
        let paths = self.paths.iter().map(std::path::absolute).collect::<Result<Vec<_>, _>>()?;
        let options = Options { stages: Stages::All, allow_freshclam: true };
        let job = Job { account: self.account, paths, wait: self.wait };
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "importing", context.draws());
        let outcome = super::runtime()?.block_on(async {
            import::import(&loaded.config, job, &options, context.clock.clone(), progress, interrupted()).await
        })?;
        drop(bar);
        if context.json {
            print_json(&outcome)?;
        } else {
            let read = messages(outcome.read);
            let (kept, known) = (count(outcome.kept), count(outcome.duplicates));
            print(&format!("{read} read: {kept} kept, {known} already there\n"))?;
        }
        for failed in &outcome.failed {
            complain(&format!("{}: {}", tame(&failed.path), tame(&failed.error)));
        }
        let left = complain_of(&outcome.left);
        if outcome.interrupted {
            complain("interrupted");
        }
        if let Some(shortage) = &outcome.paused {
            complain(shortage);
        }
        let left = if outcome.paused.is_some() { Code::Later } else { left };
        Ok(if outcome.failed.is_empty() && !outcome.interrupted { left } else { Code::Failed })
    }
}
