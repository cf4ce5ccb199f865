use std::fmt;

/// Why there is no security context, or why it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the Kerberos library cannot be loaded: {0}. Install the package libgssapi-krb5-2")]
    NoLibrary(String),
    #[error(
        "there is no valid Kerberos ticket: {0}. Run kinit as the user that poplar runs as; or set KRB5CCNAME to its \
         tickets, or KRB5_CLIENT_KTNAME to its keytab, where poplar is started"
    )]
    NoTicket(Status),
    #[error("the Kerberos realm has no service {service}: {status}. Check host: it must be the name the realm uses")]
    UnknownService { service: String, status: Status },
    #[error("the Kerberos server cannot be reached: {0}. It will be tried again")]
    Unreachable(Status),
    #[error("the Kerberos login to {service} failed {doing}: {status}. Check krb5.conf, the tickets and the clocks")]
    Failed { service: String, doing: &'static str, status: Status },
    #[error("{service} did not prove who it is, or may not sign what it sends. Nothing more is sent to it")]
    NotMutual { service: String },
    #[error("the Kerberos library would let {service} act in your name. Nothing more is sent to it")]
    Delegated { service: String },
    #[error("the Kerberos dialogue with {service} is out of step. It will be tried again")]
    OutOfStep { service: String },
}

/// What the library says of a failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    pub major: u32,
    pub minor: u32,
    /// The library's own sentences for both.
    pub said: String,
}

/// Numbers of the routine errors of RFC 2744 section 3.9.1, in bits 16 to 23 of the major status.
const NO_CREDENTIALS: u32 = 7;
const CREDENTIALS_EXPIRED: u32 = 11;

/// Numbers of MIT's krb5 error table, from its base on.
const TABLE: i32 = -1_765_328_384;
const SERVICE_UNKNOWN: i32 = TABLE + 7;
const TICKET_EXPIRED: i32 = TABLE + 32;
const KDC_UNREACHABLE: i32 = TABLE + 156;
const REALM_UNRESOLVED: i32 = TABLE + 220;

impl Error {
    /// Whether the same attempt may succeed later without anybody changing anything.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::OutOfStep { .. })
    }

    /// What `status` means, that came while `doing` something with `service`.
    pub(super) fn of(service: &str, doing: &'static str, status: Status) -> Self {
        let service = service.to_owned();
        match (status.major >> 16 & 0xff, status.minor.cast_signed()) {
            (NO_CREDENTIALS | CREDENTIALS_EXPIRED, _) | (_, TICKET_EXPIRED) => Self::NoTicket(status),
            (_, SERVICE_UNKNOWN) => Self::UnknownService { service, status },
            (_, KDC_UNREACHABLE | REALM_UNRESOLVED) => Self::Unreachable(status),
            _ => Self::Failed { service, doing, status },
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}
