//! TLS with rustls: who is believed, what we show, what the line can be told by.
//! Knows nothing about POP3.

mod binding;
mod error;
mod facts;
mod pin;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

pub use binding::channel_binding;
pub use error::TlsError;
pub use facts::{CertFacts, TlsFacts};
pub use pin::{ParsePinError, Pin};

/// Whose certificates are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities this machine trusts.
    Platform,
    /// The authorities of a PEM file, and no others.
    File(PathBuf),
}

/// What one account demands of its server, and shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `None`: the pins alone decide, and neither name nor dates of the certificate matter.
    pub trust: Option<Trust>,
    /// Where there are any, the server's certificate must be one of these as well.
    pub pins: Vec<Pin>,
    pub identity: Option<Identity>,
}

/// A certificate of ours: PEM files of the chain, our own first, and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("cannot read {key} {path}: {error}. It must hold {what} in PEM")]
    Unreadable { key: &'static str, path: PathBuf, what: &'static str, error: pem::Error },
    #[error("{key} {path} holds no certificate. It must hold at least one in PEM")]
    NoCertificate { key: &'static str, path: PathBuf },
    #[error("a certificate in ca_file {path} cannot be used as an authority: {error}")]
    UnusableCertificate { path: PathBuf, error: rustls::Error },
    #[error("client_key {path} can be read by others (mode {mode:04o}). Run: chmod 600 {path}")]
    OpenToOthers { path: PathBuf, mode: u32 },
    #[error("client_cert {path} cannot be used with client_key: {error}. The key must be the certificate's")]
    UnusableIdentity { path: PathBuf, error: rustls::Error },
    #[error("pin_only needs pin_sha256. Write there what the server's certificate or key hashes to")]
    NoPins,
    #[error("the certificate authorities of this machine cannot be used: {0}. Install ca-certificates or set ca_file")]
    Platform(rustls::Error),
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// The policy of an account that only says whom it trusts.
impl From<Trust> for Policy {
    fn from(trust: Trust) -> Self {
        Self { trust: Some(trust), pins: Vec::new(), identity: None }
    }
}

/// As [`Policy::client_config`], for an account that only says whom it trusts.
pub fn client_config(trust: &Trust) -> Result<Arc<ClientConfig>, SetupError> {
    Policy::from(trust.clone()).client_config()
}

impl Policy {
    /// What one account uses: TLS 1.2 or later, every certificate verified. One for each account, because the session
    /// cache in it must not be shared between accounts that trust differently. Reads files.
    pub fn client_config(&self) -> Result<Arc<ClientConfig>, SetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = self.verifier(&provider)?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(SetupError::Provider)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let unusable = |error| SetupError::UnusableIdentity { path: identity.certificate.clone(), error };
                builder.with_client_auth_cert(identity.chain()?, identity.key()?).map_err(unusable)?
            }
        };
        Ok(Arc::new(config))
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, SetupError> {
        let trusted = self.trust.as_ref().map(|trust| trust.verifier(Arc::clone(provider))).transpose()?;
        match trusted {
            Some(trusted) if self.pins.is_empty() => Ok(trusted),
            None if self.pins.is_empty() => Err(SetupError::NoPins),
            trusted => Ok(Arc::new(pin::Pinned::new(self.pins.clone(), trusted, provider))),
        }
    }
}

impl Trust {
    fn verifier(&self, provider: Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, SetupError> {
        match self {
            Self::Platform => Ok(Arc::new(Verifier::new(provider).map_err(SetupError::Platform)?)),
            Self::File(path) => {
                let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(path)?), provider);
                let unusable = |_| SetupError::NoCertificate { key: "ca_file", path: path.clone() };
                Ok(builder.build().map_err(unusable)?)
            }
        }
    }
}

impl Identity {
    /// What the certificate says, for warnings before it ends.
    pub fn facts(&self) -> Result<Option<CertFacts>, SetupError> {
        Ok(self.chain()?.first().and_then(CertFacts::of))
    }

    fn chain(&self) -> Result<Vec<CertificateDer<'static>>, SetupError> {
        certificates("client_cert", &self.certificate)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, SetupError> {
        let path = &self.key;
        let unreadable =
            |error| SetupError::Unreadable { key: "client_key", path: path.clone(), what: "a private key", error };
        let found = path.metadata().map_err(|error| unreadable(pem::Error::Io(error)))?;
        let mode = found.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(SetupError::OpenToOthers { path: path.clone(), mode });
        }
        PrivateKeyDer::from_pem_file(path).map_err(unreadable)
    }
}

fn roots(path: &Path) -> Result<RootCertStore, SetupError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates("ca_file", path)? {
        roots.add(certificate).map_err(|error| SetupError::UnusableCertificate { path: path.to_owned(), error })?;
    }
    Ok(roots)
}

fn certificates(key: &'static str, path: &Path) -> Result<Vec<CertificateDer<'static>>, SetupError> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    let unreadable = |error| SetupError::Unreadable { key, path: path.to_owned(), what: "certificates", error };
    let certificates = read().map_err(unreadable)?;
    if certificates.is_empty() {
        return Err(SetupError::NoCertificate { key, path: path.to_owned() });
    }
    Ok(certificates)
}
