use ring::digest::{Algorithm, SHA256, SHA384, SHA512, digest};
use rustls::ProtocolVersion;
use rustls::client::ClientConnection;
use rustls::pki_types::CertificateDer;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

use crate::proto::pop3::ChannelBinding;

/// What only the two ends of this connection know: of TLS 1.3 an exported secret (RFC 9266), else a hash of the server's
/// certificate (RFC 5929 section 4.1). `None` where the certificate's signature names no hash of its own.
pub fn channel_binding(connection: &ClientConnection) -> Option<ChannelBinding> {
    if connection.protocol_version()? == ProtocolVersion::TLSv1_3 {
        let exported = connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b""));
        return exported.ok().map(|secret| ChannelBinding::TlsExporter(secret.to_vec()));
    }
    let certificate = connection.peer_certificates()?.first()?;
    let hash = digest(hash_of(certificate)?, certificate);
    Some(ChannelBinding::TlsServerEndPoint(hash.as_ref().to_vec()))
}

/// The hash of the certificate's signature; SHA-256 in place of MD5 and SHA-1.
fn hash_of(certificate: &CertificateDer<'_>) -> Option<&'static Algorithm> {
    let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
    match parsed.signature_algorithm().oid.to_string().as_str() {
        // RSA with MD5, SHA-1, SHA-256; ECDSA with SHA-1, SHA-256
        "1.2.840.113549.1.1.4" | "1.2.840.113549.1.1.5" | "1.2.840.113549.1.1.11" => Some(&SHA256),
        "1.2.840.10045.4.1" | "1.2.840.10045.4.3.2" => Some(&SHA256),
        "1.2.840.113549.1.1.12" | "1.2.840.10045.4.3.3" => Some(&SHA384),
        "1.2.840.113549.1.1.13" | "1.2.840.10045.4.3.4" => Some(&SHA512),
        _ => None,
    }
}
