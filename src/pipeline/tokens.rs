use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Error;
use super::error::blocking;
use crate::config::{Account, Grant, Oauth, Provider};
use crate::mail::{Clock, Secret};
use crate::net::oauth::{self, Http, Tokens};
use crate::net::tls::Trust;

/// Access tokens of all accounts, each kept as long as it is good: two who ask for one account wait for one answer.
#[derive(Clone, Debug, Default)]
pub struct AccessTokens(Arc<Mutex<HashMap<String, (Oauth, Tokens)>>>);

impl AccessTokens {
    /// A token that is good for a login now.
    pub(super) async fn get(&self, account: &Account, oauth: &Oauth) -> Result<Secret<String>, Error> {
        let tokens = match self.held(account, oauth) {
            Some(tokens) => tokens,
            None => self.hold(account, oauth, tokens(oauth).await?),
        };
        tokens.access().await.map_err(|error| Error::Token(Box::new(error)))
    }

    /// The server did not take this one although it should be good: the next is another.
    pub(super) async fn refused(&self, account: &Account, token: &Secret<String>) {
        if let Some(tokens) = account.oauth.as_ref().and_then(|oauth| self.held(account, oauth)) {
            tokens.forget(token).await;
        }
    }

    fn held(&self, account: &Account, oauth: &Oauth) -> Option<Tokens> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&account.name).filter(|(known, _)| known == oauth).map(|(_, tokens)| tokens.clone())
    }

    /// Of two who begin at once, the first stays.
    fn hold(&self, account: &Account, oauth: &Oauth, tokens: Tokens) -> Tokens {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match held.get(&account.name) {
            Some((known, first)) if known == oauth => first.clone(),
            _ => {
                held.insert(account.name.clone(), (oauth.clone(), tokens.clone()));
                tokens
            }
        }
    }
}

async fn tokens(oauth: &Oauth) -> Result<Tokens, Error> {
    match oauth {
        Oauth::Command(command) => Ok(Tokens::from_command(oauth::Command::new(command.token_command.clone()))),
        Oauth::Provider(written) => {
            let (provider, http) = issuer(written).await?;
            Tokens::from_provider(provider, http, Clock::system()).map_err(|error| Error::Token(Box::new(error)))
        }
    }
}

/// Who is asked for tokens, and through what. Reads the client's secret now.
pub async fn issuer(written: &Provider) -> Result<(oauth::Provider, Http), Error> {
    let written = written.clone();
    blocking(move || {
        let http = Http::new(&Trust::Platform).map_err(|error| Error::Setup(error.to_string()))?;
        Ok((provider(&written)?, http))
    })
    .await
}

fn provider(written: &Provider) -> Result<oauth::Provider, Error> {
    let secret = |source: &crate::config::SecretSource| source.read().map_err(|error| Error::Secret(Box::new(error)));
    let file = || written.refresh_token.as_ref().map(|tokens| tokens.file.clone());
    let grant = match (written.grant, file()) {
        (Grant::RefreshToken, Some(file)) => oauth::Grant::RefreshToken { file },
        (Grant::RefreshToken, None) => return Err(Error::Setup("oauth.refresh_token is missing".to_owned())),
        (Grant::ClientCredentials, _) => oauth::Grant::ClientCredentials,
    };
    Ok(oauth::Provider {
        token_url: written.token_url.clone(),
        device_url: written.device_url.clone(),
        client_id: written.client_id.clone(),
        client_secret: written.client_secret.as_ref().map(secret).transpose()?,
        scope: written.scope.clone(),
        grant,
    })
}
