use std::fmt;

/// Why an exchange was given up. Nothing the server says after that counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaslError {
    #[error("the server asks for more than {0} has to say. Set auth to another mechanism")]
    TooManyChallenges(&'static str),
    #[error("the server's challenge for {0} is not base64. Set auth to another mechanism")]
    NotBase64(&'static str),
    #[error("the server's challenge for {0} does not say what it must. Set auth to another mechanism")]
    Unreadable(&'static str),
    #[error("the {0} holds a character that SCRAM cannot carry (RFC 4013). Set auth = \"plain\", or change it")]
    Unpreparable(&'static str),
    #[error("the server did not take up our nonce: somebody may be replaying an old login. Check who runs the server")]
    ForeignNonce,
    #[error(
        "the server wants the password hashed {wanted} times, outside of {least} to {most}: fewer would not protect \
         it, more would only keep this machine busy. Ask who runs the server"
    )]
    Iterations { wanted: u64, least: u32, most: u32 },
    #[error("the server asks for an extension of SCRAM that is not known here. Set auth to another mechanism")]
    UnknownExtension,
    #[error(
        "the server does not know the password itself: it is not the one it claims to be. Check host and certificate"
    )]
    ForeignServer,
    #[error("the server says that we are in without the proof that it knows the password. Check host and certificate")]
    Unproven,
    #[error("Kerberos: {0}")]
    Kerberos(String),
    #[error(
        "the server wants every octet signed or encrypted by Kerberos, which POP3 clients leave to TLS. Whoever runs it \
         must permit the security layer \"none\""
    )]
    SecurityLayer,
}

/// What the server has against the token: the JSON of RFC 7628 section 3.2.2, which XOAUTH2 has as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenRefusal {
    /// `invalid_token`, or a status of HTTP such as `401`.
    pub status: String,
    /// The scope that a token has to have.
    pub scope: Option<String>,
}

impl TokenRefusal {
    /// Trouble of the server, not of the token.
    pub fn is_transient(&self) -> bool {
        self.status.len() == 3 && self.status.starts_with('5')
    }
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)?;
        match &self.scope {
            Some(scope) => write!(f, ", wants the scope {scope}"),
            None => Ok(()),
        }
    }
}
