use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::capabilities::Capabilities;
use super::command::Command;
use super::fault::Fault;
use super::reply::Reply;
use super::sasl::{Exchange, SaslError};
use super::wire::{Event, Limits, Wire};
use crate::mail::Secret;

/// Who logs in, and how.
#[derive(Clone, Debug)]
pub struct Login {
    pub user: String,
    pub password: Secret<String>,
    pub auth: Auth,
    /// Permits mechanisms that show the password to everybody in the line where there is no TLS.
    pub allow_cleartext: bool,
}

/// The mechanism. A failed one is never followed by a weaker one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// SASL PLAIN where offered, else USER/PASS.
    Auto,
    User,
    Plain,
}

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
    #[error("the server does not offer {0}. Set auth = \"auto\"")]
    MechanismMissing(&'static str),
    #[error("the {0} contains a line end or NUL, which POP3 cannot carry. Check where it is read from")]
    Unspeakable(&'static str),
    #[error("the server refuses the login ({reply}){}", advice(reply))]
    LoginRefused { mechanism: &'static str, reply: Reply },
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
}

#[derive(Debug)]
enum Stage {
    Greeting,
    Capabilities(Then),
    Stls,
    Upgrading,
    User,
    Pass,
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
        for (name, value) in [("user name", &login.user), ("password", login.password.reveal())] {
            if value.contains(['\r', '\n', '\0']) {
                return Err(OpeningError::Unspeakable(name));
            }
        }
        if security == Security::Cleartext && !login.allow_cleartext {
            return Err(OpeningError::CleartextForbidden);
        }
        let (wire, capabilities) = (Wire::greeted(limits), Capabilities::default());
        Ok(Self { wire, limits, login, security, stage: Stage::Greeting, capabilities })
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
            (Event::Challenge(text), Stage::Sasl(exchange)) => {
                let response = exchange.step(text)?;
                self.wire.send(&Command::Response(Secret::new(STANDARD.encode(response.reveal()))));
                Ok(())
            }
            (Event::Status(reply), _) => self.on_reply(reply),
            // The wire gives no other event for the commands sent here, and `Begun` says nothing.
            _ => Ok(()),
        }
    }

    fn on_reply(&mut self, reply: Reply) -> Result<(), OpeningError> {
        match &self.stage {
            Stage::Greeting if !reply.is_ok() => return Err(OpeningError::Unwelcome(reply)),
            Stage::Stls if !reply.is_ok() => return Err(OpeningError::StlsRefused(reply)),
            _ if !reply.is_ok() => return Err(OpeningError::LoginRefused { mechanism: self.mechanism(), reply }),
            Stage::Greeting if self.security == Security::StartTls => self.ask_capabilities(Then::Secure),
            Stage::Greeting => self.ask_capabilities(Then::LogIn),
            Stage::Stls => self.stage = Stage::Upgrading,
            Stage::User => self.ask(&Command::Pass(self.login.password.clone()), Stage::Pass),
            _ => self.ask_capabilities(Then::Open),
        }
        Ok(())
    }

    fn after_capabilities(&mut self, then: Then) -> Result<(), OpeningError> {
        match then {
            Then::Secure if self.capabilities.stls() => self.ask(&Command::Stls, Stage::Stls),
            Then::Secure => return Err(OpeningError::StlsMissing),
            Then::LogIn => self.log_in()?,
            Then::Open => self.stage = Stage::Open,
        }
        Ok(())
    }

    fn log_in(&mut self) -> Result<(), OpeningError> {
        let offered = self.capabilities.mechanism("PLAIN");
        match self.login.auth {
            Auth::Plain if !offered && self.capabilities.are_known() => Err(OpeningError::MechanismMissing("PLAIN")),
            Auth::Auto if !offered => self.log_in_by_user(),
            Auth::User => self.log_in_by_user(),
            Auth::Auto | Auth::Plain => {
                let exchange = Exchange::plain(&self.login.user, &self.login.password);
                self.ask(&auth_line(&exchange), Stage::Sasl(exchange));
                Ok(())
            }
        }
    }

    fn log_in_by_user(&mut self) -> Result<(), OpeningError> {
        self.ask(&Command::User(self.login.user.clone()), Stage::User);
        Ok(())
    }

    fn ask_capabilities(&mut self, then: Then) {
        self.capabilities = Capabilities::default();
        self.ask(&Command::Capa, Stage::Capabilities(then));
    }

    fn ask(&mut self, command: &Command, stage: Stage) {
        self.wire.send(command);
        self.stage = stage;
    }

    const fn mechanism(&self) -> &'static str {
        match &self.stage {
            Stage::Sasl(exchange) => exchange.mechanism(),
            _ => "USER/PASS",
        }
    }
}

/// A command line has at most 255 octets (RFC 2449 section 4); a longer initial response waits for the challenge.
const MAX_AUTH_OCTETS: usize = 255;

fn auth_line(exchange: &Exchange) -> Command {
    let mechanism = exchange.mechanism();
    let room = MAX_AUTH_OCTETS - "AUTH  \r\n".len() - mechanism.len();
    let initial = exchange.initial().map(|message| match message.reveal().as_slice() {
        [] => Secret::new("=".to_owned()),
        message => Secret::new(STANDARD.encode(message)),
    });
    Command::Auth { mechanism, initial: initial.filter(|initial| initial.reveal().len() <= room) }
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
