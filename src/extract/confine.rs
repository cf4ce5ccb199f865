//! Shuts a process in: what it can use up, which files it can see, what it can ask of the kernel. What a kernel does not
//! have is told, not taken for granted. Knows nothing about documents.

use std::collections::BTreeMap;
use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Width, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule,
};
use serde::{Deserialize, Serialize};

use super::Limits;

/// How the worker is held, as it found when it shut itself in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confinement {
    /// Memory, processor time, descriptors, files' sizes, processes (`setrlimit`).
    pub resources: Hold,
    /// No file of any kind, no port (Landlock).
    pub files: Hold,
    /// Only the system calls that reading takes (seccomp).
    pub calls: Hold,
}

/// Whether one of them holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hold {
    Full,
    /// An older kernel holds less.
    Partly(String),
    No(String),
}

impl Confinement {
    /// Before a worker has told.
    pub(super) fn unknown() -> Self {
        let no = || Hold::No("the worker has not told".to_owned());
        Self { resources: no(), files: no(), calls: no() }
    }

    /// Whether nothing is missing.
    pub fn is_full(&self) -> bool {
        [&self.resources, &self.files, &self.calls].iter().all(|hold| **hold == Hold::Full)
    }
}

/// `processor and memory: …; files: …; system calls: …`, for people.
impl fmt::Display for Confinement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resources, files, calls } = self;
        write!(f, "processor and memory: {resources}; files: {files}; system calls: {calls}")
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.pad("full"),
            Self::Partly(why) => write!(f, "in part ({why})"),
            Self::No(why) => write!(f, "no ({why})"),
        }
    }
}

/// The descriptors that stay usable beside the one for answers.
const INPUT: u64 = 0;
const ERRORS: u64 = 2;

/// Shuts the calling process in, for ever; it can read standard input and write to `output` and standard error. Its
/// parent's death ends it. Each hold is tried, whatever became of the others.
pub(super) fn confine(limits: &Limits, output: BorrowedFd<'_>) -> Confinement {
    // What Landlock and seccomp ask for where root does not start the worker.
    let unprivileged = rustix::thread::set_no_new_privs(true);
    let mortal = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let files = files();
    let failed: Vec<String> = [unprivileged, mortal]
        .into_iter()
        .chain(resources(limits))
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect();
    let resources = if failed.is_empty() { Hold::Full } else { Hold::Partly(failed.join(", ")) };
    let calls = match calls(output) {
        Ok(()) => Hold::Full,
        Err(error) => Hold::No(error.to_string()),
    };
    Confinement { resources, files, calls }
}

/// Each is set, whatever became of the others.
fn resources(limits: &Limits) -> [rustix::io::Result<()>; 6] {
    let set = |resource, most| setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    // A bound for all documents together; the one for each is set before it.
    let all = limits.cpu_seconds.saturating_mul(u64::from(limits.documents) + 1);
    [
        set(Resource::Core, 0),
        set(Resource::Fsize, 0),
        set(Resource::Nproc, 0),
        set(Resource::As, limits.memory_bytes),
        setrlimit(Resource::Cpu, Rlimit { current: Some(limits.cpu_seconds + 1), maximum: Some(all + 1) }),
        // What is open stays open; nothing more can be.
        set(Resource::Nofile, 0),
    ]
}

/// Gives the process this many seconds of processor time from now on. It is killed by `SIGXCPU` when they are over.
pub(super) fn renew_cpu(seconds: u64) -> rustix::io::Result<()> {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let used = u64::try_from(used.tv_sec).unwrap_or_default();
    let maximum = rustix::process::getrlimit(Resource::Cpu).maximum;
    // The kernel counts whole seconds.
    let current = (used + seconds + 1).min(maximum.unwrap_or(u64::MAX));
    setrlimit(Resource::Cpu, Rlimit { current: Some(current), maximum })
}

/// Handles everything that this version of Landlock knows and allows nothing of it.
fn files() -> Hold {
    const KNOWN: ABI = ABI::V6;
    let enforced = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self);
    match enforced {
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => Hold::Full,
            RulesetStatus::PartiallyEnforced => Hold::Partly("this kernel's Landlock knows less".to_owned()),
            RulesetStatus::NotEnforced => Hold::No("this kernel has no Landlock, or it is turned off".to_owned()),
        },
        Err(error) => Hold::No(error.to_string()),
    }
}

/// Everything that is not listed is refused with EPERM: what a library tries in vain must not kill the worker.
fn calls(output: BorrowedFd<'_>) -> Result<(), Box<dyn std::error::Error>> {
    let arch = std::env::consts::ARCH.try_into()?;
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules(output)?, refuse, SeccompAction::Allow, arch)?;
    let program: BpfProgram = filter.try_into()?;
    Ok(seccompiler::apply_filter(&program)?)
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn rules(output: BorrowedFd<'_>) -> Result<Rules, seccompiler::BackendError> {
    let output = u64::from(output.as_raw_fd().unsigned_abs());
    let mut rules: Rules = FREE.iter().map(|call| (*call, Vec::new())).collect();
    let mut add = |call: i64, argument: u8, operator: Op, value: u64| {
        let condition = SeccompCondition::new(argument, Width::Dword, operator, value)?;
        rules.entry(call).or_default().push(SeccompRule::new(vec![condition])?);
        Ok::<_, seccompiler::BackendError>(())
    };
    for call in [libc::SYS_read, libc::SYS_readv] {
        add(call, 0, Op::Eq, INPUT)?;
    }
    for (call, descriptor) in
        [libc::SYS_write, libc::SYS_writev].iter().flat_map(|call| [(call, output), (call, ERRORS)])
    {
        add(*call, 0, Op::Eq, descriptor)?;
    }
    // Memory, but none that can be executed.
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        add(call, 2, Op::MaskedEq(executable), 0)?;
    }
    // Limits and signals of this process only.
    let own = rustix::process::getpid().as_raw_pid().unsigned_abs();
    add(libc::SYS_prlimit64, 0, Op::Eq, 0)?;
    add(libc::SYS_tgkill, 0, Op::Eq, own.into())?;
    Ok(rules)
}

/// What takes no argument that could do harm.
const FREE: [i64; 26] = [
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_fstat,
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_getrusage,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sigaltstack,
];
