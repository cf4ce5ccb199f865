use std::fs;
use std::io;
use std::path::Path;

use signed_note::Note;

use super::key::VerifierKey;
use super::{Error, Hash, Signer};

pub(super) const CHECKPOINT: &str = "checkpoint";
/// More leaves than any archive will have; whoever signs more means harm.
const SIZE_LIMIT: u64 = 1 << 48;

/// How far an open pack is committed: what lies beyond is not of record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackMark {
    pub pack: u64,
    pub bytes: u64,
    pub records: u32,
}

/// A signed head of the tree: C2SP tlog-checkpoint in a signed note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    size: u64,
    root: Hash,
    packs: Vec<PackMark>,
    text: String,
}

impl Checkpoint {
    /// How many leaves it covers.
    pub const fn size(&self) -> u64 {
        self.size
    }

    pub const fn root(&self) -> Hash {
        self.root
    }

    /// The open packs, ascending.
    pub fn packs(&self) -> &[PackMark] {
        &self.packs
    }

    /// The whole signed note.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Reads a signed note; nothing is believed before the signature of `key` is checked.
    pub fn parse(note: &[u8], key: &VerifierKey) -> Result<Self, Error> {
        let refused =
            |problem: String| Error::Signature { what: "the checkpoint".to_owned(), key: key.to_string(), problem };
        let signed = Note::from_bytes(note).map_err(|error| refused(error.to_string()))?;
        key.check(&signed).map_err(refused)?;
        let head = tlog_tiles::Checkpoint::from_bytes(signed.text()).map_err(|error| refused(error.to_string()))?;
        if head.origin() != key.name() {
            return Err(refused(format!("it is about {}", head.origin())));
        }
        if head.size() > SIZE_LIMIT {
            return Err(refused(format!("{} entries are more than a journal can have", head.size())));
        }
        let packs = pack_marks(head.extension()).ok_or_else(|| refused("its pack lines cannot be read".to_owned()))?;
        let text = String::from_utf8(note.to_vec()).map_err(|error| refused(error.to_string()))?;
        Ok(Self { size: head.size(), root: Hash::from_bytes(head.hash().0), packs, text })
    }

    pub(super) fn sign(signer: &Signer, size: u64, root: Hash, packs: &[PackMark]) -> Result<Self, Error> {
        let mut packs = packs.to_vec();
        packs.sort_unstable_by_key(|mark| mark.pack);
        let mut text = format!("{}\n{size}\n{root}\n", signer.key().name());
        for PackMark { pack, bytes, records } in &packs {
            text += &format!("pack {pack} {bytes} {records}\n");
        }
        let refused =
            |problem| Error::Signature { what: "a new checkpoint".to_owned(), key: signer.key().to_string(), problem };
        Ok(Self { size, root, packs, text: signer.sign(&text).map_err(refused)? })
    }

    /// The checkpoint in `journal`, signed by `key`; `None` where there is none yet.
    pub(super) fn read(journal: &Path, key: &VerifierKey) -> Result<Option<Self>, Error> {
        let path = journal.join(CHECKPOINT);
        match fs::read(&path) {
            Ok(note) => Self::parse(&note, key).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }
}

/// The lines `pack NUMBER BYTES RECORDS`, ascending; others are for those who know them.
fn pack_marks(extension: &str) -> Option<Vec<PackMark>> {
    let lines = extension.lines().filter_map(|line| line.strip_prefix("pack "));
    let marks: Vec<_> = lines.map(pack_mark).collect::<Option<_>>()?;
    marks.is_sorted_by(|one, next| one.pack < next.pack).then_some(marks)
}

fn pack_mark(line: &str) -> Option<PackMark> {
    let mut words = line.split(' ');
    let mark = PackMark {
        pack: words.next()?.parse().ok()?,
        bytes: words.next()?.parse().ok()?,
        records: words.next()?.parse().ok()?,
    };
    words.next().is_none().then_some(mark)
}
