use std::fmt;
use std::io;
use std::time::Duration;

use super::Pace;
use crate::net::tls::TlsError;
use crate::proto::pop3::{Code, Fault, OpeningError, Reply, SaslError};

/// What failed with which server. The session is over, and the server deletes nothing.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {cause}")]
pub struct Error {
    /// `host:port`.
    pub place: String,
    pub cause: Cause,
}

/// What a retry depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The server says that user or password are wrong.
    Auth,
    InUse,
    LoginDelay,
    Temporary,
    Permanent,
    Network,
    Tls,
    /// The dialog fell out of step, or the server may not be spoken to as configured.
    Protocol,
    /// Without UIDL nobody can tell which messages are new.
    NoUidl,
    /// The login was refused without a reason: wrong password or passing trouble. Back off, never hammer.
    Refused,
}

#[derive(Debug, thiserror::Error)]
pub enum Cause {
    #[error("the name cannot be resolved: {0}. Check host, and the name service of this machine")]
    Resolve(io::Error),
    #[error("cannot connect: {0}. Check host, port and firewall")]
    Connect(io::Error),
    #[error("no secure connection: {0}")]
    Tls(TlsError),
    #[error("no answer in {} s {phase}. It will be tried again", after.as_secs())]
    Deadline { phase: Phase, after: Duration },
    #[error("the server sends hardly anything: less than {} octets in {} s. It will be tried again", Pace::OCTETS, .0.as_secs())]
    Drips(Duration),
    #[error("the connection broke: {0}. It will be tried again")]
    Lost(io::Error),
    #[error(transparent)]
    Opening(OpeningError),
    #[error("{0}")]
    Fault(Fault),
    #[error("the server does not tell unique ids ({reply}). Poplar needs UIDL to know which messages are new")]
    NoUidl { reply: Reply },
    #[error("the server refuses to list the messages ({reply}). It will be tried again")]
    NoListing { reply: Reply },
    #[error("an earlier request was not read to its end, so nothing else can be asked in this session")]
    Unfinished,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Connect,
    Tls,
    Greeting,
    Login,
    Listing,
    Transfer,
}

impl Error {
    pub fn class(&self) -> Class {
        match &self.cause {
            Cause::Resolve(_) | Cause::Connect(_) | Cause::Lost(_) => Class::Network,
            Cause::Deadline { .. } | Cause::Drips(_) => Class::Network,
            Cause::Tls(_) => Class::Tls,
            Cause::Opening(error) => of_opening(error),
            Cause::Fault(fault) => of_fault(fault),
            Cause::NoUidl { .. } => Class::NoUidl,
            Cause::NoListing { reply } => of_reply(reply, Class::Temporary),
            Cause::Unfinished => Class::Protocol,
        }
    }

    /// Whether what was outstanding may have been too much for the server: it fell out of step, hung up, or fell silent.
    pub const fn breaks_the_dialog(&self) -> bool {
        matches!(self.cause, Cause::Fault(_) | Cause::Lost(_) | Cause::Deadline { phase: Phase::Transfer, .. })
    }

    /// Whether the same attempt may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self.class() {
            Class::InUse | Class::LoginDelay | Class::Temporary | Class::Network | Class::Refused => true,
            Class::Protocol => matches!(self.cause, Cause::Fault(_) | Cause::Opening(OpeningError::Fault(_))),
            Class::Auth | Class::Permanent | Class::Tls | Class::NoUidl => false,
        }
    }
}

fn of_opening(error: &OpeningError) -> Class {
    match error {
        OpeningError::Fault(fault) => of_fault(fault),
        OpeningError::Unwelcome(reply) => of_reply(reply, Class::Temporary),
        OpeningError::LoginRefused { reply, .. } => of_reply(reply, Class::Refused),
        OpeningError::StlsMissing | OpeningError::StlsRefused(_) => Class::Tls,
        OpeningError::TokenRefused { refusal, reply } => {
            of_reply(reply, if refusal.is_transient() { Class::Temporary } else { Class::Auth })
        }
        OpeningError::Unspeakable(_)
        | OpeningError::CleartextForbidden
        | OpeningError::RpopForbidden
        | OpeningError::NoCredential { .. } => Class::Permanent,
        // No ticket yet, or no answer of the ticket's server: back off.
        OpeningError::Sasl(SaslError::Kerberos(_)) => Class::Refused,
        OpeningError::NothingFits { .. } => Class::Protocol,
        OpeningError::MechanismMissing(_) | OpeningError::Sasl(_) => Class::Protocol,
    }
}

fn of_fault(fault: &Fault) -> Class {
    match fault {
        Fault::Closed(_) => Class::Network,
        Fault::Injected => Class::Tls,
        _ => Class::Protocol,
    }
}

fn of_reply(reply: &Reply, uncoded: Class) -> Class {
    match reply.code {
        Some(Code::Auth) => Class::Auth,
        Some(Code::InUse) => Class::InUse,
        Some(Code::LoginDelay) => Class::LoginDelay,
        Some(Code::SysTemp) => Class::Temporary,
        Some(Code::SysPerm) => Class::Permanent,
        Some(Code::Other(_)) | None => uncoded,
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "to the attempt to connect",
            Self::Tls => "to the TLS handshake",
            Self::Greeting => "before the greeting",
            Self::Login => "during login",
            Self::Listing => "to the request for the list of messages",
            Self::Transfer => "in mid transfer",
        })
    }
}
