use clap::Args;

use super::ask::say;
use super::change::change;
use super::{list, test};
use crate::archive::{AccountState, AccountStatus};
use crate::cli::fetch::interrupted;
use crate::cli::outcome::{print, print_json};
use crate::cli::screen::{Waiting, tame};
use crate::cli::{Code, Context, runtime};
use crate::config::Loaded;
use crate::daemon::account::Act;
use crate::daemon::sign_in::{self, Prompt};

#[derive(Debug, Args)]
pub(in crate::cli) struct Login {
    /// The account
    name: String,
}

impl Login {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        let loaded = context.config()?;
        let account = loaded.account(&self.name)?;
        loaded.check_secrets()?;
        let data_dir = &loaded.config.data_dir;
        let show = |prompt: &Prompt| tell_what_to_do(context, prompt);
        let tested = runtime()?
            .block_on(async { sign_in::again(account, data_dir, &context.clock, interrupted(), show).await })?;
        if tested.error.is_none() {
            wake(context, &loaded, &self.name)?;
        }
        if context.json {
            print_json(&tested)?;
        } else {
            print(&test::told(&tested))?;
        }
        Ok(test::code(&tested))
    }
}

/// An account that rests, or waits long, because of its old token is polled again; one that somebody paused stays so.
fn wake(context: &Context, loaded: &Loaded, name: &str) -> anyhow::Result<()> {
    let known = list::known(context)?;
    let waits = |known: &AccountStatus| match known.state {
        AccountState::Resting => true,
        AccountState::Active => known.last_error.is_some(),
        AccountState::Paused | AccountState::Removed => false,
    };
    if known.iter().any(|known| known.account == name && waits(known)) {
        change(context, loaded, name, Act::Resume)?;
    }
    Ok(())
}

/// Says where to sign in, on stderr even with `--quiet`: nothing goes on without it. The wait shows until the result is
/// dropped.
pub(super) fn tell_what_to_do(context: &Context, prompt: &Prompt) -> Waiting {
    let Prompt { verification_uri, user_code, expires_in } = prompt;
    let minutes = expires_in.as_secs().div_ceil(60);
    let told = say(&format!(
        "Open this address in any browser, and type the code there (good for {minutes} min; Ctrl-C gives up):\n\n    \
         {}\n    {}\n\n",
        tame(verification_uri),
        tame(user_code)
    ));
    // Without stderr nobody sees it; the code runs out by itself then.
    drop(told);
    Waiting::show("waiting for the sign-in", context.draws())
}
