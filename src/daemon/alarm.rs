//! Says so when no poll of an account has succeeded for too long, whatever its poller does or waits for meanwhile.

use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::roster::Roster;
use crate::catalog;
use crate::mail::Timestamp;
use crate::pipeline::Holds;
use crate::telemetry;

const SHORTEST: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

pub(super) struct Alarm {
    holds: Holds,
    roster: Roster,
    /// As it is configured.
    account: String,
    limit: Duration,
    began: Timestamp,
    /// Since when the last success lies in a time to come: the clock was set back, and does not tell how long it is past.
    ahead: Option<Instant>,
}

impl Alarm {
    pub(super) fn new(holds: Holds, roster: Roster, account: String, limit: Duration) -> Self {
        let began = holds.clock.now();
        Self { holds, roster, account, limit, began, ahead: None }
    }

    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let look = self.limit.clamp(SHORTEST, HOUR);
        while tokio::time::timeout(look, stop.wait_for(|stop| *stop)).await.is_err() {
            if let Err(error) = self.look() {
                telemetry::stage_failed("schedule", &error);
            }
        }
    }

    fn look(&mut self) -> Result<(), catalog::Error> {
        let name = self.roster.name(&self.account);
        let Some(known) = self.holds.catalog.account(&name)? else { return Ok(()) };
        if known.paused.is_some() || known.removed.is_some() {
            return Ok(());
        }
        let since = known.last_success.or(known.first_poll).unwrap_or(self.began);
        if self.is_over(since) {
            telemetry::poll_overdue(&name, &since);
        }
        Ok(())
    }

    fn is_over(&mut self, since: Timestamp) -> bool {
        let now = self.holds.clock.now();
        if since <= now {
            self.ahead = None;
            return since.after(self.limit) < now;
        }
        self.ahead.get_or_insert_with(Instant::now).elapsed() >= self.limit
    }
}
