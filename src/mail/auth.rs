//! How an account logs in: what the configuration says, and what the dialog does.

use schemars::JsonSchema;

#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
#[schemars(rename_all = "lowercase")]
pub enum Auth {
    /// The best one that the server offers and that is safe on this line.
    Auto,
    /// USER and PASS (RFC 1939).
    User,
    /// APOP (RFC 1939).
    Apop,
    /// SASL PLAIN (RFC 4616, RFC 5034).
    Plain,
    /// SASL LOGIN, never a standard.
    Login,
    /// SASL CRAM-MD5 (RFC 2195).
    #[schemars(rename = "cram-md5")]
    CramMd5,
    /// SASL SCRAM-SHA-1 (RFC 5802), bound to the TLS connection where the server can.
    #[schemars(rename = "scram-sha-1")]
    ScramSha1,
    /// SASL SCRAM-SHA-256 (RFC 7677), bound to the TLS connection where the server can.
    #[schemars(rename = "scram-sha-256")]
    ScramSha256,
    /// SASL OAUTHBEARER (RFC 7628) with a token from `[account.oauth]`.
    OauthBearer,
    /// Its elder XOAUTH2.
    Xoauth2,
    /// Kerberos (RFC 4752), with the ticket of the user that poplar runs as.
    Gssapi,
    /// The client certificate (RFC 4422).
    External,
    /// RPOP (RFC 1081): the server believes the host. Needs `allow_cleartext = true`.
    Rpop,
}
