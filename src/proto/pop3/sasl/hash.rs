use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::Sha256;

/// The hash a SCRAM mechanism is named after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::pop3) enum Hash {
    Sha1,
    Sha256,
}

impl Hash {
    pub(super) fn hash(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
        }
    }

    pub(super) fn hmac(self, key: &[u8], octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => keyed(Hmac::<Sha1>::new_from_slice(key), octets),
            Self::Sha256 => keyed(Hmac::<Sha256>::new_from_slice(key), octets),
        }
    }

    /// `Hi` of RFC 5802 section 2.2.
    pub(super) fn stretch(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut key = vec![0; self.octets()];
        match self {
            Self::Sha1 => pbkdf2::pbkdf2_hmac::<Sha1>(password, salt, iterations, &mut key),
            Self::Sha256 => pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, iterations, &mut key),
        }
        key
    }

    const fn octets(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

/// HMAC-MD5 in hexadecimal (RFC 2195).
pub(super) fn hmac_md5_hex(key: &[u8], octets: &[u8]) -> String {
    hex(&keyed(Hmac::<Md5>::new_from_slice(key), octets))
}

/// MD5 in hexadecimal, for APOP.
pub(in crate::proto::pop3) fn md5_hex(octets: &[u8]) -> String {
    hex(&Md5::digest(octets))
}

fn keyed<M: Mac>(mac: Result<M, hmac::digest::InvalidLength>, octets: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length (RFC 2104 section 2)")]
    let mac = mac.expect("a key of any length");
    mac.chain_update(octets).finalize().into_bytes().to_vec()
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}
