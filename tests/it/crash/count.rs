//! What power cuts came to, in numbers.

use std::fmt;

/// What the cuts came to.
#[derive(Debug, Default)]
pub(super) struct Count {
    pub(super) cuts: u32,
    /// The program had not ended yet.
    pub(super) at_work: u32,
    /// A thread was within a write or an fsync.
    pub(super) in_a_write: u32,
    /// Frames lay behind what the catalog counts.
    pub(super) with_a_tail: u32,
    /// The daemon was at work, …
    pub(super) in_a_run: u32,
    /// … or a sealing.
    pub(super) in_a_sealing: u32,
    /// It left a file on its way, or an open pack beside its sealed one.
    pub(super) half_sealed: u32,
    /// Something had been kept in this very session, but not all.
    pub(super) within_keeping: u32,
    /// The server had already deleted something of this session, …
    pub(super) after_deleting: u32,
    /// … but not all.
    pub(super) within_deleting: u32,
    /// Of all that the server did not have any more.
    pub(super) deleted: usize,
    pub(super) lost: usize,
    /// Damage that `verify` named, between the cut and the next start.
    pub(super) damaged: usize,
    pub(super) doubled: usize,
    /// Not in the archive after the next fetch.
    pub(super) missing: usize,
    /// Cuts after which something else was not as it should be.
    pub(super) other: u32,
}

impl Count {
    pub(super) const fn troubles(&self) -> usize {
        self.lost + self.damaged + self.doubled + self.missing + self.other as usize
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  cuts                                  {:6}", self.cuts)?;
        writeln!(f, "  cuts while the program was at work    {:6}", self.at_work)?;
        writeln!(f, "  cuts while a write was under way      {:6}", self.in_a_write)?;
        writeln!(f, "  cuts that left octets of no commit    {:6}", self.with_a_tail)?;
        writeln!(f, "  cuts under the daemon                 {:6}", self.in_a_run)?;
        writeln!(f, "  cuts under a sealing                  {:6}", self.in_a_sealing)?;
        writeln!(f, "  cuts that left a pack half sealed     {:6}", self.half_sealed)?;
        writeln!(f, "  cuts when a part of the mail was kept {:6}", self.within_keeping)?;
        writeln!(f, "  cuts when mail had been deleted       {:6}", self.after_deleting)?;
        writeln!(f, "  cuts when a part of it was            {:6}", self.within_deleting)?;
        writeln!(f, "  messages deleted at the server        {:6}", self.deleted)?;
        writeln!(f, "  messages lost                         {:6}", self.lost)?;
        writeln!(f, "  damage found by verify                {:6}", self.damaged)?;
        writeln!(f, "  messages doubled                      {:6}", self.doubled)?;
        writeln!(f, "  messages missing after another fetch  {:6}", self.missing)?;
        write!(f, "  cuts with other trouble               {:6}", self.other)
    }
}
