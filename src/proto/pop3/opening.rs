use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::apop::Stamp;
use super::capabilities::Capabilities;
use super::choice::{Method, Seen, choose};
use super::command::Command;
use super::fault::Fault;
use super::login::{Credentials, Login};
use super::reply::Reply;
use super::sasl::{Binding, ChannelBinding, Due, Exchange, SaslError, TokenRefusal};
use super::wire::{Event, Limits, Wire};
use crate::mail::{Nonce, Secret};

/// What protects the connection when the greeting arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    Tls,
    StartTls,
    Cleartext,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpeningError {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the server lets nobody in now ({0}). It will be tried again")]
    Unwelcome(Reply),
    #[error("the server offers no STLS, so the password was not sent. Use tls = \"implicit\" on port 995")]
    StlsMissing,
    #[error("the server refuses STLS ({0}), so the password was not sent. Use tls = \"implicit\" on port 995")]
    StlsRefused(Reply),
    #[error("without TLS the password would be readable on the way. Use TLS, or set allow_cleartext = true")]
    CleartextForbidden,
    #[error(
        "RPOP proves nothing: the server believes every host. Set another auth, or allow_cleartext = true if you mean it"
    )]
    RpopForbidden,
    #[error("the server does not offer {0}. Set auth = \"auto\"")]
    MechanismMissing(&'static str),
    #[error("{auth} needs {what}, and the account has none")]
    NoCredential { auth: &'static str, what: &'static str },
    #[error(
        "the server offers no way to log in with what the account has (it offers {}). Give the account a password, \
         or ask who runs the server", if .offered.is_empty() { "none" } else { .offered }
    )]
    NothingFits { offered: String },
    #[error("the {0} contains a line end or NUL, which POP3 cannot carry. Check where it is read from")]
    Unspeakable(&'static str),
    #[error("the server refuses the login ({reply}){}", advice(reply))]
    LoginRefused { mechanism: &'static str, reply: Reply },
    #[error("the server does not take the access token ({refusal}; {reply}). Log in anew to get another")]
    TokenRefused { refusal: Box<TokenRefusal>, reply: Reply },
    #[error("the login went wrong: {0}")]
    Sasl(#[from] SaslError),
}

/// What the driver does next.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    Write(Vec<u8>),
    /// Needs more octets behind those left in the input.
    Read,
    /// Shake hands, then call [`Opening::secured`]. Octets that come first are an attack.
    UpgradeTls,
    /// Logged in: [`Opening::into_session`].
    Open,
}

/// From the greeting to the transaction state (RFC 1939 section 4): CAPA, STLS (RFC 2595), log in, CAPA again, because
/// the list may differ in each state (RFC 2449 section 5). A server without CAPA is taken as it is.
#[derive(Debug)]
pub struct Opening {
    wire: Wire,
    limits: Limits,
    login: Login,
    security: Security,
    stage: Stage,
    capabilities: Capabilities,
    stamp: Option<Stamp>,
    binding: Option<ChannelBinding>,
    /// Host and port that were connected to.
    server: Option<(String, u16)>,
    nonce: String,
    method: Option<Method>,
}

#[derive(Debug)]
enum Stage {
    Greeting,
    Capabilities(Then),
    Stls,
    Upgrading,
    Utf8,
    /// The name was said; what proves it comes next.
    User,
    /// All was said.
    Verdict,
    Sasl(Exchange),
    Open,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Secure,
    LogIn,
    Open,
}

impl Opening {
    /// Refuses what must not be tried at all, before there is a connection.
    pub fn new(login: Login, security: Security, limits: Limits) -> Result<Self, OpeningError> {
        login.check(security == Security::Cleartext)?;
        Ok(Self {
            wire: Wire::greeted(limits),
            limits,
            login,
            security,
            stage: Stage::Greeting,
            capabilities: Capabilities::default(),
            stamp: None,
            binding: None,
            server: None,
            nonce: STANDARD_NO_PAD.encode(&Nonce::random().as_bytes()[..18]),
            method: None,
        })
    }

    /// Host and port that were connected to, for the mechanisms that tell them.
    #[must_use]
    pub fn reached_at(self, host: &str, port: u16) -> Self {
        Self { server: Some((host.to_owned(), port)), ..self }
    }

    /// SCRAM's nonce, for a dialog that is to be the same each time. Without it there is a new one for each login.
    #[must_use]
    pub fn with_nonce(self, nonce: &str) -> Self {
        Self { nonce: nonce.to_owned(), ..self }
    }

    /// What the TLS connection can be told by. Without it nothing is bound to it.
    pub fn bind(&mut self, binding: Option<ChannelBinding>) {
        self.binding = binding;
    }

    /// Whether the next step may take long: passwords are hashed many times, Kerberos asks its server.
    pub const fn may_block(&self) -> bool {
        matches!(self.stage, Stage::Sasl(_)) || self.login.credentials.security_contexts.is_some()
    }

    /// How it was, or is being, logged in.
    pub fn mechanism(&self) -> &'static str {
        self.method.map_or("none", Method::name)
    }

    /// Reads from the front of `input`; what is left must be given again with what follows it.
    pub fn step(&mut self, input: &mut &[u8]) -> Result<Step, OpeningError> {
        loop {
            let output = self.wire.take_output();
            if !output.is_empty() {
                return Ok(Step::Write(output));
            }
            match self.stage {
                Stage::Upgrading if input.is_empty() => return Ok(Step::UpgradeTls),
                Stage::Upgrading => return Err(Fault::Injected.into()),
                Stage::Open => return Ok(Step::Open),
                _ => {}
            }
            let Some(event) = self.wire.next(input)? else { return Ok(Step::Read) };
            self.on_event(event)?;
        }
    }

    /// TLS stands. What the server said before is forgotten: somebody else may have said it.
    pub fn secured(&mut self) {
        self.wire = Wire::secured(self.limits);
        self.security = Security::Tls;
        self.stamp = None;
        self.ask_capabilities(Then::LogIn);
    }

    pub fn end_of_input(&mut self) -> OpeningError {
        self.wire.end_of_input().into()
    }

    pub fn into_session(self) -> (Wire, Capabilities) {
        (self.wire, self.capabilities)
    }

    fn on_event(&mut self, event: Event<'_>) -> Result<(), OpeningError> {
        match (event, &mut self.stage) {
            (Event::Line(line), Stage::Capabilities(_)) => {
                self.capabilities.add(line);
                Ok(())
            }
            (Event::LinesEnd | Event::Status(_), &mut Stage::Capabilities(then)) => self.after_capabilities(then),
            (Event::Challenge(text), Stage::Sasl(_)) => self.respond(text),
            (Event::Status(reply), _) => self.on_reply(reply),
            // The wire gives no other event for the commands sent here, and `Begun` says nothing.
            _ => Ok(()),
        }
    }

    fn on_reply(&mut self, reply: Reply) -> Result<(), OpeningError> {
        match &self.stage {
            Stage::Greeting if !reply.is_ok() => return Err(OpeningError::Unwelcome(reply)),
            Stage::Stls if !reply.is_ok() => return Err(OpeningError::StlsRefused(reply)),
            // Whether or not the server likes UTF-8, the name is what it is.
            Stage::Utf8 => return self.log_in(),
            _ if !reply.is_ok() => return Err(self.refused(reply)),
            Stage::Greeting => self.greeted(&reply),
            Stage::Stls => self.stage = Stage::Upgrading,
            Stage::User => self.prove()?,
            Stage::Sasl(exchange) => match exchange.due() {
                Due::Challenge => return self.respond(reply.text.as_bytes()),
                Due::Proof => return Err(SaslError::Unproven.into()),
                Due::Verdict => self.ask_capabilities(Then::Open),
            },
            _ => self.ask_capabilities(Then::Open),
        }
        Ok(())
    }

    fn greeted(&mut self, greeting: &Reply) {
        self.stamp = Stamp::find(&greeting.text);
        let secures = self.security == Security::StartTls;
        self.ask_capabilities(if secures { Then::Secure } else { Then::LogIn });
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<(), OpeningError> {
        if let Stage::Sasl(exchange) = &mut self.stage {
            let response = exchange.step(challenge)?;
            self.wire.send(&Command::Response(response));
        }
        Ok(())
    }

    fn refused(&self, reply: Reply) -> OpeningError {
        match &self.stage {
            Stage::Sasl(exchange) if let Some(refusal) = exchange.refusal() => {
                OpeningError::TokenRefused { refusal: Box::new(refusal), reply }
            }
            _ => OpeningError::LoginRefused { mechanism: self.mechanism(), reply },
        }
    }

    fn after_capabilities(&mut self, then: Then) -> Result<(), OpeningError> {
        match then {
            Then::Secure if self.capabilities.stls() => self.ask(&Command::Stls, Stage::Stls),
            Then::Secure => return Err(OpeningError::StlsMissing),
            Then::LogIn if self.capabilities.utf8_users() && !self.login.user.is_ascii() => {
                self.ask(&Command::Utf8, Stage::Utf8);
            }
            Then::LogIn => self.log_in()?,
            Then::Open => self.stage = Stage::Open,
        }
        Ok(())
    }

    fn log_in(&mut self) -> Result<(), OpeningError> {
        let seen = Seen {
            tls: self.security == Security::Tls,
            capabilities: &self.capabilities,
            stamp: self.stamp.is_some(),
            can_bind: self.binding.is_some(),
        };
        let method = choose(&self.login, seen)?;
        self.method = Some(method);
        let user = self.login.user.clone();
        match method {
            Method::User | Method::Rpop => self.ask(&Command::User(user), Stage::User),
            Method::Apop => {
                let stamp = self.stamp.as_ref().ok_or(OpeningError::MechanismMissing(method.name()))?;
                let digest = stamp.digest(self.password()?);
                self.ask(&Command::Apop { user, digest }, Stage::Verdict);
            }
            method => {
                let mut exchange = self.exchange(method)?;
                self.ask(&auth_line(&mut exchange), Stage::Sasl(exchange));
            }
        }
        Ok(())
    }

    /// What follows USER.
    fn prove(&mut self) -> Result<(), OpeningError> {
        let proof = match self.method {
            Some(Method::Rpop) => Command::Rpop(self.login.user.clone()),
            _ => Command::Pass(self.password()?.clone()),
        };
        self.ask(&proof, Stage::Verdict);
        Ok(())
    }

    fn exchange(&self, method: Method) -> Result<Exchange, OpeningError> {
        let user = self.login.user.as_str();
        let Credentials { token, security_contexts, .. } = &self.login.credentials;
        let missing = |what| OpeningError::NoCredential { auth: method.name(), what };
        let token = || token.as_ref().ok_or_else(|| missing("an access token"));
        let exchange = match method {
            Method::Login => Exchange::login(user, self.password()?),
            Method::CramMd5 => Exchange::cram_md5(user, self.password()?),
            Method::Scram { hash, plus } => {
                Exchange::scram(hash, user, self.password()?, self.binding(method, plus), &self.nonce)
            }
            Method::OauthBearer => {
                let server = self.server.as_ref().map(|(host, port)| (host.as_str(), *port));
                Exchange::oauthbearer(user, token()?, server)
            }
            Method::Xoauth2 => Exchange::xoauth2(user, token()?),
            Method::Gssapi => Exchange::gssapi(user, security_contexts.as_ref().ok_or_else(|| missing("Kerberos"))?),
            Method::External => Exchange::external(user),
            Method::Plain | Method::User | Method::Apop | Method::Rpop => Exchange::plain(user, self.password()?),
        };
        Ok(exchange?)
    }

    /// A server that told what it offers, and did not offer to bind, hears that we could have.
    fn binding(&self, method: Method, plus: bool) -> Binding {
        match &self.binding {
            Some(binding) if plus => Binding::Bound(binding.clone()),
            Some(_) if self.capabilities.mechanism(method.name()) => Binding::NotOffered,
            _ => Binding::Impossible,
        }
    }

    fn password(&self) -> Result<&Secret<String>, OpeningError> {
        let missing = || OpeningError::NoCredential { auth: self.mechanism(), what: "a password" };
        self.login.credentials.password.as_ref().ok_or_else(missing)
    }

    fn ask_capabilities(&mut self, then: Then) {
        self.capabilities = Capabilities::default();
        self.ask(&Command::Capa, Stage::Capabilities(then));
    }

    fn ask(&mut self, command: &Command, stage: Stage) {
        self.wire.send(command);
        self.stage = stage;
    }
}

/// A command line has at most 255 octets (RFC 2449 section 4); a longer initial response waits for the challenge.
const MAX_AUTH_OCTETS: usize = 255;

fn auth_line(exchange: &mut Exchange) -> Command {
    let mechanism = exchange.mechanism();
    let room = MAX_AUTH_OCTETS - "AUTH  \r\n".len() - mechanism.len();
    Command::Auth { mechanism, initial: exchange.initial(room) }
}

fn advice(reply: &Reply) -> &'static str {
    use super::reply::Code;
    match reply.code {
        Some(Code::Auth) => ". Check user and password",
        Some(Code::InUse) => ". Another program is reading this mailbox; it will be tried again soon",
        Some(Code::LoginDelay) => ". It will be tried again when the server permits",
        Some(Code::SysTemp) => ". The server has a passing trouble; it will be tried again",
        Some(Code::SysPerm) => ". The server has a lasting trouble; ask who runs it",
        _ => ". It does not say why: check user and password if this goes on",
    }
}
