use super::capabilities::Capabilities;
use super::login::{Credentials, Login};
use super::opening::OpeningError;
use super::sasl::{Hash, prepare};
use crate::mail::Auth;

/// One way to log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    User,
    Apop,
    Rpop,
    Plain,
    Login,
    CramMd5,
    Scram { hash: Hash, plus: bool },
    OauthBearer,
    Xoauth2,
    Gssapi,
    External,
}

/// What is known of the server and the line when the choice is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'s> {
    pub(super) tls: bool,
    pub(super) capabilities: &'s Capabilities,
    /// Whether the greeting has a stamp for APOP.
    pub(super) stamp: bool,
    pub(super) can_bind: bool,
}

/// Only what the server offers. What is named is taken, or nothing.
pub(super) fn choose(login: &Login, seen: Seen<'_>) -> Result<Method, OpeningError> {
    let method = match login.auth {
        Auth::Auto => return best(login, seen),
        Auth::User => return Ok(Method::User),
        Auth::Rpop => return Ok(Method::Rpop),
        Auth::Apop => Method::Apop,
        Auth::Plain => Method::Plain,
        Auth::Login => Method::Login,
        Auth::CramMd5 => Method::CramMd5,
        Auth::ScramSha1 => seen.scram(Hash::Sha1),
        Auth::ScramSha256 => seen.scram(Hash::Sha256),
        Auth::OauthBearer => Method::OauthBearer,
        Auth::Xoauth2 => Method::Xoauth2,
        Auth::Gssapi => Method::Gssapi,
        Auth::External => Method::External,
    };
    let untold = !seen.capabilities.are_known() && method != Method::Apop;
    if untold || seen.offers(method) { Ok(method) } else { Err(OpeningError::MechanismMissing(method.name())) }
}

fn best(login: &Login, seen: Seen<'_>) -> Result<Method, OpeningError> {
    let may_show = seen.tls || login.allow_cleartext;
    if let Some(method) = by_preference(login, seen).into_iter().find(|method| seen.offers(*method)) {
        return Ok(method);
    }
    let has_password = login.credentials.password.is_some();
    let speaks_plainly = has_password || login.credentials.token.is_some();
    match () {
        () if !may_show && speaks_plainly => Err(OpeningError::CleartextForbidden),
        // Old servers take USER without saying so.
        () if has_password => Ok(Method::User),
        () => {
            let offered: Vec<&str> = seen.capabilities.mechanisms().collect();
            Err(OpeningError::NothingFits { offered: offered.join(" ") })
        }
    }
}

/// What the credentials permit on this line, the strongest first.
fn by_preference(login: &Login, seen: Seen<'_>) -> Vec<Method> {
    let Credentials { password, token, client_certificate, security_contexts } = &login.credentials;
    let may_show = seen.tls || login.allow_cleartext;
    let mut methods = Vec::new();
    if token.is_some() && may_show {
        methods.extend([Method::OauthBearer, Method::Xoauth2]);
    }
    let Some(password) = password else {
        methods.extend(security_contexts.is_some().then_some(Method::Gssapi));
        methods.extend((*client_certificate && seen.tls).then_some(Method::External));
        return methods;
    };
    if prepare("user name", &login.user).is_ok() && prepare("password", password.reveal()).is_ok() {
        let hashes = [Hash::Sha256, Hash::Sha1];
        methods.extend(hashes.iter().flat_map(|&hash| [true, false].map(|plus| Method::Scram { hash, plus })));
    }
    match (seen.tls, may_show) {
        (true, _) => methods.extend([Method::Plain, Method::User, Method::Login, Method::CramMd5, Method::Apop]),
        (false, true) => methods.extend([Method::CramMd5, Method::Apop, Method::Plain, Method::User, Method::Login]),
        (false, false) => methods.push(Method::CramMd5),
    }
    methods
}

impl Seen<'_> {
    fn offers(self, method: Method) -> bool {
        match method {
            Method::User => self.capabilities.user() || !self.capabilities.are_known(),
            Method::Rpop => true,
            Method::Apop => self.stamp,
            Method::Scram { plus: true, .. } => self.can_bind && self.capabilities.mechanism(method.name()),
            _ => self.capabilities.mechanism(method.name()),
        }
    }

    /// Bound to the TLS connection where both sides can.
    fn scram(self, hash: Hash) -> Method {
        let bound = Method::Scram { hash, plus: true };
        if self.offers(bound) { bound } else { Method::Scram { hash, plus: false } }
    }
}

impl Method {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::User => "USER/PASS",
            Self::Apop => "APOP",
            Self::Rpop => "RPOP",
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::CramMd5 => "CRAM-MD5",
            Self::Scram { hash: Hash::Sha1, plus: false } => "SCRAM-SHA-1",
            Self::Scram { hash: Hash::Sha1, plus: true } => "SCRAM-SHA-1-PLUS",
            Self::Scram { hash: Hash::Sha256, plus: false } => "SCRAM-SHA-256",
            Self::Scram { hash: Hash::Sha256, plus: true } => "SCRAM-SHA-256-PLUS",
            Self::OauthBearer => "OAUTHBEARER",
            Self::Xoauth2 => "XOAUTH2",
            Self::Gssapi => "GSSAPI",
            Self::External => "EXTERNAL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Secret;
    use crate::proto::pop3::SecurityContexts;

    const ALL: &str = "SASL OAUTHBEARER XOAUTH2 GSSAPI EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS \
                       SCRAM-SHA-1 PLAIN LOGIN CRAM-MD5";

    /// What is chosen when each choice before is taken away.
    fn order(credentials: Credentials, tls: bool, allow_cleartext: bool) -> Vec<&'static str> {
        let login = Login { user: "u".into(), credentials, auth: Auth::Auto, allow_cleartext };
        let (mut offered, mut user, mut stamp) = (ALL.to_owned() + " ", true, true);
        let mut chosen = Vec::new();
        loop {
            let mut capabilities = Capabilities::default();
            capabilities.add(offered.as_bytes());
            if user {
                capabilities.add(b"USER");
            }
            let seen = Seen { tls, capabilities: &capabilities, stamp, can_bind: tls };
            let Ok(method) = choose(&login, seen) else { return chosen };
            if chosen.contains(&method.name()) {
                return chosen;
            }
            chosen.push(method.name());
            offered = offered.replace(&format!(" {} ", method.name()), " ");
            user &= method != Method::User;
            stamp &= method != Method::Apop;
        }
    }

    fn password() -> Credentials {
        Secret::new("p".to_owned()).into()
    }

    #[test]
    fn under_tls_the_strongest_comes_first() {
        let bound = ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1"];
        let rest = ["PLAIN", "USER/PASS", "LOGIN", "CRAM-MD5", "APOP"];
        assert_eq!(order(password(), true, false), [&bound[..], &rest].concat());
        let token = Credentials { token: Some(Secret::new("t".to_owned())), ..Credentials::default() };
        assert_eq!(order(token, true, false), ["OAUTHBEARER", "XOAUTH2"]);
        let certificate = Credentials { client_certificate: true, ..Credentials::default() };
        assert_eq!(order(certificate, true, false), ["EXTERNAL"]);
        let contexts = SecurityContexts::new(|| Err("none".to_owned()));
        let kerberos = Credentials { security_contexts: Some(contexts), ..Credentials::default() };
        assert_eq!(order(kerberos.clone(), true, false), ["GSSAPI"]);
        let both = Credentials { password: password().password, ..kerberos };
        assert_eq!(order(both, true, false)[0], "SCRAM-SHA-256-PLUS", "a password goes before a ticket");
    }

    #[test]
    fn in_the_clear_nothing_is_shown_unless_that_was_allowed() {
        let hidden = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"];
        assert_eq!(order(password(), false, false), hidden);
        let shown = ["APOP", "PLAIN", "USER/PASS", "LOGIN"];
        assert_eq!(order(password(), false, true), [&hidden[..], &shown].concat());
        let token = Credentials { token: Some(Secret::new("t".to_owned())), ..Credentials::default() };
        assert_eq!(order(token, false, false), Vec::<&str>::new());
        let certificate = Credentials { client_certificate: true, ..Credentials::default() };
        assert_eq!(order(certificate, false, true), Vec::<&str>::new());
    }

    #[test]
    fn a_password_that_scram_cannot_carry_goes_another_way() {
        let credentials = Credentials::from(Secret::new("\u{1f511}".to_owned()));
        assert_eq!(order(credentials, true, false)[0], "PLAIN");
    }
}
