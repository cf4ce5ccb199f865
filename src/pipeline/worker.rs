use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Error;
use crate::mail::{Clock, Timestamp};
use crate::telemetry;

/// Hints that a stage has something to do. A lost hint costs a wait, never a message: the catalog is the truth.
#[derive(Clone, Debug, Default)]
pub struct Wake {
    pub scan: Arc<Notify>,
    pub index: Arc<Notify>,
    pub extract: Arc<Notify>,
    pub seal: Arc<Notify>,
    pub purge: Arc<Notify>,
}

impl Wake {
    /// Messages have been kept.
    pub(super) fn kept(&self) {
        self.scan.notify_one();
        self.index.notify_one();
    }
}

/// What one step of a stage came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something was done; there may be more.
    Worked,
    /// Nothing is due before this time, as far as the catalog knows.
    Idle(Option<Timestamp>),
}

/// One stage of the pipeline. A step is never interrupted, but ends early when `stop` turns true; the wait between two
/// steps always may be.
pub trait Work: Send {
    fn name(&self) -> &'static str;
    fn step(&mut self, stop: &mut watch::Receiver<bool>) -> impl Future<Output = Result<Step, Error>> + Send;
}

/// Resolves when the program is stopping.
pub async fn stopping(stop: &mut watch::Receiver<bool>) {
    // Without a sender nobody can say so, and there is nobody left to work for.
    drop(stop.wait_for(|stop| *stop).await);
}

/// Looks at the catalog at least this often, whatever hints came.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a step failed as a whole: the disk, the catalog, the index.
const WAIT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The one loop of all stages, and of their recovery: what was not recorded as done is found due again.
pub async fn run(mut work: impl Work, hint: Arc<Notify>, clock: Clock, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        // Registered before the step looks, so that no hint falls between looking and waiting.
        let hinted = hint.notified();
        let wait = match work.step(&mut shutdown).await {
            Ok(Step::Worked) => continue,
            Ok(Step::Idle(due)) => until(due, clock.now()),
            Err(Error::Closing) => return,
            Err(error) => {
                telemetry::stage_failed(work.name(), &error);
                WAIT_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = hinted => {}
            () = tokio::time::sleep(wait) => {}
            () = stopping(&mut shutdown) => {}
        }
    }
}

fn until(due: Option<Timestamp>, now: Timestamp) -> Duration {
    let Some(due) = due else { return LONGEST_WAIT };
    let wait = u64::try_from(due.as_millis() - now.as_millis()).unwrap_or(0);
    Duration::from_millis(wait).min(LONGEST_WAIT)
}
