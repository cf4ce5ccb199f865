//! `poplar account`: one file a verb.
//! Knows nothing about how a login is done or what the schedule makes of it.

mod add;
mod ask;
mod change;
mod list;
mod login;
mod test;
mod tokens;

use clap::Subcommand;

use super::{Code, Context};

#[derive(Debug, Subcommand)]
pub(super) enum Account {
    /// All accounts, with how they are
    List,
    /// Logs in to an account's server, says what it is like, and what a poll would do; changes nothing
    Test(test::Test),
    /// Finds the server of a mailbox, tests the login, and writes the account into the configuration file
    Add(Box<add::Add>),
    /// Signs in again for an account whose provider no longer takes its refresh token, and tests the login
    Login(login::Login),
    /// Does not poll an account until it is resumed
    Pause(change::Name),
    /// Polls an account again, at once; also one that rests since its server refused it
    Resume(change::Name),
    /// Gives an account another name, here and in the configuration file; mail and ledger stay with it
    Rename(change::Rename),
    /// Takes an account out of the configuration file; its mail and its ledger stay in the archive
    Remove(change::Name),
}

impl Account {
    pub(super) fn run(self, context: &Context) -> anyhow::Result<Code> {
        match self {
            Self::List => list::run(context),
            Self::Test(test) => test.run(context),
            Self::Add(add) => add.run(context),
            Self::Login(login) => login.run(context),
            Self::Pause(name) => name.pause(context),
            Self::Resume(name) => name.resume(context),
            Self::Rename(rename) => rename.run(context),
            Self::Remove(name) => name.remove(context),
        }
    }
}
