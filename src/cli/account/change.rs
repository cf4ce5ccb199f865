use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::cli::fetch::interrupted;
use crate::cli::outcome::{print, print_json};
use crate::cli::screen::tame;
use crate::cli::{Code, Context, runtime};
use crate::config::{self, EditError, Loaded};
use crate::daemon::account::{self, Act, Job, Outcome};

#[derive(Debug, Args)]
pub(in crate::cli) struct Name {
    /// The account
    name: String,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Rename {
    /// What the account is called
    old: String,
    /// What it is to be called
    new: String,
}

impl Name {
    pub(super) fn pause(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let outcome = change(context, &loaded, &self.name, Act::Pause)?;
        tell(context, &outcome, &format!("{} is paused", tame(&self.name)))
    }

    pub(super) fn resume(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let outcome = change(context, &loaded, &self.name, Act::Resume)?;
        tell(context, &outcome, &format!("{} is polled again", tame(&self.name)))
    }

    /// The file first: with the account still in it, a daemon that reads it would take it for one that came back.
    pub(super) fn remove(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        account::check(&loaded.config, &Job::new(&loaded.config, &self.name, Act::Remove))?;
        if let Some((file, text)) = with_account(&loaded, &self.name)? {
            config::save(&file, &config::remove_account(&text, &self.name)?)?;
        }
        let outcome = change(context, &loaded, &self.name, Act::Remove)?;
        tell(context, &outcome, &format!("{} is removed; its mail stays in the archive", tame(&self.name)))
    }
}

impl Rename {
    /// The file last: with the new name in it before it is on record, a daemon that reads it would begin a new account.
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let act = Act::Rename { to: self.new.clone() };
        account::check(&loaded.config, &Job::new(&loaded.config, &self.old, act.clone()))?;
        let edited = match with_account(&loaded, &self.old)? {
            Some((file, text)) => {
                // Nothing has changed yet if this cannot be done.
                config::save(&file, &text)?;
                Some((file, config::rename_account(&text, &self.old, &self.new)?))
            }
            None => None,
        };
        let outcome = change(context, &loaded, &self.old, act)?;
        if let Some((file, text)) = edited {
            config::save(&file, &text)?;
        }
        tell(context, &outcome, &format!("{} is called {} now", tame(&self.old), tame(&self.new)))
    }
}

pub(super) fn change(context: &Context, loaded: &Loaded, name: &str, act: Act) -> anyhow::Result<Outcome> {
    let job = Job::new(&loaded.config, name, act);
    // Ctrl-C gives the request up.
    runtime()?.block_on(async { account::change(&loaded.config, job, context.clock.clone(), interrupted()).await })
}

/// The configuration file with its text, if the account stands in it: imports have accounts that do not.
fn with_account(loaded: &Loaded, name: &str) -> Result<Option<(PathBuf, String)>, EditError> {
    let is_configured = loaded.config.accounts.iter().any(|account| account.name == name);
    let Some(file) = loaded.file.as_deref().filter(|_| is_configured) else { return Ok(None) };
    Ok(Some((file.to_owned(), text(file)?)))
}

fn text(file: &Path) -> Result<String, EditError> {
    fs::read_to_string(file).map_err(|source| EditError::Unwritable { file: file.to_owned(), source })
}

fn tell(context: &Context, outcome: &Outcome, sentence: &str) -> anyhow::Result<Code> {
    if context.json {
        print_json(&json!(outcome))?;
    } else if !context.quiet {
        print(&format!("{sentence}\n"))?;
    }
    Ok(Code::Well)
}
