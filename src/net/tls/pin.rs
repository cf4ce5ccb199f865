use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, SignatureScheme};
use subtle::{Choice, ConstantTimeEq};

use super::facts::sha256;

/// The SHA-256 of a server's certificate, or of the key in it (its SubjectPublicKeyInfo). The key outlives renewals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a pin is the 64 hexadecimal digits of a SHA-256")]
pub struct ParsePinError;

impl FromStr for Pin {
    type Err = ParsePinError;

    fn from_str(text: &str) -> Result<Self, ParsePinError> {
        let id = text.parse::<crate::mail::BlobId>().map_err(|_| ParsePinError)?;
        Ok(Self(*id.as_bytes()))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::facts::hex(&self.0))
    }
}

/// The certificate is not one of the pinned ones.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not pinned")]
pub(super) struct NotPinned {
    pub(super) sha256: String,
    pub(super) spki_sha256: String,
}

/// Pins, and whoever else has to agree. That the server has the certificate's key is verified in every case: a pin
/// alone would let in everybody who has seen the certificate.
#[derive(Debug)]
pub(super) struct Pinned {
    pins: Vec<Pin>,
    trusted: Option<Arc<dyn ServerCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pinned {
    pub(super) fn new(
        pins: Vec<Pin>,
        trusted: Option<Arc<dyn ServerCertVerifier>>,
        provider: &Arc<CryptoProvider>,
    ) -> Self {
        Self { pins, trusted, algorithms: provider.signature_verification_algorithms }
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        let shown = [sha256(certificate), sha256(&key)];
        let same = |pin: &Pin| shown.iter().fold(Choice::from(0), |same, shown| same | pin.0.ct_eq(shown));
        if self.pins.iter().fold(Choice::from(0), |found, pin| found | same(pin)).into() {
            return Ok(());
        }
        let [sha256, spki_sha256] = shown.map(|hash| super::facts::hex(&hash));
        let not_pinned = OtherError(Arc::new(NotPinned { sha256, spki_sha256 }));
        Err(CertificateError::Other(not_pinned).into())
    }
}

impl ServerCertVerifier for Pinned {
    /// Authorities first: whom they do not vouch for is not somebody to add a pin for.
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(trusted) = &self.trusted {
            trusted.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_64_digits() {
        let digits = "0123456789abcdef".repeat(4);
        assert_eq!(format!("{:?}", digits.to_uppercase().parse::<Pin>().unwrap()), digits);
        for wrong in ["", "ab", &digits[1..], &"g".repeat(64), &format!("{digits}0")] {
            assert_eq!(wrong.parse::<Pin>(), Err(ParsePinError), "{wrong}");
        }
    }
}
