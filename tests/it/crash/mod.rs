//! "Killing the daemon with SIGKILL anywhere and starting it again loses nothing and doubles nothing", and the same for
//! a disk that fails or is full.

mod backup;
mod count;
mod disk;
mod errors;
mod fault;
pub(crate) mod flow;
mod ground;
mod kill;
pub(crate) mod lab;
mod load;
pub(crate) mod mail;
mod owners;
mod powercut;
mod state;
pub(crate) mod strace;
mod torn;
