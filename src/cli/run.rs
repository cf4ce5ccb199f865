use std::time::Duration;

use super::{Code, Context};
use crate::daemon::owner::{Options, Stages};
use crate::daemon::run;

const LAST_MOMENT: Duration = Duration::from_millis(500);

/// The daemon, until it is told to stop.
pub(super) fn run(context: &Context) -> anyhow::Result<Code> {
    let loaded = context.config()?;
    loaded.accounts(&[])?;
    loaded.check_secrets()?;
    let options = Options { stages: Stages::All, allow_freshclam: true };
    let future = run::run(loaded, context.load.clone(), &options, context.clock.clone());
    let runtime = super::runtime()?;
    let ended = runtime.block_on(future);
    // A stage that hangs in a system call must not hold up the end.
    runtime.shutdown_timeout(LAST_MOMENT);
    ended.map(|()| Code::Well)
}
