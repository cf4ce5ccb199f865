//! Any octets as a proof and a key: nothing panics, and nothing is proven but by what was signed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::journal::{Proof, VerifierKey};

/// The key of an archive that this program made; set by the script.
fn key() -> Option<VerifierKey> {
    std::env::var("FUZZ_KEY").ok()?.parse().ok()
}

fuzz_target!(|octets: &[u8]| {
    let line = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let made_up = std::str::from_utf8(line).ok().and_then(|line| line.parse::<VerifierKey>().ok());
    let Ok(proof) = Proof::parse(octets) else { return };
    let printed = Proof::parse(proof.to_text().as_bytes()).expect("what is printed can be read");
    assert_eq!(printed.to_text(), proof.to_text());
    for key in key().into_iter().chain(made_up) {
        if let Ok(proven) = proof.check(&key) {
            assert_eq!(proven.origin, key.name());
        }
    }
});
