use super::sasl::md5_hex;
use crate::mail::Secret;

/// The time stamp of a greeting that can do APOP (RFC 1939 section 7), with its angle brackets.
///
/// It must look like a message id in printable ASCII: a server in the middle that chooses other octets can find the
/// password out bit by bit (CVE-2007-1558).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp(String);

const LONGEST: usize = 512;

impl Stamp {
    /// The first in the text of a greeting.
    pub(super) fn find(greeting: &str) -> Option<Self> {
        let starts = greeting.match_indices('<').map(|(start, _)| &greeting[start..]);
        starts.filter_map(|rest| rest.find('>').map(|end| &rest[..=end])).find(|stamp| plausible(stamp)).map(Self::new)
    }

    fn new(stamp: &str) -> Self {
        Self(stamp.to_owned())
    }

    pub(super) fn digest(&self, password: &Secret<String>) -> Secret<String> {
        Secret::new(md5_hex(&[self.0.as_bytes(), password.reveal().as_bytes()].concat()))
    }
}

/// `<left@right>`, each of the letters that an atom may have, and dots; or `[…]` on the right (RFC 5322 section 3.6.4).
fn plausible(stamp: &str) -> bool {
    let inner = stamp.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).filter(|_| stamp.len() <= LONGEST);
    let Some((left, right)) = inner.and_then(|inner| inner.split_once('@')) else { return false };
    let literal = right.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let atoms = |text: &str| !text.is_empty() && text.bytes().all(|octet| is_atom(octet) || octet == b'.');
    atoms(left) && literal.map_or_else(|| atoms(right), |literal| literal.bytes().all(is_of_a_literal))
}

const fn is_atom(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'/' | b'=' | b'?' | b'^' | b'_' | b'`'
        )
        || matches!(octet, b'{' | b'|' | b'}' | b'~')
}

const fn is_of_a_literal(octet: u8) -> bool {
    octet.is_ascii_graphic() && !matches!(octet, b'[' | b']' | b'\\' | b'<' | b'>' | b'@')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 1939 section 7.
    #[test]
    fn the_example_of_the_rfc() {
        let stamp = Stamp::find("POP3 server ready <1896.697170952@dbc.mtview.ca.us>").unwrap();
        let digest = stamp.digest(&Secret::new("tanstaaf".to_owned()));
        assert_eq!(digest.reveal(), "c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn a_stamp_is_a_message_id() {
        let long = format!("<{}@x>", "1".repeat(LONGEST));
        for (greeting, stamp) in [
            ("Dovecot ready. <2e35.1.6b0265b9.NZAW10Tk+r+jWDHNQnlMNA==@vm>", true),
            ("<qpopper> ready <1.2@[127.0.0.1]> now", true),
            ("<a/b=c+d@host.example>", true),
            ("ready", false),
            ("<1.2>", false),
            ("<@host>", false),
            ("<1.2@>", false),
            ("<1 2@host>", false),
            ("<1\u{fffd}2@host>", false),
            ("<1.2@ho@st>", false),
            ("<1.2@host", false),
            (&long, false),
        ] {
            assert_eq!(Stamp::find(greeting).is_some(), stamp, "{greeting}");
        }
    }

    proptest! {
        #[test]
        fn what_is_found_is_printable_ascii(greeting in ".*[<>@]{0,3}.*(<[!-~é]*@[!-~é]*>)?") {
            if let Some(Stamp(stamp)) = Stamp::find(&greeting) {
                prop_assert!(stamp.bytes().all(|octet| octet.is_ascii_graphic()) && greeting.contains(&stamp));
            }
        }
    }
}
