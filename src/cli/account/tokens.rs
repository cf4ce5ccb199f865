use std::path::PathBuf;

use clap::Args;

use super::add::Stuck;
use super::ask::{ask, say};
use crate::cli::Code;
use crate::config::{Issuer, Preset, Provider, SecretSource, check_url};
use crate::daemon::sign_in;

/// How a new account gets access tokens.
#[derive(Debug, Args)]
pub(super) struct Tokens {
    /// Log in with access tokens: google, microsoft, or the address of a token endpoint; somebody signs in once, in a browser
    #[arg(long, value_name = "PROVIDER", conflicts_with_all = ["password_file", "password_env", "password_command"])]
    oauth: Option<Issuer>,
    /// What the provider calls this program
    #[arg(long, value_name = "ID", requires = "oauth")]
    client_id: Option<String>,
    /// A file that holds the secret of the program, if the provider gave one
    #[arg(long, value_name = "FILE", requires = "oauth")]
    client_secret_file: Option<PathBuf>,
    /// Where the provider gives out device codes [default: as it is known of google and microsoft]
    #[arg(long, value_name = "URL", requires = "oauth", value_parser = check_url)]
    device_url: Option<String>,
    /// What the tokens are to permit [default: as it is known of google and microsoft]
    #[arg(long, requires = "oauth")]
    scope: Option<String>,
}

const MICROSOFT: &str = "Microsoft takes no passwords for POP3, only access tokens. Poplar has to be registered once, by you \
                         or your administrator, at entra.microsoft.com under App registrations, with public client flows \
                         allowed and the permission POP.AccessAsUser.All; the client id stands there.";
const GOOGLE: &str = "Google takes access tokens, or an app password (myaccount.google.com/apppasswords). A client id is \
                      made at console.cloud.google.com under Credentials, for TVs and limited input devices; but Google \
                      refuses mail to most such clients, and an app password is the simpler way.";
const OTHERS: &str = "The client id is what the provider calls this program; it gives one when the program is registered \
                      there.";

impl Tokens {
    /// Who is to give tokens, if the account is to log in with such: as said, or as the host is known to want it.
    pub(super) fn issuer(
        &self,
        asks: bool,
        has_password: bool,
        host: &str,
    ) -> anyhow::Result<Result<Option<Issuer>, Stuck>> {
        if self.oauth.is_some() || has_password {
            return Ok(Ok(self.oauth.clone()));
        }
        Ok(Ok(match sign_in::provider_of(host) {
            Some(Preset::Microsoft) if !asks => {
                let why = format!("{MICROSOFT} Give --oauth microsoft and --client-id ID");
                return Ok(Err((Code::Usage, why)));
            }
            Some(Preset::Google) if asks => {
                say(&format!("{GOOGLE}\n"))?;
                let question = "Log in with access tokens? yes or no";
                let wanted = ask(question, Some("no"), |given| Ok(given.eq_ignore_ascii_case("yes")))?;
                wanted.then_some(Issuer::Preset(Preset::Google))
            }
            Some(Preset::Microsoft) => Some(Issuer::Preset(Preset::Microsoft)),
            _ => None,
        }))
    }

    /// The provider with all that a sign-in needs, given or asked for. Its token will be beside the configuration file.
    pub(super) fn provider(&self, asks: bool, issuer: Issuer, name: &str) -> anyhow::Result<Result<Provider, Stuck>> {
        let advice = match &issuer {
            Issuer::Preset(Preset::Microsoft) => MICROSOFT,
            Issuer::Preset(Preset::Google) => GOOGLE,
            Issuer::At(_) => OTHERS,
        };
        let client_id = match (&self.client_id, asks) {
            (Some(client_id), _) => client_id.clone(),
            (None, true) => {
                // Who was asked about Google has read it.
                if self.oauth.is_some() || advice != GOOGLE {
                    say(&format!("{advice}\n"))?;
                }
                ask("Client id", None, present)?
            }
            (None, false) => return Ok(Err((Code::Usage, format!("--client-id is missing. {advice}")))),
        };
        let mut provider = Provider::of_person(issuer, client_id, PathBuf::from(format!("{name}.token")));
        provider.client_secret = self.secret(asks, provider.preset)?;
        provider.device_url = self.device_url.clone().or(provider.device_url);
        provider.scope = self.scope.clone().or(provider.scope);
        if provider.device_url.is_none() {
            let why = "--device-url is missing: where the provider gives out device codes (RFC 8628)".to_owned();
            return Ok(Err((Code::Usage, why)));
        }
        Ok(Ok(provider))
    }

    /// Only Google gives a secret to programs on a person's machine, and wants it.
    fn secret(&self, asks: bool, preset: Option<Preset>) -> anyhow::Result<Option<SecretSource>> {
        let file = match (&self.client_secret_file, preset) {
            (Some(file), _) => file.clone(),
            (None, Some(Preset::Google)) if asks => {
                PathBuf::from(ask("File that holds the client secret", None, present)?)
            }
            (None, _) => return Ok(None),
        };
        Ok(Some(SecretSource::File(std::path::absolute(file)?)))
    }
}

fn present(given: &str) -> Result<String, String> {
    if given.is_empty() { Err("nothing goes on without it".to_owned()) } else { Ok(given.to_owned()) }
}
