//! "Killing the daemon with SIGKILL anywhere and starting it again loses nothing and doubles nothing", and the same for
//! a disk that fails or is full.

mod disk;
mod errors;
mod fault;
mod flow;
mod kill;
mod lab;
mod load;
mod mail;
mod owners;
mod state;
mod strace;
