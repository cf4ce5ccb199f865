//! The system calls of a run, as strace logs them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Everything that changes files or names, makes them durable, reads them back, or speaks to a server.
const CALLS: &str = "openat,mkdir,mkdirat,pread64,write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,\
                     rename,renameat,renameat2,link,linkat,unlink,unlinkat,sendto,sendmsg";
/// More than a page of the catalog: what it says is looked for in the log.
const OCTETS_SHOWN: &str = "8192";

/// The beginning of a call, or its successful end. A call that nothing came between is both, one after the other.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) thread: u32,
    pub(super) name: String,
    /// Until the call has ended, what it gives back is not among them.
    pub(super) arguments: String,
    pub(super) ended: bool,
}

pub(super) fn wrapper(log: &Path) -> Vec<String> {
    let trace = format!("trace={CALLS}");
    let log = log.display().to_string();
    ["strace", "-f", "-y", "-qq", "-s", OCTETS_SHOWN, "-e", "signal=none", "-e", &trace, "-o", &log]
        .map(str::to_owned)
        .to_vec()
}

pub(super) fn parse(log: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut unfinished: HashMap<u32, (String, String)> = HashMap::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let (Ok(thread), rest) = (thread.parse::<u32>(), rest.trim_start()) else { continue };
        if rest.starts_with("<... ") {
            let Some((name, begun)) = unfinished.remove(&thread) else { continue };
            let tail = rest.split_once("resumed>").map_or("", |(_, tail)| tail);
            if !has_failed(tail) {
                steps.push(Step { thread, name, arguments: begun + tail, ended: true });
            }
            continue;
        }
        let Some((name, arguments)) = rest.split_once('(') else { continue };
        let step =
            |arguments: &str, ended| Step { thread, name: name.to_owned(), arguments: arguments.to_owned(), ended };
        if let Some(begun) = arguments.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (name.to_owned(), begun.to_owned()));
            steps.push(step(begun, false));
        } else if !has_failed(arguments) {
            steps.push(step(arguments, false));
            steps.push(step(arguments, true));
        }
    }
    steps
}

fn has_failed(tail: &str) -> bool {
    tail.rsplit_once(" = ").is_none_or(|(_, result)| result.starts_with('-') || result.starts_with('?'))
}

impl Step {
    /// The file behind the first argument, a descriptor.
    pub(super) fn file(&self) -> PathBuf {
        let path = self.arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        path.map_or_else(PathBuf::new, |(path, _)| PathBuf::from(path))
    }

    /// The file that a call has opened: the descriptor is what it gives back.
    pub(super) fn opened(&self) -> Option<PathBuf> {
        let (_, result) = self.arguments.rsplit_once(" = ")?;
        let (path, _) = result.split_once('<')?.1.rsplit_once('>')?;
        Some(PathBuf::from(path))
    }

    /// Names among the arguments.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.arguments.split('"').skip(1).step_by(2).map(PathBuf::from).collect()
    }

    /// Where a pwrite64 goes.
    pub(super) fn offset(&self) -> u64 {
        let arguments = self.arguments.rsplit_once(')').map_or(&*self.arguments, |(arguments, _)| arguments);
        let last = arguments.rsplit(", ").next().unwrap_or_default();
        last.trim().parse().unwrap_or(u64::MAX)
    }

    /// The octets of a file that a pread64 or pwrite64 is about, as far as it is known: from one up to another.
    pub(super) fn range(&self) -> (u64, u64) {
        let arguments = self.arguments.rsplit_once(')').map_or(&*self.arguments, |(arguments, _)| arguments);
        let mut numbers = arguments.rsplit(", ").map(|number| number.trim().parse::<u64>().unwrap_or(0));
        let (from, bytes) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        (from, from + bytes)
    }

    pub(super) fn is_write(&self) -> bool {
        matches!(&*self.name, "write" | "pwrite64" | "writev" | "pwritev" | "ftruncate")
    }

    pub(super) fn is_sync(&self) -> bool {
        matches!(&*self.name, "fsync" | "fdatasync")
    }
}

#[test]
fn a_log_reads_as_beginnings_and_ends() {
    let steps = parse(
        "11 pwrite64(9</a/b.open>, \"x\"..., 4096, 64) = 4096\n\
         11 fdatasync(9</a/b.open> <unfinished ...>\n\
         12 rename(\"/a/c.tmp\", \"/a/c\") = 0\n\
         11 <... fdatasync resumed>)     = 0\n\
         12 openat(AT_FDCWD</>, \"d\", O_RDWR|O_CREAT, 0600) = 7</a/d>\n\
         12 fsync(7</a/d>) = -1 EIO (Input/output error)\n",
    );
    let said: Vec<(u32, &str, bool)> = steps.iter().map(|step| (step.thread, &*step.name, step.ended)).collect();
    assert_eq!(
        said,
        [
            (11, "pwrite64", false),
            (11, "pwrite64", true),
            (11, "fdatasync", false),
            (12, "rename", false),
            (12, "rename", true),
            (11, "fdatasync", true),
            (12, "openat", false),
            (12, "openat", true),
        ]
    );
    assert_eq!((steps[0].offset(), steps[2].file()), (64, PathBuf::from("/a/b.open")));
    assert_eq!(steps[3].paths().last(), Some(&PathBuf::from("/a/c")));
    assert_eq!(steps[7].opened(), Some(PathBuf::from("/a/d")));
}
