use std::time::Duration;

use clap::Args;

use super::{Code, Context};
use crate::daemon::Deletions;
use crate::daemon::owner::{Options, Stages};
use crate::daemon::run;

#[derive(Debug, Args)]
pub(super) struct Run {
    /// Let after_archive delete messages that no signed checkpoint of the journal covers. There are no checkpoints
    /// yet: without this nothing is deleted at the server
    #[arg(long)]
    unproven: bool,
}

const LAST_MOMENT: Duration = Duration::from_millis(500);

impl Run {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        loaded.accounts(&[])?;
        loaded.check_secrets()?;
        let options = Options { stages: Stages::All, deletions: deletions(self.unproven), allow_freshclam: true };
        super::fetch::warn_about_deletions(&loaded.config.accounts, self.unproven);
        let future = run::run(loaded, context.load.clone(), &options, context.clock.clone());
        let runtime = super::runtime()?;
        let ended = runtime.block_on(future);
        // A stage that hangs in a system call must not hold up the end.
        runtime.shutdown_timeout(LAST_MOMENT);
        ended.map(|()| Code::Well)
    }
}

pub(super) const fn deletions(unproven: bool) -> Deletions {
    if unproven { Deletions::Unproven } else { Deletions::Proven }
}
