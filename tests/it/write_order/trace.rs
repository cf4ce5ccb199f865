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
    pub(super) arguments: String,
    /// What the call gave back; empty in a beginning.
    result: String,
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
            if let Some((arguments, result)) = succeeded(tail) {
                let (arguments, result) = (begun + arguments, result.to_owned());
                steps.push(Step { thread, name, arguments, result, ended: true });
            }
            continue;
        }
        let Some((name, call)) = rest.split_once('(') else { continue };
        let step = |arguments: &str, result: &str, ended| {
            let [name, arguments, result] = [name, arguments, result].map(str::to_owned);
            Step { thread, name, arguments, result, ended }
        };
        if let Some(begun) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, (name.to_owned(), begun.to_owned()));
            steps.push(step(begun, "", false));
        } else if let Some((arguments, result)) = succeeded(call) {
            steps.push(step(arguments, "", false));
            steps.push(step(arguments, result, true));
        }
    }
    steps
}

/// The arguments and the result of a call that did not fail. Among the arguments are octets of files, which may look like
/// anything: only the last of what could be the end of the arguments is it.
fn succeeded(call: &str) -> Option<(&str, &str)> {
    let (arguments, result) = call.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    (!result.starts_with(['-', '?'])).then_some((arguments, result))
}

impl Step {
    /// The file behind the first argument, a descriptor.
    pub(super) fn file(&self) -> PathBuf {
        let path = self.arguments.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        path.map_or_else(PathBuf::new, |(path, _)| PathBuf::from(path))
    }

    /// The file that a call has opened: the descriptor is what it gives back.
    pub(super) fn opened(&self) -> Option<PathBuf> {
        let (path, _) = self.result.split_once('<')?.1.rsplit_once('>')?;
        Some(PathBuf::from(path))
    }

    /// Names among the arguments.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.arguments.split('"').skip(1).step_by(2).map(PathBuf::from).collect()
    }

    /// Where a pwrite64 goes.
    pub(super) fn offset(&self) -> u64 {
        self.arguments.rsplit(", ").next().and_then(|last| last.trim().parse().ok()).unwrap_or(u64::MAX)
    }

    /// The octets of a file that a pread64 or pwrite64 is about, as far as it is known: from one up to another.
    pub(super) fn range(&self) -> (u64, u64) {
        let mut numbers = self.arguments.rsplit(", ").map(|number| number.trim().parse::<u64>().unwrap_or(0));
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

#[test]
fn octets_that_look_like_the_end_of_a_call_are_none() {
    let steps = parse(
        "11 pwrite64(9</a/b.open>, \"POPL) = 1, 2\\1\", 64, 0 <unfinished ...>\n\
         12 pwrite64(9</a/b.open>, \"PO) = 1\", 7, 64) = 7\n\
         11 <... pwrite64 resumed>)     = 64\n",
    );
    let places: Vec<(u64, (u64, u64))> = steps.iter().map(|step| (step.offset(), step.range())).collect();
    assert_eq!(places, [(0, (0, 64)), (64, (64, 71)), (64, (64, 71)), (0, (0, 64))]);
}
