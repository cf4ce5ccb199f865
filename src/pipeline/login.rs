use super::error::blocking;
use super::{AccessTokens, Error};
use crate::config::{Account, Auth, SecretSource, TlsMode};
use crate::mail::Secret;
use crate::net::gssapi;
use crate::net::pop3::{Credentials, Endpoint, Login, SecurityContexts, Tls};
use crate::net::tls::{Identity, Pin, Policy, Trust};

/// Where an account's server is, and what is said to be let in. Reads the account's secrets now, and asks for an access
/// token where one is needed.
pub async fn way_in(account: &Account, tokens: &AccessTokens) -> Result<(Endpoint, Login), Error> {
    let endpoint = Endpoint {
        host: account.host.clone(),
        port: account.port,
        tls: tls(account).await?,
        tls_server_name: account.tls_server_name.clone(),
    };
    let login = Login {
        user: account.user.clone(),
        credentials: credentials(account, tokens).await?,
        auth: account.auth,
        allow_cleartext: account.allow_cleartext,
    };
    Ok((endpoint, login))
}

async fn tls(account: &Account) -> Result<Tls, Error> {
    if account.tls == TlsMode::None {
        return Ok(Tls::None);
    }
    let policy = policy(account)?;
    let config = blocking(move || policy.client_config().map_err(|error| Error::Setup(error.to_string()))).await?;
    Ok(if account.tls == TlsMode::StartTls { Tls::StartTls(config) } else { Tls::Implicit(config) })
}

fn policy(account: &Account) -> Result<Policy, Error> {
    let trust = account.ca_file.clone().map_or(Trust::Platform, Trust::File);
    let pins: Result<Vec<Pin>, _> = account.pin_sha256.iter().map(|pin| pin.parse()).collect();
    let files = account.client_cert.clone().zip(account.client_key.clone());
    Ok(Policy {
        trust: (!account.pin_only).then_some(trust),
        pins: pins.map_err(|error| Error::Setup(format!("pin_sha256: {error}")))?,
        identity: files.map(|(certificate, key)| Identity { certificate, key }),
    })
}

/// Only what the account's mechanism may need: what is not used is not asked for.
async fn credentials(account: &Account, tokens: &AccessTokens) -> Result<Credentials, Error> {
    let password = match &account.password {
        Some(source) if uses_password(account.auth) => Some(read(source.clone()).await?),
        _ => None,
    };
    let token = match &account.oauth {
        Some(oauth) if matches!(account.auth, Auth::Auto | Auth::OauthBearer | Auth::Xoauth2) => {
            Some(tokens.get(account, oauth).await?)
        }
        _ => None,
    };
    let security_contexts = (account.auth == Auth::Gssapi).then(|| security_contexts(account));
    Ok(Credentials { password, token, client_certificate: account.client_cert.is_some(), security_contexts })
}

const fn uses_password(auth: Auth) -> bool {
    !matches!(auth, Auth::OauthBearer | Auth::Xoauth2 | Auth::Gssapi | Auth::External | Auth::Rpop)
}

async fn read(source: SecretSource) -> Result<Secret<String>, Error> {
    blocking(move || source.read().map_err(|error| Error::Secret(Box::new(error)))).await
}

/// Kerberos for the service `pop` at the account's host.
fn security_contexts(account: &Account) -> SecurityContexts {
    let host = account.host.clone();
    SecurityContexts::new(move || match gssapi::Context::new("pop", &host) {
        Ok(context) => Ok(Box::new(context)),
        Err(error) => Err(error.to_string()),
    })
}
