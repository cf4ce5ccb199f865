use std::time::Duration;

use clap::Args;

use super::fetch::{interrupted, period};
use super::outcome::{complain, print, print_json};
use super::screen::count;
use super::{Code, Context};
use crate::daemon::owner::{Options, Stages};
use crate::daemon::rescan::{self, Job, Outcome};

#[derive(Debug, Args)]
pub(super) struct Rescan {
    /// Which messages, in the language of `poplar search` [default: all]
    query: Vec<String>,
    /// How long to wait for a scanner that stays away, for example 5m
    #[arg(long, default_value = "60s", value_parser = period)]
    wait: Duration,
}

#[derive(Debug, Args)]
pub(super) struct Requeue {
    /// The messages, by id [default: all that are stuck]
    ids: Vec<String>,
}

impl Rescan {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let query = (!self.query.is_empty()).then(|| self.query.join(" "));
        let wait_ms = u64::try_from(self.wait.as_millis()).unwrap_or(u64::MAX);
        let outcome = done(context, Job::Rescan { query, wait_ms })?;
        outcome.notes.iter().for_each(|note| complain(note));
        if !context.json {
            print(&format!(
                "{} to be scanned again; {} with another verdict than before, {} of them infected\n",
                count(outcome.messages),
                count(outcome.changed),
                count(outcome.infected)
            ))?;
        }
        if outcome.waiting == 0 {
            return Ok(Code::Well);
        }
        let why = outcome.scanner.unwrap_or_else(|| "the scan is still under way".to_owned());
        complain(&format!("{} still wait to be scanned: {why}", count(outcome.waiting)));
        Ok(Code::Later)
    }
}

impl Requeue {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let outcome = done(context, Job::Requeue { ids: self.ids })?;
        if !context.json {
            print(&format!("{} get another try\n", count(outcome.messages)))?;
        }
        Ok(Code::Well)
    }
}

fn done(context: &Context, job: Job) -> anyhow::Result<Outcome> {
    let loaded = context.config()?;
    let is_scan = matches!(job, Job::Rescan { .. });
    let stages = if is_scan { Stages::All } else { Stages::KeepOnly };
    let options = Options { stages, allow_freshclam: is_scan };
    let outcome = super::runtime()?
        .block_on(async { rescan::again(&loaded.config, job, &options, context.clock.clone(), interrupted()).await })?;
    if context.json {
        print_json(&outcome)?;
    }
    Ok(outcome)
}
