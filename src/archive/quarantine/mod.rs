//! What ordinary readers are kept from, who may let it out, and who read what.
//! Finds nothing itself, destroys nothing, and lets nothing out because time has passed.

mod export;
mod items;
mod reading;
mod release;
mod standing;

pub use export::{ExportShown, Exported};
pub use items::{AskedShown, FoundIn, ItemShown, ItemTold, ReleaseShown};
pub use reading::ReadingShown;
pub use release::{Decided, Outcome, Wish};
pub(super) use standing::Judge;
pub use standing::{Sealed, Standing};
