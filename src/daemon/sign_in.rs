//! Signs a person in with a provider by device code (RFC 8628), for a new account or once more for one whose refresh token
//! is void. Knows nothing about the configuration file, or about how a person is shown what to do.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::watch;

use super::account_test::{self, LIMITS, Tested};
use crate::config::{Account, Grant, Oauth, Preset, Provider};
use crate::mail::Clock;
use crate::net::oauth::{self, device_code};
use crate::pipeline::{self, issuer, stopping};

pub use crate::net::oauth::Prompt;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("account {0} logs in without tokens of a provider: there is nowhere to sign in. See [account.oauth]")]
    NoProvider(String),
    #[error("account {0} has its tokens from a command: sign in with that, or by what it says")]
    FromCommand(String),
    #[error("account {0} has its tokens for client_credentials: an administrator let it in, and nobody signs in")]
    NoPerson(String),
    #[error("{} is there already, and may be the token of another account; move it away, or give another name", .0.display())]
    Taken(PathBuf),
    #[error("interrupted before anybody had signed in; nothing has changed")]
    Stopped,
    #[error(transparent)]
    Refused(#[from] oauth::Error),
    #[error(transparent)]
    Setup(#[from] pipeline::Error),
}

impl Error {
    /// Whether the same may work later without a person changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(error) => error.is_transient(),
            Self::Setup(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the settings, or what was asked for, are wrong.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::NoProvider(_) | Self::FromCommand(_) | Self::NoPerson(_) | Self::Taken(_))
    }
}

/// Whose tokens the server of this name takes, where that is known.
pub fn provider_of(host: &str) -> Option<Preset> {
    let host = host.to_lowercase();
    match host.as_str() {
        "pop.gmail.com" => Some(Preset::Google),
        "outlook.office365.com" | "outlook.com" => Some(Preset::Microsoft),
        _ if host.ends_with(".outlook.com") => Some(Preset::Microsoft),
        _ => None,
    }
}

/// Signs in for an account that is not configured yet, and tests its login. The refresh token stays only if both went well.
/// `show` says what the person has to do; what it returns is dropped once that is done, or given up.
pub async fn first<S>(
    account: &Account,
    data_dir: &Path,
    clock: &Clock,
    stop: watch::Receiver<bool>,
    show: impl FnOnce(&Prompt) -> S,
) -> Result<Tested, Error> {
    let file = provider(account)?.refresh_token.as_ref().map(|token| token.file.clone());
    if let Some(file) = file.as_ref().filter(|file| file.exists()) {
        return Err(Error::Taken(file.clone()));
    }
    let tested = again(account, data_dir, clock, stop, show).await;
    if let Some(file) = file.filter(|_| !matches!(&tested, Ok(tested) if tested.error.is_none())) {
        // Mostly it was never made.
        drop(fs::remove_file(file));
    }
    tested
}

/// Signs in for an account, whose refresh token is replaced only then, and tests its login.
pub async fn again<S>(
    account: &Account,
    data_dir: &Path,
    clock: &Clock,
    mut stop: watch::Receiver<bool>,
    show: impl FnOnce(&Prompt) -> S,
) -> Result<Tested, Error> {
    let provider = provider(account)?;
    tokio::select! {
        signed_in = sign_in(provider, clock, show) => signed_in?,
        () = stopping(&mut stop) => return Err(Error::Stopped),
    }
    Ok(account_test::test(account, data_dir, &LIMITS).await)
}

async fn sign_in<S>(provider: &Provider, clock: &Clock, show: impl FnOnce(&Prompt) -> S) -> Result<(), Error> {
    let (provider, http) = issuer(provider).await?;
    let waiting = device_code(&provider, &http, clock).await?;
    let _shown = show(waiting.prompt());
    Ok(waiting.wait().await?)
}

fn provider(account: &Account) -> Result<&Provider, Error> {
    let name = || account.name.clone();
    match &account.oauth {
        None => Err(Error::NoProvider(name())),
        Some(Oauth::Command(_)) => Err(Error::FromCommand(name())),
        Some(Oauth::Provider(provider)) if provider.grant == Grant::ClientCredentials => Err(Error::NoPerson(name())),
        Some(Oauth::Provider(provider)) => Ok(provider),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_whole_names() {
        assert_eq!(provider_of("Outlook.Office365.com"), Some(Preset::Microsoft));
        assert_eq!(provider_of("pop-mail.outlook.com"), Some(Preset::Microsoft));
        assert_eq!(provider_of("pop.gmail.com"), Some(Preset::Google));
        assert_eq!(provider_of("notoutlook.com"), None);
        assert_eq!(provider_of("outlook.com.example.org"), None);
    }
}
