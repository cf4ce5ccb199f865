use std::path::Path;
use std::str::FromStr;

use toml::de::DeValue;

use super::secret::secret;
use crate::config::oauth::{Grant, Issuer, Oauth, Preset, Provider, TokenCommand, TokenFile};
use crate::config::page::{Section, kind};
use crate::config::value;

pub(in crate::config) const PRESET: [(&str, Preset); 2] =
    [("google", Preset::Google), ("microsoft", Preset::Microsoft)];
pub(in crate::config) const GRANT: [(&str, Grant); 2] =
    [("refresh_token", Grant::RefreshToken), ("client_credentials", Grant::ClientCredentials)];

const SECRET: &str = "client_secret = { file = \"/path\" }";
const REFRESH_TOKEN: &str = "refresh_token = { file = \"/path\" }";

/// The table `[account.oauth]`, where the account has one.
pub(super) fn read_oauth(account: &mut Section<'_, '_>, folder: &Path) -> Option<Oauth> {
    let mut section = account.nested("oauth")?;
    let oauth = if section.has("token_command") {
        let token_command = section.optional("token_command", command);
        token_command.map(|token_command| Oauth::Command(TokenCommand { token_command }))
    } else {
        read_provider(&mut section, folder).map(Oauth::Provider)
    };
    section.finish();
    oauth
}

fn read_provider(section: &mut Section<'_, '_>, folder: &Path) -> Option<Provider> {
    let preset = section.optional("preset", value::word(&PRESET));
    let grant = section.optional("grant", value::word(&GRANT)).unwrap_or(Grant::RefreshToken);
    let token_url = match preset {
        Some(preset) => section.optional("token_url", url).or_else(|| Some(preset.token_url().to_owned())),
        None => section.required("token_url", "token_url = \"https://…\", or preset or token_command", url),
    };
    let device_url = section.optional("device_url", url);
    let client_id = section.required("client_id", "client_id = \"…\", as the provider gave it", value::text);
    let client_secret = section.optional("client_secret", secret(folder));
    let refresh_token = section.optional("refresh_token", token_file(folder));
    let scope = section.optional("scope", value::text);
    match grant {
        Grant::RefreshToken if !section.has("refresh_token") => {
            let sentence = format!("oauth: refresh_token is missing; write {REFRESH_TOKEN}, where it is to be kept");
            section.fault_at("refresh_token", &sentence);
        }
        Grant::ClientCredentials if !section.has("client_secret") => {
            section.fault_at("client_secret", &format!("oauth: client_secret is missing; write {SECRET}"));
        }
        Grant::ClientCredentials if section.has("refresh_token") => {
            section.fault_at("refresh_token", "oauth: refresh_token has no use with grant = \"client_credentials\"");
        }
        _ => {}
    }
    Some(Provider {
        preset,
        token_url: token_url?,
        device_url: device_url.or_else(|| preset.map(|preset| preset.device_url().to_owned())),
        client_id: client_id?,
        client_secret,
        refresh_token,
        scope: scope.or_else(|| preset.map(|preset| preset.scope(grant).to_owned())),
        grant,
    })
}

fn command(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value::texts(value) {
        Ok(words) if !words.is_empty() => Ok(words),
        _ => Err("must be a list of the program and its arguments, [\"oama\", \"access\", \"sales\"]".to_owned()),
    }
}

impl FromStr for Issuer {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        match PRESET.iter().find(|(word, _)| *word == written) {
            Some((_, preset)) => Ok(Self::Preset(*preset)),
            None => check_url(written).map(Self::At).map_err(|_| {
                "write google, microsoft, or the address of a token endpoint, which begins with https://".to_owned()
            }),
        }
    }
}

fn url(value: &DeValue<'_>) -> Result<String, String> {
    check_url(&value::text(value)?)
}

/// Tokens go to such an address: only over TLS, or to this machine. What is against it is the rest of a sentence.
pub fn check_url(written: &str) -> Result<String, String> {
    let here = ["http://127.0.0.1", "http://localhost", "http://[::1]"]
        .iter()
        .any(|host| written.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':'])));
    match written.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() && !rest.starts_with('/') && !written.contains(char::is_whitespace) => {
            Ok(written.to_owned())
        }
        _ if here => Ok(written.to_owned()),
        _ => Err(format!("= {written:?} is not an address that begins with https://")),
    }
}

fn token_file(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<TokenFile, String> {
    move |value| {
        let table = match value {
            DeValue::Table(table) => table,
            other => return Err(format!("must be written {REFRESH_TOKEN}, not as {}", kind(other))),
        };
        match (table.len(), table.get("file")) {
            (1, Some(file)) => Ok(TokenFile { file: value::path(folder)(file.get_ref())? }),
            _ => Err(format!("must be in a file that can be written again; write {REFRESH_TOKEN}")),
        }
    }
}
