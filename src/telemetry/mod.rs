//! What the program says about itself while it works: one function per mail event.
//! Knows nothing about how the work is done, and never sees a secret.

mod events;
mod log;

pub use events::*;
pub use log::{Verbosity, start};
