//! "Write order" of `schemas/store.md`, as laws over the system calls of a run. Assumes the worst of the calls that
//! overlap: a write may happen as soon as it has begun, and an fsync holds for what had begun before it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::trace::Step;

/// What a run has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) packs_begun: usize,
    pub(super) batches: usize,
    pub(super) published: usize,
    pub(super) tiles: usize,
    pub(super) checkpoints: usize,
    pub(super) sealed: usize,
    pub(super) opens_removed: usize,
    pub(super) deleted: usize,
    /// In words: laws that were broken.
    pub(super) broken: Vec<String>,
}

/// One session, whose messages have the unique-ids `uids` in the order of the listing.
pub(super) fn observe(archive: &Path, uids: &[String], steps: &[Step]) -> Seen {
    let mut watch = Watch::new(archive, uids);
    for (at, step) in (1..).zip(steps) {
        watch.step(at, step);
    }
    watch.names_are_durable("the process ended");
    watch.threads_go_on_in_order();
    watch.seen
}

/// Places in the log, counted from 1.
type At = usize;

struct Watch<'a> {
    archive: &'a Path,
    wal: PathBuf,
    uids: &'a [String],
    /// Files: last written to. Folders: a name in them was last made.
    changed: HashMap<PathBuf, At>,
    /// Up to where an fsync has made it durable.
    durable: HashMap<PathBuf, At>,
    /// fsyncs on their way: when they began.
    syncing: HashMap<u32, At>,
    /// Packs that a thread has written to since it last wrote to the catalog, and whether it has read them back.
    batch: HashMap<u32, HashMap<PathBuf, bool>>,
    /// Files that a thread has published, and whose folder it has not made durable yet.
    published: HashMap<u32, PathBuf>,
    /// Packs made in this run without a frame yet.
    empty_packs: HashSet<PathBuf>,
    /// Where the catalog's log first named a unique-id, and where first with the decision to delete it.
    named: HashMap<String, At>,
    decided: HashMap<String, At>,
    checkpoint: At,
    /// Sealed packs on their way: how long they are, and what of them was read back from where it is durable.
    drafts: HashMap<PathBuf, Draft>,
    /// Open packs that a sealed one has taken the place of, and when.
    sealed: HashMap<PathBuf, At>,
    /// The last write to the catalog's log that is durable.
    committed: At,
    seen: Seen,
}

impl<'a> Watch<'a> {
    fn new(archive: &'a Path, uids: &'a [String]) -> Self {
        Self {
            archive,
            wal: archive.join("catalog.db-wal"),
            uids,
            changed: HashMap::new(),
            durable: HashMap::new(),
            syncing: HashMap::new(),
            batch: HashMap::new(),
            published: HashMap::new(),
            empty_packs: HashSet::new(),
            named: HashMap::new(),
            decided: HashMap::new(),
            checkpoint: 0,
            drafts: HashMap::new(),
            sealed: HashMap::new(),
            committed: 0,
            seen: Seen::default(),
        }
    }

    fn step(&mut self, at: At, step: &Step) {
        if !step.ended && !step.is_sync() && step.name != "openat" {
            self.goes_on(step.thread);
        }
        match (&*step.name, step.ended) {
            ("openat", true) if step.arguments.contains("O_CREAT") => {
                step.opened().into_iter().for_each(|path| self.made(at, path));
            }
            ("mkdir" | "mkdirat", true) => step.paths().into_iter().for_each(|path| self.made(at, path)),
            ("rename" | "renameat" | "renameat2" | "link" | "linkat", false) => self.renamed(at, step),
            ("unlink" | "unlinkat", false) => step.paths().iter().for_each(|path| self.removed(path)),
            ("pread64", true) => self.read(step),
            (_, false) if step.is_sync() => drop(self.syncing.insert(step.thread, at)),
            (_, true) if step.is_sync() => self.synced(step),
            (_, false) if step.is_write() && step.file().starts_with(self.archive) => self.written(at, step),
            ("sendto" | "sendmsg" | "write" | "writev", false) => self.sent(step),
            _ => {}
        }
    }

    fn broken(&mut self, law: String) {
        self.seen.broken.push(law);
    }

    fn is_durable(&self, path: &Path) -> bool {
        self.changed.get(path).is_none_or(|changed| self.is_durable_since(path, *changed))
    }

    fn is_durable_since(&self, path: &Path, at: At) -> bool {
        self.durable.get(path).is_some_and(|durable| *durable > at)
    }

    fn made(&mut self, at: At, path: PathBuf) {
        // A pack that is opened again without O_EXCL is not new; poplar makes packs with it.
        let inside = path.starts_with(self.archive);
        if !inside || self.changed.contains_key(&path) || is_fleeting(&path, self.archive) {
            return;
        }
        if is_pack(&path) {
            self.empty_packs.insert(path.clone());
        }
        if let Some(folder) = path.parent() {
            self.changed.insert(folder.to_owned(), at);
        }
    }

    fn renamed(&mut self, at: At, step: &Step) {
        let paths = step.paths();
        let [from, to] = &paths[..] else { return };
        if !to.starts_with(self.archive) || is_fleeting(to, self.archive) {
            return;
        }
        self.seen.published += 1;
        if !self.is_durable(from) {
            self.broken(format!("{} was published before it was durable", to.display()));
        }
        let journal = self.archive.join("journal");
        if *to == journal.join("checkpoint") {
            self.seen.checkpoints += 1;
            self.checkpoint = at;
            self.all_durable_below(&journal, "a checkpoint was published");
        }
        if to.extension().is_some_and(|ending| ending == "pack") {
            self.sealed(at, from, to);
        }
        if let Some(folder) = to.parent() {
            self.changed.insert(folder.to_owned(), at);
        }
        // The journal's tiles come in groups, and need their names when a checkpoint counts on them.
        if !to.starts_with(journal.join("tile")) {
            self.published.insert(step.thread, to.clone());
        }
    }

    /// Every octet was read back. The open pack has to wait for the catalog.
    fn sealed(&mut self, at: At, from: &Path, to: &Path) {
        self.seen.sealed += 1;
        if let Some(from) = self.drafts.remove(from).and_then(|draft| draft.first_unread()) {
            self.broken(format!("{} was published, and was not read back from octet {from} on", to.display()));
        }
        self.sealed.insert(to.with_extension("open"), at);
    }

    /// An open pack goes when the catalog knows of the sealed one that takes its place.
    fn removed(&mut self, path: &Path) {
        let sealed = self.sealed.remove(path);
        self.seen.opens_removed += usize::from(sealed.is_some());
        if sealed.is_some_and(|sealed| self.committed < sealed) {
            self.broken(format!("{} was removed before the catalog knew of the sealed pack", path.display()));
        }
    }

    /// Whoever publishes a file makes its name durable before anything else.
    fn goes_on(&mut self, thread: u32) {
        if let Some(file) = self.published.remove(&thread) {
            self.broken(format!("{} was published, and its folder not made durable at once", file.display()));
        }
    }

    fn threads_go_on_in_order(&mut self) {
        let threads: Vec<u32> = self.published.keys().copied().collect();
        threads.into_iter().for_each(|thread| self.goes_on(thread));
    }

    /// The tiles first, then what is signed over them.
    fn all_durable_below(&mut self, folder: &Path, when: &str) {
        let late: Vec<PathBuf> = self
            .changed
            .keys()
            .filter(|path| path.starts_with(folder) && *path != folder && !self.is_durable(path))
            .cloned()
            .collect();
        late.iter().for_each(|path| self.broken(format!("{when}, and {} was not durable", path.display())));
    }

    fn written(&mut self, at: At, step: &Step) {
        let file = step.file();
        if is_pack_draft(&file) {
            self.drafts.entry(file.clone()).or_default().grows_to(step.range().1);
        }
        self.seen.tiles += usize::from(file.starts_with(self.archive.join("journal/tile")));
        if is_pack(&file) {
            self.pack_written(&file, step);
        }
        if file == self.wal {
            self.committed(at, step);
        }
        self.changed.insert(file, at);
    }

    fn pack_written(&mut self, pack: &Path, step: &Step) {
        if step.name == "ftruncate" || step.offset() == 0 {
            return;
        }
        self.batch.entry(step.thread).or_default().insert(pack.to_owned(), false);
        if self.empty_packs.remove(pack) {
            self.seen.packs_begun += 1;
            if !self.is_durable(pack) || !self.is_durable(pack.parent().unwrap()) {
                self.broken(format!("frames were written to {} before it and its name were durable", pack.display()));
            }
        }
    }

    fn read(&mut self, step: &Step) {
        let (file, durable) = (step.file(), self.is_durable(&step.file()));
        if let Some(draft) = self.drafts.get_mut(&file).filter(|_| durable) {
            draft.read.push(step.range());
        }
        let Some(read_back) = self.batch.get_mut(&step.thread).and_then(|batch| batch.get_mut(&file)) else { return };
        *read_back |= durable;
    }

    /// The thread that writes packs writes what they mean to the catalog: between the two, an fsync and a look.
    fn committed(&mut self, at: At, step: &Step) {
        let batch = self.batch.remove(&step.thread).unwrap_or_default();
        self.seen.batches += usize::from(!batch.is_empty());
        for (pack, read_back) in batch {
            if !self.is_durable(&pack) {
                self.broken(format!("the catalog was written before {} was durable", pack.display()));
            } else if !read_back {
                self.broken(format!("the catalog was written before {} was read back", pack.display()));
            }
        }
        for uid in self.uids {
            if !step.arguments.contains(uid.as_str()) {
                continue;
            }
            self.named.entry(uid.clone()).or_insert(at);
            let quoted = format!("\\\"{uid}\\\"");
            let mut records = step.arguments.split("{\\\"v\\\":1");
            if records.any(|record| record.contains("\\\"deleting\\\"") && record.contains(&quoted)) {
                self.decided.entry(uid.clone()).or_insert(at);
            }
        }
    }

    fn synced(&mut self, step: &Step) {
        if let Some(begun) = self.syncing.remove(&step.thread) {
            let file = step.file();
            if self.published.get(&step.thread).is_some_and(|published| published.parent() == Some(&file)) {
                self.published.remove(&step.thread);
            }
            if file == self.wal {
                self.committed = self.changed.get(&file).copied().filter(|at| *at < begun).unwrap_or(self.committed);
            }
            let durable = self.durable.entry(file).or_default();
            *durable = begun.max(*durable);
        }
    }

    fn sent(&mut self, step: &Step) {
        let dele = step.arguments.split("DELE ").skip(1);
        let digits = |rest: &str| rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<usize>();
        let numbers: Vec<usize> = dele.filter_map(|rest| digits(rest).ok()).collect();
        if !numbers.is_empty() {
            self.names_are_durable("DELE was sent");
        }
        for number in numbers {
            self.seen.deleted += 1;
            let uid = self.uids[number - 1].clone();
            self.may_go(&uid);
        }
    }

    fn may_go(&mut self, uid: &str) {
        let is_committed = |at: Option<&At>| at.is_some_and(|at| self.is_durable_since(&self.wal, *at));
        let (named, decided) = (is_committed(self.named.get(uid)), is_committed(self.decided.get(uid)));
        if !named {
            self.broken(format!("DELE of {uid} was sent before the catalog had it durably"));
        }
        if !decided {
            self.broken(format!("DELE of {uid} was sent before the decision was durable"));
        }
        let proven = self.named.get(uid).is_some_and(|named| self.checkpoint > *named);
        if !proven {
            self.broken(format!("DELE of {uid} was sent before a checkpoint that covers it was published"));
        }
    }

    /// What was made or published must be found again, under its name, after a power cut.
    fn names_are_durable(&mut self, when: &str) {
        let folders: HashSet<PathBuf> =
            self.changed.keys().filter(|path| path.is_dir() && !self.is_durable(path)).cloned().collect();
        for folder in folders {
            self.broken(format!("{when}, and names in {} were not durable", folder.display()));
        }
    }
}

#[derive(Debug, Default)]
struct Draft {
    length: u64,
    /// From an octet up to another.
    read: Vec<(u64, u64)>,
}

impl Draft {
    fn grows_to(&mut self, end: u64) {
        self.length = self.length.max(end);
    }

    fn first_unread(mut self) -> Option<u64> {
        self.read.sort_unstable();
        let read = self.read.iter().fold(0, |read, (from, upto)| if *from <= read { read.max(*upto) } else { read });
        (read < self.length).then_some(read)
    }
}

fn is_pack_draft(path: &Path) -> bool {
    path.to_str().is_some_and(|path| path.ends_with(".pack.tmp"))
}

fn is_pack(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "open")
}

/// Names that may be lost: made anew at the next start, or on their way to another name.
fn is_fleeting(path: &Path, archive: &Path) -> bool {
    let within = path.strip_prefix(archive).unwrap_or(path);
    let folder = ["index", "spool", "clamd"].iter().any(|folder| within.starts_with(folder));
    let ending = path.extension().and_then(|ending| ending.to_str());
    folder || matches!(ending, Some("tmp" | "db-shm")) || within == Path::new("lock")
}
