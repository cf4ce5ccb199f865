use std::time::Duration;

/// What reading one document may cost, and how long a worker is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Address space of the worker, its program included.
    pub memory_bytes: u64,
    /// Processor time for one document.
    pub cpu_seconds: u64,
    /// From the first octet sent to the last one answered.
    pub wall: Duration,
    /// Larger documents are not read; of plain text the beginning is.
    pub document_bytes: u64,
    /// Documents after which the worker is replaced by a new one.
    pub documents: u32,
    pub read: ReadLimits,
}

/// What the worker itself counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Text given back of one document: the beginning.
    pub text_bytes: u64,
    /// Unpacked from one document, all that lies in it together.
    pub unpacked_bytes: u64,
    /// Files looked at in one document, however deep they lie.
    pub members: u32,
    /// Documents in documents.
    pub depth: u32,
    /// Readers end by themselves after this, and what they have read is not lost. Less than the processor time allowed.
    pub patience: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 512 << 20,
            cpu_seconds: 10,
            wall: Duration::from_secs(20),
            document_bytes: 64 << 20,
            documents: 200,
            read: ReadLimits::default(),
        }
    }
}

impl Default for ReadLimits {
    fn default() -> Self {
        Self {
            text_bytes: 8 << 20,
            unpacked_bytes: 256 << 20,
            members: 5000,
            depth: 8,
            patience: Duration::from_secs(7),
        }
    }
}
