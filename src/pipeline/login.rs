use super::Error;
use super::error::blocking;
use crate::config::{Account, Auth, TlsMode};
use crate::net::pop3::{self, Endpoint, Login, Tls};
use crate::net::tls;

/// Reads the secrets of the account now. Nothing is sent anywhere.
pub async fn way_in(account: &Account) -> Result<(Endpoint, Login), Error> {
    let trust = account.ca_file.clone().map_or(tls::Trust::Platform, tls::Trust::File);
    let config = || tls::client_config(&trust).map_err(|error| Error::Setup(error.to_string()));
    let tls = match account.tls {
        TlsMode::Implicit => Tls::Implicit(config()?),
        TlsMode::StartTls => Tls::StartTls(config()?),
        TlsMode::None => Tls::None,
    };
    let endpoint = Endpoint {
        host: account.host.clone(),
        port: account.port,
        tls,
        tls_server_name: account.tls_server_name.clone(),
    };
    let source = account.password.clone();
    let password = blocking(move || source.read().map_err(|error| Error::Setup(error.to_string()))).await?;
    let auth = match account.auth {
        Auth::Auto => pop3::Auth::Auto,
        Auth::User => pop3::Auth::User,
        Auth::Plain => pop3::Auth::Plain,
    };
    let login = Login {
        user: account.user.clone(),
        credentials: password.into(),
        auth,
        allow_cleartext: account.allow_cleartext,
    };
    Ok((endpoint, login))
}
