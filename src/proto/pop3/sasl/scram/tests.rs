use proptest::prelude::*;

use super::*;

const USER: &str = "user";

fn scram(hash: Hash, binding: Binding, nonce: &str) -> Scram {
    Scram::new(hash, USER, &Secret::new("pencil".to_owned()), binding, nonce).unwrap()
}

fn said(octets: &Secret<Vec<u8>>) -> String {
    String::from_utf8(octets.reveal().clone()).unwrap()
}

fn hears(scram: &mut Scram, text: &str) -> Result<String, SaslError> {
    scram.step(STANDARD.encode(text).as_bytes()).map(|response| said(&response))
}

/// RFC 5802 section 5.
#[test]
fn sha_1_as_in_its_rfc() {
    let mut scram = scram(Hash::Sha1, Binding::Impossible, "fyko+d2lbbFgONRv9qkxdawL");
    assert_eq!(said(&scram.first().unwrap().unwrap()), "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL");
    let first = "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096";
    let last = "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=";
    assert_eq!(hears(&mut scram, first).unwrap(), last);
    assert_eq!(scram.due(), Due::Proof);
    assert_eq!(hears(&mut scram, "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=").unwrap(), "");
    assert_eq!(scram.due(), Due::Verdict);
    assert_eq!(hears(&mut scram, ""), Err(SaslError::TooManyChallenges("SCRAM-SHA-1")));
}

/// RFC 7677 section 3.
#[test]
fn sha_256_as_in_its_rfc() {
    let mut scram = scram(Hash::Sha256, Binding::Impossible, "rOprNGfwEbeRWgbNEkqO");
    let first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let last = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
    assert_eq!(hears(&mut scram, first).unwrap(), last);
    assert_eq!(hears(&mut scram, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap(), "");
}

#[test]
fn what_is_said_about_channel_binding() {
    let bound = Binding::Bound(ChannelBinding::TlsExporter(b"\x01\x02".to_vec()));
    let mut bound = scram(Hash::Sha256, bound, "abc");
    assert_eq!(bound.name(), "SCRAM-SHA-256-PLUS");
    assert_eq!(said(&bound.first().unwrap().unwrap()), "p=tls-exporter,,n=user,r=abc");
    let answer = hears(&mut bound, "r=abcd,s=QQ==,i=4096").unwrap();
    assert!(answer.starts_with(&format!("c={},r=abcd,p=", STANDARD.encode(b"p=tls-exporter,,\x01\x02"))), "{answer}");

    let end_point = Binding::Bound(ChannelBinding::TlsServerEndPoint(vec![]));
    let mut end_point = scram(Hash::Sha1, end_point, "abc");
    assert_eq!(said(&end_point.first().unwrap().unwrap()), "p=tls-server-end-point,,n=user,r=abc");
    let mut stripped = scram(Hash::Sha1, Binding::NotOffered, "abc");
    assert_eq!(said(&stripped.first().unwrap().unwrap()), "y,,n=user,r=abc");
}

#[test]
fn a_server_that_lies_gets_no_proof() {
    let wanted = |wanted| SaslError::Iterations { wanted, least: 4096, most: 1_000_000 };
    for (first, error) in [
        ("r=other,s=QQ==,i=4096", SaslError::ForeignNonce),
        ("r=ab,s=QQ==,i=4096", SaslError::ForeignNonce),
        ("r=abc,s=QQ==,i=4096", SaslError::ForeignNonce),
        ("r=abcd,s=QQ==,i=1", wanted(1)),
        ("r=abcd,s=QQ==,i=4095", wanted(4095)),
        ("r=abcd,s=QQ==,i=1000001", wanted(1_000_001)),
        ("r=abcd,s=QQ==,i=1000000000", wanted(1_000_000_000)),
        ("m=x,r=abcd,s=QQ==,i=4096", SaslError::UnknownExtension),
        ("r=abcd,s=,i=4096", SaslError::Unreadable("SCRAM-SHA-1")),
        ("r=abcd,i=4096,s=QQ==", SaslError::Unreadable("SCRAM-SHA-1")),
        ("r=abcd,s=QQ==,i=+4096", SaslError::Unreadable("SCRAM-SHA-1")),
        ("r=abcd,s=QQ==", SaslError::Unreadable("SCRAM-SHA-1")),
    ] {
        let mut scram = scram(Hash::Sha1, Binding::Impossible, "abc");
        assert_eq!(hears(&mut scram, first), Err(error), "{first}");
    }
}

#[test]
fn a_server_that_does_not_know_the_password_is_not_believed() {
    for (last, outcome) in [
        ("v=cm1GOXBxVjhTN3N1QW9aV2phNGRKUms=", Err(SaslError::ForeignServer)),
        ("v=", Err(SaslError::ForeignServer)),
        ("e=invalid-proof", Ok(String::new())),
        ("x=1", Err(SaslError::Unreadable("SCRAM-SHA-1"))),
    ] {
        let mut scram = scram(Hash::Sha1, Binding::Impossible, "abc");
        hears(&mut scram, "r=abcd,s=QQ==,i=4096").unwrap();
        assert_eq!(hears(&mut scram, last), outcome, "{last}");
        assert_eq!(scram.due(), Due::Proof, "{last}");
    }
}

#[test]
fn names_and_passwords_are_prepared() {
    let scram = Scram::new(Hash::Sha1, "a,b=c", &Secret::new("I\u{ad}X \u{aa}".to_owned()), Binding::Impossible, "x");
    let scram = scram.unwrap();
    assert_eq!((scram.bare.as_str(), scram.password.reveal().as_str()), ("n=a=2Cb=3Dc,r=x", "IX a"));
    assert_eq!(prepare("password", "\u{7}"), Err(SaslError::Unpreparable("password")));
    assert_eq!(prepare("password", "\u{627}1"), Err(SaslError::Unpreparable("password")));
}

proptest! {
    #[test]
    fn no_challenge_makes_it_stumble(texts in prop::collection::vec("(r=abcd,)?(s=QQ==,)?[a-z]?=?.{0,20}", 1..4)) {
        let mut scram = scram(Hash::Sha1, Binding::Impossible, "abc");
        for text in texts {
            // Whatever it makes of it, it is never convinced.
            drop(hears(&mut scram, &text));
            prop_assert_ne!(scram.due(), Due::Verdict);
        }
    }
}
