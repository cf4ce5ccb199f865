use super::opening::OpeningError;
use super::sasl::SecurityContexts;
use crate::mail::{Auth, Secret};

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub credentials: Credentials,
    /// A mechanism that fails is never followed by a weaker one.
    pub auth: Auth,
    /// Permits mechanisms that show the password to everybody in the line where there is no TLS.
    pub allow_cleartext: bool,
}

/// What there is to log in with.
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    pub password: Option<Secret<String>>,
    /// An access token (RFC 6750).
    pub token: Option<Secret<String>>,
    /// Whether TLS shows a certificate of ours.
    pub client_certificate: bool,
    /// Kerberos.
    pub security_contexts: Option<SecurityContexts>,
}

impl From<Secret<String>> for Credentials {
    fn from(password: Secret<String>) -> Self {
        Self { password: Some(password), ..Self::default() }
    }
}

impl Login {
    /// Refuses what must not be tried at all. `cleartext`: there will be no TLS.
    pub(super) fn check(&self, cleartext: bool) -> Result<(), OpeningError> {
        let Credentials { password, token, .. } = &self.credentials;
        let secrets = [("password", password), ("access token", token)];
        let secrets = secrets.iter().filter_map(|(name, secret)| Some((*name, secret.as_ref()?.reveal().as_str())));
        for (name, value) in [("user name", self.user.as_str())].into_iter().chain(secrets) {
            if value.contains(['\r', '\n', '\0']) {
                return Err(OpeningError::Unspeakable(name));
            }
        }
        if self.auth == Auth::Rpop && !self.allow_cleartext {
            return Err(OpeningError::RpopForbidden);
        }
        if cleartext && self.auth.shows_its_secret() && !self.allow_cleartext {
            return Err(OpeningError::CleartextForbidden);
        }
        match self.missing() {
            Some(what) => Err(OpeningError::NoCredential { auth: self.auth.name(), what }),
            None => Ok(()),
        }
    }

    fn missing(&self) -> Option<&'static str> {
        let Credentials { password, token, client_certificate, security_contexts } = &self.credentials;
        let (there, what) = match self.auth {
            Auth::Auto | Auth::Rpop => (true, ""),
            Auth::Gssapi => (security_contexts.is_some(), "Kerberos"),
            Auth::External => (*client_certificate, "a client certificate"),
            Auth::OauthBearer | Auth::Xoauth2 => (token.is_some(), "an access token"),
            _ => (password.is_some(), "a password"),
        };
        (!there).then_some(what)
    }
}

impl Auth {
    /// As protocols call it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::User => "USER/PASS",
            Self::Apop => "APOP",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::ScramSha1 => "SCRAM-SHA-1",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::Gssapi => "GSSAPI",
            Self::External => "EXTERNAL",
            Self::Rpop => "RPOP",
        }
    }

    /// Whether whoever listens can log in afterwards. APOP is among these: its MD5 can be undone.
    const fn shows_its_secret(self) -> bool {
        matches!(
            self,
            Self::User | Self::Apop | Self::Plain | Self::Login | Self::OauthBearer | Self::Xoauth2 | Self::External
        )
    }
}
