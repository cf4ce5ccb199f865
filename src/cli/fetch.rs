use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use rustix::process::{Signal, getpid, kill_process};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::outcome::{complain, complain_of, print, print_json};
use super::screen::{Bar, count, size, table, tame};
use super::{Code, Context};
use crate::config::{Account, parse_period};
use crate::daemon::Progress;
use crate::daemon::fetch::{self, AccountOutcome, Job, Outcome};
use crate::daemon::owner::{Options, Stages};

#[derive(Debug, Args)]
pub(super) struct Fetch {
    /// The accounts to poll [default: all]
    accounts: Vec<String>,
    /// How long to wait for a scanner that stays away, for example 5m
    #[arg(long, default_value = "60s", value_parser = period)]
    wait: Duration,
    /// Return when everything is kept; scanning and indexing are left to the next run
    #[arg(long)]
    keep_only: bool,
}

impl Fetch {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let accounts: Vec<Account> = loaded.accounts(&self.accounts)?.into_iter().cloned().collect();
        loaded.check_secrets()?;
        let stages = if self.keep_only { Stages::KeepOnly } else { Stages::All };
        let options = Options { stages, allow_freshclam: true };
        let job = Job { accounts, wait: self.wait };
        let progress = Arc::new(Progress::default());
        let bar = Bar::follow(progress.clone(), "fetching", context.draws());
        let outcome = super::runtime()?.block_on(async {
            let stop = interrupted();
            fetch::fetch(&loaded.config, job, &options, context.clock.clone(), progress, stop).await
        })?;
        drop(bar);
        if context.json {
            print_json(&outcome)?;
        } else {
            print(&told(&outcome))?;
        }
        let code = code(&outcome, self.keep_only);
        for name in &outcome.skipped {
            complain(&format!(
                "account {name} is paused and was not polled; poplar account resume {name} has it polled again"
            ));
        }
        Ok(if outcome.skipped.is_empty() || self.accounts.is_empty() { code } else { Code::Usage })
    }
}

/// True from the first Ctrl-C or SIGTERM on; a second one ends the program at once.
pub(super) fn interrupted() -> watch::Receiver<bool> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
        let [Ok(mut terminate), Ok(mut interrupt)] = signals else { return };
        let mut next = async || {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        next().await;
        // Never dropped: that would look like a change.
        stop.send_replace(true);
        next().await;
        // The signals stay caught for as long as the program runs; this one never is.
        let _there_is_no_after = kill_process(getpid(), Signal::KILL);
    });
    stopped
}

pub(super) fn period(text: &str) -> Result<Duration, String> {
    parse_period(text).ok_or_else(|| "write a number and a unit, for example 60s, 5m or 1h".to_owned())
}

pub(super) fn code(outcome: &Outcome, keep_only: bool) -> Code {
    for account in &outcome.accounts {
        if let Some(error) = &account.error {
            complain(&format!("account {}: {error}", account.account));
        }
    }
    let left = if keep_only { Code::Well } else { complain_of(&outcome.left) };
    match (outcome.is_complete(), outcome.is_paused()) {
        (true, _) => left,
        (_, true) => Code::Later,
        _ => Code::Failed,
    }
}

fn told(outcome: &Outcome) -> String {
    let mut rows = vec![["ACCOUNT", "LISTED", "NEW", "KEPT", "SIZE", "TIME", ""].map(str::to_owned).to_vec()];
    rows.extend(outcome.accounts.iter().map(row));
    table(&rows)
}

fn row(account: &AccountOutcome) -> Vec<String> {
    let counts = &account.counts;
    let rest = [
        ("duplicate", counts.duplicates),
        ("oversize", counts.oversize),
        ("failed", counts.failed),
        ("deferred", counts.deferred),
        ("vanished", counts.vanished),
        ("deleted at the server", counts.deleted),
    ];
    let mut notes: Vec<String> = rest.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{n} {word}")).collect();
    if account.error.is_some() {
        notes.push("failed, see below".to_owned());
    }
    vec![
        tame(&account.account),
        count(counts.listed),
        count(account.new),
        count(counts.kept),
        size(counts.bytes),
        format!("{:.1} s", account.seconds),
        notes.join(", "),
    ]
}
