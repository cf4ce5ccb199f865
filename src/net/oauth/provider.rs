use std::path::PathBuf;

use super::error::{Cause, Error};
use crate::mail::Secret;
use crate::net::http;

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
    fn secrets_do_not_show() {
        let provider = Provider {
            token_url: "https://example.org/token".to_owned(),
            device_url: None,
            client_id: "id".to_owned(),
            client_secret: Some(Secret::new("hush".to_owned())),
            scope: None,
            grant: Grant::ClientCredentials,
        };
        assert!(!format!("{provider:?}").contains("hush"));
    }
}
