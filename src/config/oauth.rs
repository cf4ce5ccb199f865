use std::path::PathBuf;

use schemars::JsonSchema;

use super::SecretSource;

/// Where access tokens (RFC 6749) come from.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(untagged)]
pub enum Oauth {
    /// From a program.
    Command(TokenCommand),
    /// From the provider itself.
    Provider(Provider),
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TokenCommand {
    /// A program and its arguments, run without a shell before each login; what it prints within 30 s is the token.
    pub token_command: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields, extend("required" = ["client_id"]))]
pub struct Provider {
    /// Fills in `token_url`, `device_url` and `scope`, where they are left out.
    #[schemars(with = "Preset")]
    pub preset: Option<Preset>,
    /// Where tokens are asked for. It begins with `https://`. Has to be there without a preset.
    pub token_url: String,
    /// Where a device code is asked for, to be let in for the first time (RFC 8628).
    #[schemars(with = "String")]
    pub device_url: Option<String>,
    /// What the provider calls this program.
    pub client_id: String,
    /// Where the program's own secret comes from, if the provider gave one.
    #[schemars(with = "SecretSource")]
    pub client_secret: Option<SecretSource>,
    /// The file that keeps the refresh token. It is written again whenever the provider gives another. Has to be there
    /// with `grant = "refresh_token"`.
    #[schemars(with = "TokenFile")]
    pub refresh_token: Option<TokenFile>,
    /// What the token is to permit.
    #[schemars(with = "String")]
    pub scope: Option<String>,
    /// What is shown for a token.
    #[schemars(extend("default" = "refresh_token"))]
    pub grant: Grant,
}

/// Who gives out tokens, as a person names it: a provider that is known, or the address of a token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Issuer {
    Preset(Preset),
    At(String),
}

impl Provider {
    /// A provider where a person signs in; the refresh token is kept in `file`. What the issuer leaves open is not set.
    pub fn of_person(issuer: Issuer, client_id: String, file: PathBuf) -> Self {
        let (preset, token_url) = match issuer {
            Issuer::Preset(preset) => (Some(preset), preset.token_url().to_owned()),
            Issuer::At(url) => (None, url),
        };
        let grant = Grant::RefreshToken;
        Self {
            preset,
            token_url,
            device_url: preset.map(|preset| preset.device_url().to_owned()),
            client_id,
            client_secret: None,
            refresh_token: Some(TokenFile { file }),
            scope: preset.map(|preset| preset.scope(grant).to_owned()),
            grant,
        }
    }
}

/// A file of our own: it may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct TokenFile {
    pub file: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Preset {
    Google,
    Microsoft,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "snake_case")]
pub enum Grant {
    /// A refresh token, got when somebody let this program in.
    RefreshToken,
    /// The program's own secret: an administrator let it in.
    ClientCredentials,
}

impl Preset {
    pub(super) const fn token_url(self) -> &'static str {
        match self {
            Self::Google => "https://oauth2.googleapis.com/token",
            Self::Microsoft => "https://login.microsoftonline.com/common/oauth2/v2.0/token",
        }
    }

    pub(super) const fn device_url(self) -> &'static str {
        match self {
            Self::Google => "https://oauth2.googleapis.com/device/code",
            Self::Microsoft => "https://login.microsoftonline.com/common/oauth2/v2.0/devicecode",
        }
    }

    pub(super) const fn scope(self, grant: Grant) -> &'static str {
        match (self, grant) {
            (Self::Google, _) => "https://mail.google.com/",
            (Self::Microsoft, Grant::RefreshToken) => "https://outlook.office.com/POP.AccessAsUser.All offline_access",
            (Self::Microsoft, Grant::ClientCredentials) => "https://outlook.office365.com/.default",
        }
    }
}
