use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::mail::event::MessageRef;
use crate::mail::{BlobId, Nonce};

use super::hash::HASH_BYTES;
use super::key::VerifierKey;
use super::reader::LogReader;
use super::{Checkpoint, Commitment, Error, Hash};

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";
/// Beyond any proof with a leaf of 65,535 octets and a checkpoint with thousands of packs.
const LIMIT_BYTES: usize = 1 << 20;
/// A tree of 2^63 leaves has no longer audit path.
const PATH_LIMIT: usize = 63;

/// That a leaf, and with it a message, stands in the log at an index: C2SP tlog-proof, to be checked without the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    index: u64,
    path: Vec<Hash>,
    extra: Extra,
    /// The signed note.
    checkpoint: String,
}

/// What a proof carries beside the format's own lines. Nothing in it is signed: the leaf counts because its hash is in the
/// tree, the message because the leaf commits to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Extra {
    leaf: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    message: Option<Opening>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Opening {
    id: BlobId,
    nonce: Nonce,
}

/// What a proof came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Which log, as the trusted key names it.
    pub origin: String,
    pub index: u64,
    /// Of the tree under the checkpoint.
    pub size: u64,
    /// The entry, as it stands in the log.
    pub leaf: String,
    /// The message that the entry is about.
    pub message: Option<BlobId>,
}

impl LogReader {
    /// The proof that the leaf with this index is in the tree under the checkpoint.
    pub fn prove(&self, index: u64) -> Result<Proof, Error> {
        let leaf = String::from_utf8(self.leaf(index)?);
        let leaf = leaf.map_err(|_| Error::Proof(format!("entry {index} is not text")))?;
        let path = self.tree()?.path(index)?;
        let checkpoint = self.checkpoint.text().to_owned();
        Ok(Proof { index, path, extra: Extra { leaf, message: None }, checkpoint })
    }
}

impl Proof {
    /// Opens the leaf's commitment to the message it is about. Whoever reads the proof then learns the message's id.
    #[must_use]
    pub fn about(mut self, message: &MessageRef) -> Self {
        self.extra.message = Some(Opening { id: message.id, nonce: message.nonce });
        self
    }

    /// The entry that the proof is about.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The message it opens the commitment to; believe it after [`Proof::check`].
    pub fn message(&self) -> Option<BlobId> {
        self.extra.message.as_ref().map(|opening| opening.id)
    }

    /// The leaf that the proof is about; believe it after [`Proof::check`].
    pub fn leaf(&self) -> &str {
        &self.extra.leaf
    }

    pub fn to_text(&self) -> String {
        #[expect(clippy::expect_used, reason = "strings are JSON")]
        let extra = serde_json::to_vec(&self.extra).expect("an extra is JSON");
        let mut text = format!("{FIRST_LINE}\nextra {}\nindex {}\n", BASE64_STANDARD.encode(extra), self.index);
        for hash in &self.path {
            text += &format!("{hash}\n");
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof. Nothing in it is believed before [`Proof::check`].
    pub fn parse(octets: &[u8]) -> Result<Self, Error> {
        let refused = |problem: &str| Error::Proof(problem.to_owned());
        if octets.len() > LIMIT_BYTES {
            return Err(refused("the file is too long to be a proof"));
        }
        let text = std::str::from_utf8(octets).map_err(|_| refused("the file is not text"))?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or_else(|| refused("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(FIRST_LINE) {
            return Err(refused("it does not begin as a proof does; its first line is c2sp.org/tlog-proof@v1"));
        }
        let extra = lines.next().and_then(|line| line.strip_prefix("extra ")).and_then(extra);
        let extra = extra.ok_or_else(|| refused("it does not bring its leaf (line 2)"))?;
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let index = index.ok_or_else(|| refused("it has no index (line 3)"))?;
        let path: Option<Vec<Hash>> = lines.by_ref().take(PATH_LIMIT).map(hash).collect();
        let path = path.filter(|_| lines.next().is_none());
        let path = path.ok_or_else(|| refused("its hashes cannot be read"))?;
        Ok(Self { index, path, extra, checkpoint: checkpoint.to_owned() })
    }

    /// Checks that `key`, which the caller trusts, signed the checkpoint, that the leaf is in the tree, and that the leaf is
    /// about the message, where the proof names one.
    pub fn check(&self, key: &VerifierKey) -> Result<Proven, Error> {
        let checkpoint = Checkpoint::parse(self.checkpoint.as_bytes(), key)?;
        let path = self.path.iter().copied().map(Into::into).collect();
        let leaf = Hash::leaf(self.extra.leaf.as_bytes());
        tlog_tiles::check_record(&path, checkpoint.size(), checkpoint.root().into(), self.index, leaf.into())
            .map_err(|_| Error::Proof("the leaf is not in the tree that the checkpoint signs".to_owned()))?;
        let message = self.extra.message.as_ref().map(|opening| self.open(opening)).transpose()?;
        Ok(Proven {
            origin: key.name().to_owned(),
            index: self.index,
            size: checkpoint.size(),
            leaf: self.extra.leaf.clone(),
            message,
        })
    }

    fn open(&self, opening: &Opening) -> Result<BlobId, Error> {
        let commitment = Commitment::of_message(&MessageRef { id: opening.id, nonce: opening.nonce });
        let leaf: Option<Value> = serde_json::from_str(&self.extra.leaf).ok();
        let blob = leaf.as_ref().and_then(|leaf| leaf.get("blob")?.as_str());
        if blob != Some(commitment.to_string().as_str()) {
            return Err(Error::Proof("its leaf is in the log, but is not about the message that it names".to_owned()));
        }
        Ok(opening.id)
    }
}

fn extra(base64: &str) -> Option<Extra> {
    serde_json::from_slice(&BASE64_STANDARD.decode(base64).ok()?).ok()
}

/// As the format has numbers: no sign, no leading zero.
fn decimal(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
}

fn hash(base64: &str) -> Option<Hash> {
    let bytes: [u8; HASH_BYTES] = BASE64_STANDARD.decode(base64).ok()?.try_into().ok()?;
    Some(Hash::from_bytes(bytes))
}
