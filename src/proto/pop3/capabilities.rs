use std::collections::BTreeMap;

use super::fault::printable;

/// What CAPA said (RFC 2449): keywords in upper case, each with its arguments. Empty when the server has no CAPA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    words: BTreeMap<String, Vec<String>>,
}

/// How long the server keeps mail that was retrieved (RFC 2449 section 6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    Never,
    Days(u32),
}

impl Capabilities {
    /// One line of the listing. A keyword that comes again adds its arguments.
    pub(super) fn add(&mut self, line: &[u8]) {
        let line = printable(line);
        let mut words = line.split_whitespace();
        let Some(keyword) = words.next() else { return };
        self.words.entry(keyword.to_ascii_uppercase()).or_default().extend(words.map(str::to_owned));
    }

    /// Whether the server told anything at all.
    pub fn are_known(&self) -> bool {
        !self.words.is_empty()
    }

    /// Any keyword, in any case.
    pub fn offer(&self, keyword: &str) -> bool {
        self.words.contains_key(&keyword.to_ascii_uppercase())
    }

    pub fn pipelining(&self) -> bool {
        self.offer("PIPELINING")
    }

    pub fn uidl(&self) -> bool {
        self.offer("UIDL")
    }

    pub fn top(&self) -> bool {
        self.offer("TOP")
    }

    pub fn stls(&self) -> bool {
        self.offer("STLS")
    }

    pub fn user(&self) -> bool {
        self.offer("USER")
    }

    /// Whether user names may be in UTF-8 (RFC 6856 section 2.1).
    pub fn utf8_users(&self) -> bool {
        self.arguments("UTF8").iter().any(|argument| argument.eq_ignore_ascii_case("USER"))
    }

    pub fn response_codes(&self) -> bool {
        self.offer("RESP-CODES")
    }

    /// SASL mechanisms as the server spelt them.
    pub fn mechanisms(&self) -> impl Iterator<Item = &str> {
        self.arguments("SASL").iter().map(String::as_str)
    }

    pub fn mechanism(&self, name: &str) -> bool {
        self.mechanisms().any(|offered| offered.eq_ignore_ascii_case(name))
    }

    pub fn expire(&self) -> Option<Expire> {
        let days = self.arguments("EXPIRE").first()?;
        if days.eq_ignore_ascii_case("NEVER") { Some(Expire::Never) } else { days.parse().ok().map(Expire::Days) }
    }

    /// The least time between two logins.
    pub fn login_delay_seconds(&self) -> Option<u32> {
        self.arguments("LOGIN-DELAY").first()?.parse().ok()
    }

    pub fn implementation(&self) -> Option<String> {
        self.words.get("IMPLEMENTATION").map(|words| words.join(" "))
    }

    /// Every line as it may be shown.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.words
            .iter()
            .map(|(keyword, arguments)| arguments.iter().fold(keyword.clone(), |line, argument| line + " " + argument))
    }

    fn arguments(&self, keyword: &str) -> &[String] {
        self.words.get(keyword).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_come_in_any_case_and_sasl_may_repeat() {
        let mut capabilities = Capabilities::default();
        for line in
            ["CAPA", "pipelining", "Sasl PLAIN", "SASL scram-sha-256  LOGIN", "EXPIRE 60 USER", "LOGIN-DELAY 10"]
        {
            capabilities.add(line.as_bytes());
        }
        assert!(capabilities.pipelining() && !capabilities.stls());
        assert_eq!(capabilities.mechanisms().collect::<Vec<_>>(), ["PLAIN", "scram-sha-256", "LOGIN"]);
        assert!(capabilities.mechanism("SCRAM-SHA-256"));
        assert_eq!(capabilities.expire(), Some(Expire::Days(60)));
        assert_eq!(capabilities.login_delay_seconds(), Some(10));
        assert_eq!(capabilities.implementation(), None);
    }

    #[test]
    fn nonsense_is_no_capability() {
        let mut capabilities = Capabilities::default();
        for line in [&b""[..], b"   ", b"EXPIRE soon", b"\xff\x00"] {
            capabilities.add(line);
        }
        assert_eq!(capabilities.expire(), None);
        assert!(!capabilities.user());
    }
}
