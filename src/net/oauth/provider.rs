use std::path::PathBuf;

use super::error::{Cause, Error};
use crate::mail::Secret;
use crate::net::http;

/// The tenant that stands for every organisation and for personal accounts. It has no client credentials.
pub const MICROSOFT_ANY_TENANT: &str = "common";

/// Who is asked for tokens, as whom, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// `https://…`; `http://` to this machine itself only.
    pub token_url: String,
    /// Where a device sign-in begins, if the provider has one; the same rule.
    pub device_url: Option<String>,
    pub client_id: String,
    pub client_secret: Option<Secret<String>>,
    /// Words with spaces between them.
    pub scope: Option<String>,
    pub grant: Grant,
}

/// What an access token is asked for with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// The refresh token in this file, 0600 and nothing else in it. A provider that rotates it has it replaced.
    RefreshToken { file: PathBuf },
    /// The client's own id and secret: an application that an administrator let in.
    ClientCredentials,
}

impl Provider {
    /// Gmail and Workspace. Google gives a secret to programs on a person's machine too, and wants it.
    pub fn google(client_id: &str, client_secret: Option<Secret<String>>, file: PathBuf) -> Self {
        Self {
            token_url: "https://oauth2.googleapis.com/token".to_owned(),
            device_url: Some("https://oauth2.googleapis.com/device/code".to_owned()),
            client_id: client_id.to_owned(),
            client_secret,
            scope: Some("https://mail.google.com/".to_owned()),
            grant: Grant::RefreshToken { file },
        }
    }

    /// Microsoft 365 and outlook.com. `tenant` is a domain or id, or [`MICROSOFT_ANY_TENANT`] for a person's sign-in.
    pub fn microsoft(client_id: &str, client_secret: Option<Secret<String>>, tenant: &str, grant: Grant) -> Self {
        let address = |last: &str| format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/{last}");
        let scope = match grant {
            Grant::RefreshToken { .. } => "https://outlook.office.com/POP.AccessAsUser.All offline_access",
            Grant::ClientCredentials => "https://outlook.office365.com/.default",
        };
        Self {
            token_url: address("token"),
            device_url: Some(address("devicecode")),
            client_id: client_id.to_owned(),
            client_secret,
            scope: Some(scope.to_owned()),
            grant,
        }
    }

    /// Whether tokens may be asked for at these addresses: secrets travel over TLS, or stay on this machine.
    pub fn check(&self) -> Result<(), Error> {
        for url in [Some(&self.token_url), self.device_url.as_ref()].into_iter().flatten() {
            http::check(url).map_err(|error| Error { place: url.clone(), cause: error.into() })?;
        }
        Ok(())
    }

    pub(super) fn error(&self, cause: Cause) -> Error {
        Error { place: self.token_url.clone(), cause }
    }

    /// The fields that tell who asks, for a request whose own fields are `fields`.
    pub(super) fn form<'a>(&'a self, fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut form = fields.to_vec();
        form.push(("client_id", &self.client_id));
        form.extend(self.client_secret.as_ref().map(|secret| ("client_secret", secret.reveal().as_str())));
        form
    }

    /// What no sentence may show of a request whose own secrets are `sent`.
    pub(super) fn secrets<'a>(&'a self, sent: &[&'a str]) -> Vec<&'a str> {
        let own = self.client_secret.as_ref().map(|secret| secret.reveal().as_str());
        sent.iter().copied().chain(own).collect()
    }

    /// `scope`, where the request has one.
    pub(super) fn scope(&self) -> Option<(&str, &str)> {
        self.scope.as_deref().map(|scope| ("scope", scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_presets_ask_where_the_providers_say() {
        let file = || PathBuf::from("token");
        let google = Provider::google("id", None, file());
        let person = Grant::RefreshToken { file: file() };
        let microsoft = Provider::microsoft("id", None, MICROSOFT_ANY_TENANT, person);
        let application = Provider::microsoft("id", None, "example.org", Grant::ClientCredentials);
        for preset in [&google, &microsoft, &application] {
            preset.check().unwrap();
        }
        assert_eq!(microsoft.token_url, "https://login.microsoftonline.com/common/oauth2/v2.0/token");
        assert_eq!(application.scope.as_deref(), Some("https://outlook.office365.com/.default"));
    }

    #[test]
    fn secrets_do_not_show() {
        let provider = Provider::google("id", Some(Secret::new("hush".to_owned())), PathBuf::from("token"));
        assert!(!format!("{provider:?}").contains("hush"));
    }
}
