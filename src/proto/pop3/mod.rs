//! POP3 (RFC 1939, 2449, 2595, 3206, 5034) from the client's side: octets in, events out, nothing copied on the way.
//! Knows nothing about sockets, TLS libraries, deadlines, or what becomes of a message.
//!
//! [`Opening`] leads from the greeting to the logged-in session and hands over its [`Wire`]; from there on the
//! caller sends [`Command`]s and reads [`Event`]s. The dialogs in `tests/pop3/` show every behaviour.

mod apop;
mod body;
mod capabilities;
mod choice;
mod command;
mod fault;
mod line;
mod listing;
mod login;
mod opening;
mod reply;
mod sasl;
mod seam;
mod window;
mod wire;

pub use crate::mail::Auth;
pub use body::stuff;
pub use capabilities::{Capabilities, Expire};
pub use command::Command;
pub use fault::{Fault, Waiting};
pub use listing::{Listed, Listing};
pub use login::{Credentials, Login};
pub use opening::{Opening, OpeningError, Security, Step};
pub use reply::{Code, Reply, Status};
pub use sasl::{ChannelBinding, SaslError, SecurityContext, SecurityContexts, TokenRefusal};
pub use seam::Seam;
pub use window::{Retrieve, Window};
pub use wire::{Event, Limits, Wire};
