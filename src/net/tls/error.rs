use std::io;

use rustls::{AlertDescription, CertificateError, InvalidMessage};

use super::pin::NotPinned;

/// Why there is no TLS with this server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    #[error(
        "its certificate was issued by an authority that is not trusted here. \
         If it is your own authority, set ca_file to its certificate"
    )]
    UnknownIssuer,
    #[error("its certificate is for another name: {0}. Set host, or tls_server_name, to a name in the certificate")]
    WrongName(String),
    #[error("its certificate has expired: {0}. Whoever runs the server must renew it")]
    Expired(String),
    #[error("its certificate is not valid yet: {0}. Check the clock of this machine")]
    NotValidYet(String),
    #[error("its certificate was revoked. Whoever runs the server must replace it")]
    Revoked,
    #[error(
        "its certificate is none of those in pin_sha256. If whoever runs the server says that the new one is right, \
         add {spki_sha256} (its key) or {sha256} (the certificate)"
    )]
    NotPinned { sha256: String, spki_sha256: String },
    #[error("the server does not have the key of the certificate it shows: it is not the one it claims to be")]
    BadSignature,
    #[error("its certificate cannot be accepted: {0}")]
    BadCertificate(String),
    #[error("the server speaks only old TLS (before 1.2) or only old ciphers. Whoever runs it must update it")]
    OldServer,
    #[error("what answers there does not speak TLS. Check port and tls (implicit or starttls)")]
    NotTls,
    #[error("{0:?} is not a name a certificate can be for. Check host and tls_server_name")]
    BadServerName(String),
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

impl TlsError {
    /// What rustls reports through `io::Error`. `None`: the trouble is not one of TLS.
    pub fn of(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref::<rustls::Error>().map(Self::from)
    }
}

impl From<&rustls::Error> for TlsError {
    fn from(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(reason) => Self::from(reason),
            rustls::Error::AlertReceived(AlertDescription::ProtocolVersion | AlertDescription::HandshakeFailure)
            | rustls::Error::PeerIncompatible(_) => Self::OldServer,
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NotTls,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<&CertificateError> for TlsError {
    fn from(reason: &CertificateError) -> Self {
        match reason {
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName(reason.to_string())
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired(reason.to_string()),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotValidYet(reason.to_string())
            }
            CertificateError::Revoked => Self::Revoked,
            CertificateError::BadSignature => Self::BadSignature,
            CertificateError::Other(other) if let Some(not_pinned) = other.0.downcast_ref::<NotPinned>() => {
                let NotPinned { sha256, spki_sha256 } = not_pinned.clone();
                Self::NotPinned { sha256, spki_sha256 }
            }
            other => Self::BadCertificate(other.to_string()),
        }
    }
}
