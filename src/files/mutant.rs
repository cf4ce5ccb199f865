/// A fault built in on purpose, to show that the tests would notice it. Each is a line at the site it names.
///
/// Without the Cargo feature `mutants`, which no release has, none of them can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// The frames of a batch are not fsynced before the catalog names them.
    PackUnsynced,
    /// The name of a new pack is not fsynced in its folder before frames are written to it.
    PackNameUnsynced,
    /// The frames of a batch are not read back before the catalog names them.
    ReadBackLeftOut,
    /// The torn end of a pack is not cut: the next frame goes behind it.
    TornFrameAccepted,
    /// What an fsync says of the disk is not listened to.
    SyncErrorIgnored,
    /// A published file is renamed before its octets are fsynced.
    PublishUnsynced,
    /// The folder of a published file is not fsynced.
    PublishNameUnsynced,
    /// The name of a new folder is not fsynced in the one above.
    FolderNameUnsynced,
    /// SQLite commits without an fsync of its log.
    SynchronousNormal,
    /// SQLite has no log on the disk: what a kill interrupts stays half done.
    LogInMemory,
    /// DELE goes out before there is a receipt.
    DeleBeforeReceipt,
    /// DELE goes out though the decision was not committed.
    DeletingUncommitted,
    /// DELE goes out though no checkpoint covers the message.
    DeleBeforeCheckpoint,
    /// The journal's tiles are not fsynced before they are signed.
    TileUnsynced,
    /// The checkpoint is published before the tiles under it are fsynced.
    CheckpointBeforeTiles,
    /// An open pack is removed before the catalog knows of the sealed one.
    OpenRemovedBeforeCommit,
    /// A sealed pack is published without having been read back.
    SealedNotReadBack,
}

impl Mutant {
    pub const ALL: [Self; 17] = [
        Self::PackUnsynced,
        Self::PackNameUnsynced,
        Self::ReadBackLeftOut,
        Self::TornFrameAccepted,
        Self::SyncErrorIgnored,
        Self::PublishUnsynced,
        Self::PublishNameUnsynced,
        Self::FolderNameUnsynced,
        Self::SynchronousNormal,
        Self::LogInMemory,
        Self::DeleBeforeReceipt,
        Self::DeletingUncommitted,
        Self::DeleBeforeCheckpoint,
        Self::TileUnsynced,
        Self::CheckpointBeforeTiles,
        Self::OpenRemovedBeforeCommit,
        Self::SealedNotReadBack,
    ];

    /// What the environment variable `POPLAR_MUTANT` calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PackUnsynced => "pack-unsynced",
            Self::PackNameUnsynced => "pack-name-unsynced",
            Self::ReadBackLeftOut => "read-back-left-out",
            Self::TornFrameAccepted => "torn-frame-accepted",
            Self::SyncErrorIgnored => "sync-error-ignored",
            Self::PublishUnsynced => "publish-unsynced",
            Self::PublishNameUnsynced => "publish-name-unsynced",
            Self::FolderNameUnsynced => "folder-name-unsynced",
            Self::SynchronousNormal => "synchronous-normal",
            Self::LogInMemory => "log-in-memory",
            Self::DeleBeforeReceipt => "dele-before-receipt",
            Self::DeletingUncommitted => "deleting-uncommitted",
            Self::DeleBeforeCheckpoint => "dele-before-checkpoint",
            Self::TileUnsynced => "tile-unsynced",
            Self::CheckpointBeforeTiles => "checkpoint-before-tiles",
            Self::OpenRemovedBeforeCommit => "open-removed-before-commit",
            Self::SealedNotReadBack => "sealed-not-read-back",
        }
    }
}

/// Whether the fault is to happen: never, without the feature `mutants`; else where `POPLAR_MUTANT` names it.
#[cfg(not(feature = "mutants"))]
pub const fn mutant(_: Mutant) -> bool {
    false
}

/// Whether the fault is to happen: never, without the feature `mutants`; else where `POPLAR_MUTANT` names it.
#[cfg(feature = "mutants")]
#[expect(clippy::disallowed_methods, reason = "no setting: a fault for tests, which no release can be told of")]
pub fn mutant(fault: Mutant) -> bool {
    std::env::var_os("POPLAR_MUTANT").is_some_and(|name| name == fault.name())
}
