use crate::archive::{self, AccountState, AccountStatus};
use crate::cli::outcome::{print, print_json};
use crate::cli::screen::{count, minute, table, tame};
use crate::cli::{Code, Context};
use crate::config::Account;
use crate::daemon::account::Listed;

/// All accounts of the configuration in its order, then those that are only in the archive.
pub(super) fn run(context: &Context) -> anyhow::Result<Code> {
    let config = context.config()?.config;
    let known = known(context)?;
    let find = |name: &str| known.iter().find(|known| known.account == name);
    let mut all: Vec<Listed> =
        config.accounts.iter().map(|account| Listed::of(Some(account), find(&account.name))).collect();
    let is_configured =
        |known: &AccountStatus| config.accounts.iter().any(|account: &Account| account.name == known.account);
    all.extend(known.iter().filter(|known| !is_configured(known)).map(|known| Listed::of(None, Some(known))));
    if context.json {
        print_json(&all)?
    } else {
        print(&told(&all))?
    }
    Ok(Code::Well)
}

/// The accounts on record; none where there is no archive yet.
pub(super) fn known(context: &Context) -> anyhow::Result<Vec<AccountStatus>> {
    match context.archive() {
        Ok(archive) => Ok(archive.status()?.accounts),
        Err(error) if error.downcast_ref().is_some_and(is_missing) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

const fn is_missing(error: &archive::Error) -> bool {
    matches!(error, archive::Error::NoArchive(_))
}

fn told(all: &[Listed]) -> String {
    if all.is_empty() {
        return "no account; poplar account add makes one\n".to_owned();
    }
    let time = |time: &Option<String>| time.as_deref().map_or("-".to_owned(), minute);
    let mut rows = vec![
        ["ACCOUNT", "SERVER", "USER", "STATE", "LAST SUCCESS", "NEXT POLL", "ARCHIVED"].map(str::to_owned).to_vec(),
    ];
    rows.extend(all.iter().map(|listed| {
        let server = listed.host.as_ref().map(|host| format!("{host}:{}", listed.port.unwrap_or_default()));
        vec![
            tame(&listed.account),
            tame(&server.unwrap_or_else(|| "-".to_owned())),
            tame(listed.user.as_deref().unwrap_or("-")),
            state(listed),
            time(&listed.last_success),
            time(&listed.next_poll),
            count(listed.kept),
        ]
    }));
    table(&rows)
}

fn state(listed: &Listed) -> String {
    match listed.state {
        AccountState::Active if listed.last_error.is_some() => "failed".to_owned(),
        AccountState::Active if listed.host.is_none() => "not configured".to_owned(),
        state => state.as_str().to_owned(),
    }
}
