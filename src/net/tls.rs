use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, InvalidMessage, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt;

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities this machine trusts.
    Platform,
    /// The authorities of a PEM file, and no others.
    File(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("cannot read ca_file {path}: {error}. It must hold certificates in PEM")]
    CaFile { path: PathBuf, error: pem::Error },
    #[error("ca_file {path} holds no certificate. It must hold at least one in PEM")]
    NoCertificate { path: PathBuf },
    #[error("a certificate in ca_file {path} cannot be used as an authority: {error}")]
    UnusableCertificate { path: PathBuf, error: rustls::Error },
    #[error("the certificate authorities of this machine cannot be used: {0}. Install ca-certificates or set ca_file")]
    Platform(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// What one account uses: TLS 1.2 or later, every certificate verified. One for each account, because the session
/// cache in it must not be shared between accounts that trust differently.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, SetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(SetupError::Provider)?;
    let verified = match trust {
        Trust::Platform => builder.with_platform_verifier().map_err(SetupError::Platform)?,
        Trust::File(path) => builder.with_root_certificates(roots(path)?),
    };
    Ok(Arc::new(verified.with_no_client_auth()))
}

fn roots(path: &Path) -> Result<RootCertStore, SetupError> {
    let unreadable = |error| SetupError::CaFile { path: path.to_owned(), error };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots
            .add(certificate.map_err(unreadable)?)
            .map_err(|error| SetupError::UnusableCertificate { path: path.to_owned(), error })?;
    }
    if roots.is_empty() {
        return Err(SetupError::NoCertificate { path: path.to_owned() });
    }
    Ok(roots)
}

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
            other => Self::BadCertificate(other.to_string()),
        }
    }
}
