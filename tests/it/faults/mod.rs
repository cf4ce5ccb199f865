//! Servers that misbehave, against the whole program: whatever they do, the archive holds what they have, each message
//! once, nothing was fetched again that was kept, and nothing is deleted that is not kept.

mod broken_lines;
mod clocks;
mod cuts;
mod deletions;
mod destroyed;
mod dialogs;
mod kills;
mod listings;
mod messages;
mod pipelining;
mod policies;
mod silence;
mod unique_ids;

use std::collections::BTreeSet;

use poplar::mail::{BlobId, Clock};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;

use crate::support::maildrop::{Mail, Maildrop};
use crate::support::poplar::{Account, Archive, Ended, mail};

/// A maildrop, and the archive that polls it.
struct Scene {
    maildrop: Maildrop,
    archive: Archive,
}

/// What one `poplar fetch --keep-only` came to.
struct Poll {
    ended: Ended,
    /// The account's line.
    told: Value,
}

/// `m1` to `mN`, of different sizes.
fn mails(count: usize) -> Vec<Mail> {
    (1..=count).map(|n| numbered(&n.to_string(), n)).collect()
}

fn numbered(name: &str, lines: usize) -> Mail {
    let octets = mail(&format!("m{name}"), &"a line of text\r\n".repeat(lines));
    Mail::new(format!("uid-{name}"), [format!("Message-ID: <{name}@example.org>\r\n").as_bytes(), &octets].concat())
}

impl Scene {
    /// Everything stays at the server.
    fn keeping(maildrop: Maildrop) -> Self {
        Self::with(maildrop, "")
    }

    /// What is kept goes in the same session.
    fn deleting(maildrop: Maildrop) -> Self {
        Self::with(maildrop, "after_archive = \"delete\"\ndelete_when = \"kept\"")
    }

    fn with(maildrop: Maildrop, settings: &str) -> Self {
        let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
        let scene = Self { maildrop, archive };
        scene.set(settings);
        scene
    }

    fn account(&self) -> Account {
        self.maildrop.account()
    }

    fn set(&self, settings: &str) {
        self.archive.configure(&[self.account().with(settings)]);
    }

    fn fetch(&self) -> Poll {
        let ended = self.archive.run(&["--json", "fetch", "--keep-only"]);
        let told = ended.json()["accounts"][0].take();
        Poll { ended, told }
    }

    /// Must end well.
    fn fetch_well(&self) -> Poll {
        let poll = self.fetch();
        poll.assert_well();
        poll
    }

    /// Every message in the archive, its octets read back.
    fn contents(&self) -> BTreeSet<BlobId> {
        let folder = self.archive.data_dir();
        if !folder.join("catalog.db").exists() {
            return BTreeSet::new();
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let catalog = Connection::open_with_flags(folder.join("catalog.db"), flags).unwrap();
        let mut statement = catalog.prepare("SELECT id FROM message").unwrap();
        let ids = statement.query_map([], |row| row.get::<_, [u8; 32]>(0)).unwrap();
        let ids: BTreeSet<BlobId> = ids.map(|id| BlobId::from_bytes(id.unwrap())).collect();
        let opened = poplar::archive::Archive::open(&folder, Clock::system()).unwrap();
        for id in &ids {
            let row = opened.find(&id.to_string()).unwrap();
            assert_eq!(BlobId::of(&opened.raw(&row).unwrap().octets().unwrap()), *id);
        }
        ids
    }

    /// What was deleted is in the archive.
    fn assert_nothing_lost(&self) {
        let contents = self.contents();
        for gone in self.maildrop.deleted() {
            assert!(contents.contains(&gone.id()), "deleted and not kept: {}", gone.uid.escape_ascii());
        }
    }

    /// The archive holds exactly what the server has and had, and each message came over the wire once.
    fn assert_whole(&self) {
        self.assert_holds_all();
        let handed_out = self.maildrop.handed_out();
        let once: BTreeSet<BlobId> = handed_out.iter().copied().collect();
        assert_eq!(handed_out.len(), once.len(), "some were fetched twice: {:?}", self.maildrop.heard());
    }

    /// The archive holds exactly what the server has and had.
    fn assert_holds_all(&self) {
        self.assert_nothing_lost();
        let all = self.maildrop.mails().into_iter().chain(self.maildrop.deleted());
        let served: BTreeSet<BlobId> = all.map(|mail| mail.id()).collect();
        let contents = self.contents();
        assert_eq!(served.difference(&contents).count(), 0, "some are missing: {:?}", self.maildrop.heard());
        assert_eq!(contents.difference(&served).count(), 0, "the server has no such mail: {:?}", self.maildrop.heard());
    }
}

impl Poll {
    fn assert_well(&self) {
        assert_eq!(self.ended.code, 0, "{}", self.ended);
        assert!(self.told["error"].is_null(), "{}", self.told);
        self.assert_adds_up();
    }

    /// It failed, and says this of it.
    fn assert_failed(&self, sentence: &str) {
        assert_eq!(self.ended.code, 1, "{}", self.ended);
        let error = self.told["error"].as_str().unwrap_or_default();
        assert!(error.contains(sentence), "{sentence:?} is not in {error:?}");
        assert!(self.ended.stderr.contains(sentence), "{}", self.ended);
        self.assert_adds_up();
    }

    /// Every line of the listing has a fate.
    fn assert_adds_up(&self) {
        let number = |name: &str| self.told[name].as_u64().unwrap();
        let fates = ["known", "kept", "duplicates", "oversize", "failed", "deferred"].map(number);
        assert_eq!(number("listed"), fates.iter().sum::<u64>(), "{}", self.told);
    }

    fn assert_counts<const N: usize>(&self, expected: [(&str, u64); N]) {
        for (count, number) in expected {
            assert_eq!(self.told[count], number, "{count} of {}", self.told);
        }
    }
}
