//! DISK: the one way to publish a file, locks and modes.
//! Knows nothing about mail or about what the files hold.

mod copy;
mod lock;
mod mutant;
mod private;
mod publish;
mod sync;

pub use copy::{Copied, Way, copy, link_or_copy};
pub use lock::{Lock, LockError};
pub use mutant::{Mutant, mutant};
pub use private::{check_private, create_private_dir, create_private_file, open_private};
pub use publish::{Draft, move_in, publish};
pub use sync::{stop, sync_data, sync_dir};
