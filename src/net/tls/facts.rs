use std::net::IpAddr;

use rustls::ProtocolVersion;
use rustls::client::ClientConnection;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::time::Time;

use crate::mail::Timestamp;

/// How a line is secured, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TlsFacts {
    /// `TLS 1.3`
    pub version: String,
    /// `TLS13_AES_256_GCM_SHA384`
    pub cipher: String,
    /// What the server showed, its own certificate first.
    pub chain: Vec<CertFacts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertFacts {
    /// As RFC 4514 writes names: `CN=pop.example.org`.
    pub subject: String,
    pub issuer: String,
    /// DNS names and IP addresses it is for.
    pub names: Vec<String>,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// Of the whole certificate, in hexadecimal.
    pub sha256: String,
    /// Of its key (SubjectPublicKeyInfo), in hexadecimal.
    pub spki_sha256: String,
}

const WARN_DAYS: i64 = 21;
const DAY_MS: i64 = 24 * 3600 * 1000;

impl TlsFacts {
    /// `None` before the handshake is through.
    pub fn of(connection: &ClientConnection) -> Option<Self> {
        let version = match connection.protocol_version()? {
            ProtocolVersion::TLSv1_2 => "TLS 1.2".to_owned(),
            ProtocolVersion::TLSv1_3 => "TLS 1.3".to_owned(),
            other => format!("{other:?}"),
        };
        let cipher = format!("{:?}", connection.negotiated_cipher_suite()?.suite());
        let chain = connection.peer_certificates().unwrap_or_default().iter().filter_map(CertFacts::of).collect();
        Some(Self { version, cipher, chain })
    }

    /// When the server's own certificate ends, or is about to.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        self.chain.first()?.warning("the server's certificate", "whoever runs the server must renew it", now)
    }
}

impl CertFacts {
    /// `None`: not a certificate that can be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
        let tbs = parsed.tbs_certificate();
        let key = tbs.subject_public_key_info().to_der().ok()?;
        let names = tbs.get_extension::<SubjectAltName>().ok().flatten();
        Some(Self {
            subject: printable(&tbs.subject().to_string()),
            issuer: printable(&tbs.issuer().to_string()),
            names: names.iter().flat_map(|(_, names)| &names.0).filter_map(name).collect(),
            not_before: timestamp(tbs.validity().not_before),
            not_after: timestamp(tbs.validity().not_after),
            sha256: hex(&sha256(certificate)),
            spki_sha256: hex(&sha256(&key)),
        })
    }

    /// A sentence within 21 days of the end, and behind it. `whose` begins it, `remedy` ends it.
    pub fn warning(&self, whose: &str, remedy: &str, now: Timestamp) -> Option<String> {
        let left = self.not_after.as_millis().saturating_sub(now.as_millis());
        let until = self.not_after;
        match left {
            ..0 => Some(format!("{whose} ({}) ended at {until}; {remedy}", self.subject)),
            _ if left <= WARN_DAYS * DAY_MS => {
                Some(format!("{whose} ({}) ends in {} days, at {until}; {remedy}", self.subject, left / DAY_MS))
            }
            _ => None,
        }
    }
}

pub(super) fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(ring::digest::digest(&ring::digest::SHA256, octets).as_ref());
    hash
}

pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(printable(name.as_str())),
        GeneralName::IpAddress(octets) => {
            let octets = octets.as_bytes();
            let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
            v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

fn timestamp(time: Time) -> Timestamp {
    Timestamp::from_millis(i64::try_from(time.to_unix_duration().as_millis()).unwrap_or(i64::MAX))
}

fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}
