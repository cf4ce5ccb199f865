//! What of a message is signed or encrypted: S/MIME (RFC 8551) and PGP (RFC 3156, RFC 9580 section 6.2). Signed content is
//! read; whether the signature is right is not looked at.

use std::collections::BTreeSet;

use memchr::memmem;

use super::part::SIGNATURES;
use super::{Message, Part, read};
use crate::mail::query::Feature;
use crate::mail::views::signed_content;

const CMS: [&str; 2] = ["application/pkcs7-mime", "application/x-pkcs7-mime"];
const PGP_ENCRYPTED: &str = "application/pgp-encrypted";

const ARMOURED_MESSAGE: &[u8] = b"-----BEGIN PGP MESSAGE-----";
const ARMOURED_SIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// id-compressedData (RFC 3274), as DER: the only other thing that CMS puts round a mail, and nothing secret.
const COMPRESSED: &[u8] = &[6, 11, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 9];
/// How far from the beginning the type of CMS content stands.
const HEAD: usize = 64;

impl Message<'_> {
    /// Whether somebody signed or encrypted any of it.
    pub fn protection(&self) -> BTreeSet<Feature> {
        self.parts.iter().filter_map(protection).collect()
    }

    /// The parts of which only the recipients know what is in them.
    pub fn encrypted_parts(&self) -> impl Iterator<Item = &Part<'_>> {
        self.parts.iter().filter(|part| protection(part) == Some(Feature::Encryption))
    }

    /// The text inside an S/MIME signature that encloses what it signs.
    pub fn signed_text(&self) -> String {
        let mut text = String::new();
        for part in self.parts.iter().filter(|part| CMS.contains(&part.content_type.as_str())) {
            for content in signed_content(&part.octets()) {
                super::push_paragraph(&mut text, &read(content.as_slice()).body());
            }
        }
        text
    }
}

fn protection(part: &Part<'_>) -> Option<Feature> {
    let content_type = part.content_type.as_str();
    if SIGNATURES.contains(&content_type) {
        return Some(Feature::Signature);
    }
    if content_type == PGP_ENCRYPTED {
        return Some(Feature::Encryption);
    }
    if CMS.contains(&content_type) {
        let octets = part.octets();
        let head = &octets[..octets.len().min(HEAD)];
        return match (signed_content(&octets).is_empty(), memmem::find(head, COMPRESSED)) {
            (false, _) => Some(Feature::Signature),
            (true, None) => Some(Feature::Encryption),
            (true, Some(_)) => None,
        };
    }
    if !part.is_text() {
        return None;
    }
    // Undecoded: armour has nothing in it that a transfer encoding would change but base64, which nobody uses for it.
    let raw = part.raw();
    match (memmem::find(raw, ARMOURED_MESSAGE), memmem::find(raw, ARMOURED_SIGNED)) {
        (Some(_), _) => Some(Feature::Encryption),
        (None, Some(_)) => Some(Feature::Signature),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protected(content_type: &str, body: &str) -> Vec<Feature> {
        let octets = format!("From: a@example.org\r\nContent-Type: {content_type}\r\n\r\n{body}\r\n");
        read(octets.as_bytes()).protection().into_iter().collect()
    }

    #[test]
    fn signatures_and_encryption_are_told_by_type_and_by_armour() {
        assert_eq!(protected("application/pgp-encrypted", "Version: 1"), [Feature::Encryption]);
        assert_eq!(protected("application/pgp-signature", "x"), [Feature::Signature]);
        assert_eq!(protected("application/pkcs7-mime; smime-type=enveloped-data", "x"), [Feature::Encryption]);
        assert_eq!(protected("text/plain", "-----BEGIN PGP MESSAGE-----\r\n\r\nabc"), [Feature::Encryption]);
        assert_eq!(protected("text/plain", "-----BEGIN PGP SIGNED MESSAGE-----\r\n\r\nabc"), [Feature::Signature]);
        assert_eq!(protected("text/plain", "BEGIN PGP"), []);
    }
}
