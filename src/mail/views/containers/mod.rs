//! What archives and documents say of themselves that the scanner does not report, and what lies in them. Knows nothing
//! about parts and readings: only octets, and how many of them may be unpacked for one message.

mod arj;
mod budget;
mod inflate;
mod ole;
mod openpgp;
mod pdf;
mod sevenz;
mod sniff;
mod source;
mod streams;
mod tar;
mod walk;
pub mod zip;

use super::doubt::Doubt;

pub(super) use budget::Budget;
pub(super) use source::Member;

/// What the scanner takes. Usually the values of the managed clamd's configuration, in `daemon/clamd/home.rs`.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// `MaxFileSize`
    pub file_bytes: u64,
    /// `MaxScanSize`
    pub total_bytes: u64,
    /// `MaxRecursion`
    pub levels: u32,
    /// `MaxFiles`
    pub members: u64,
    /// Whether it can open RAR archives: not where it was built without that code, as distributions do.
    pub opens_rar: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 256 << 20, total_bytes: 800 << 20, levels: 17, members: 10_000, opens_rar: false }
    }
}

impl Limits {
    /// The smallest that clamd has come with: what one takes whose configuration nobody here has seen. It says OK of all that
    /// is beyond, unless it was told to alert.
    pub const fn of_a_stranger() -> Self {
        Self { file_bytes: 25 << 20, total_bytes: 100 << 20, levels: 16, members: 10_000, opens_rar: false }
    }

    /// Of octets that are longer than the scanner takes.
    pub(super) fn doubt(&self, octets: &[u8]) -> Option<Doubt> {
        let (size_bytes, limit_bytes) = (octets.len() as u64, self.file_bytes);
        (size_bytes > limit_bytes).then_some(Doubt::TooLarge { size_bytes, limit_bytes })
    }
}

/// How a compound file begins: the older Office documents, messages of Outlook.
const OLE: &[u8] = &[0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];

/// What is open to doubt in the octets and in all that can be taken out of them. Each member is given to `visit`, which
/// tells whether it will be inspected by itself.
pub(super) fn inspect(
    octets: &[u8],
    limits: &Limits,
    budget: &mut Budget,
    mut visit: impl FnMut(&mut Budget, &Member<'_>) -> bool,
) -> Vec<Doubt> {
    walk::walk(octets, limits, budget, &mut visit)
}
