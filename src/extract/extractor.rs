//! The parent's side: one worker process, started when it is first needed and started anew when it ended or served
//! long enough. Knows nothing about formats.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::{fmt, io, thread};

use super::frames::{Ask, Attempt};
use super::process::{Fault, Process};
use super::{Confinement, Extracted, Format, Limits, Outcome, format_of};

/// Reads the text of documents, one at a time, in a process of its own.
pub struct Extractor {
    limits: Limits,
    nursery: Nursery,
    state: Mutex<State>,
    given_up: AtomicBool,
}

#[derive(Default)]
struct State {
    process: Option<Process>,
    confinement: Option<Confinement>,
}

impl fmt::Debug for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extractor").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Extractor {
    /// `program`: the executable whose verb `extract-worker` calls [`serve`](super::serve). Nothing is started yet.
    pub const fn new(program: PathBuf, limits: Limits) -> Self {
        let state = State { process: None, confinement: None };
        Self {
            limits,
            nursery: Nursery { program, keeper: Mutex::new(None) },
            state: Mutex::new(state),
            given_up: AtomicBool::new(false),
        }
    }

    /// The text of a document, as its declared type, its name and its first octets tell what it is. Blocks until it is
    /// read, at most as long as the limits allow; whoever else asks waits. A worker that dies is replaced, and asked
    /// once more.
    pub fn extract(&self, octets: &[u8], content_type: &str, filename: Option<&str>) -> Extracted {
        let Some(format) = format_of(content_type, filename, octets) else {
            return Extracted::nothing(Outcome::Unsupported);
        };
        let most = usize::try_from(self.limits.document_bytes).unwrap_or(usize::MAX);
        if octets.len() <= most {
            return self.asked(Ask::Read, (content_type, filename), octets);
        }
        let why = format!("it is larger than {most} bytes");
        if format != Format::Text {
            return Extracted::nothing(Outcome::Failed(why));
        }
        let beginning = self.asked(Ask::Read, (content_type, filename), &octets[..most]);
        match beginning.outcome {
            Outcome::Read => Extracted { outcome: Outcome::Partial(why), ..beginning },
            _ => beginning,
        }
    }

    /// Ends the worker soon, and reads nothing any more: who waits for a document hears that there is nobody to read it.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// How the worker is held. Starts one if none has told yet.
    ///
    /// # Errors
    /// A sentence that says why no worker could be started.
    pub fn confinement(&self) -> Result<Confinement, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.confinement.is_none() {
            let process = self.start().map_err(|error| error.to_string())?;
            state.confinement = Some(process.confinement.clone());
            state.process = Some(process);
        }
        Ok(state.confinement.clone().unwrap_or_else(Confinement::unknown))
    }

    /// Has the worker try what it must not be able to do: read and write files, open sockets, start programs.
    ///
    /// # Errors
    /// A sentence that says why it could not be asked.
    pub fn probe(&self) -> Result<Vec<Attempt>, String> {
        let answer = self.asked(Ask::Probe, ("", None), &[]);
        match answer.outcome {
            Outcome::Read => serde_json::from_str(&answer.text).map_err(|error| error.to_string()),
            other => Err(other.to_string()),
        }
    }

    fn asked(&self, ask: Ask, names: (&str, Option<&str>), octets: &[u8]) -> Extracted {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut has_failed = false;
        loop {
            if self.given_up.load(Ordering::Relaxed) {
                return Extracted::nothing(Outcome::Unavailable(Fault::GivenUp.to_string()));
            }
            let mut process = match self.ready(&mut state) {
                Ok(process) => process,
                Err(error) => return Extracted::nothing(Outcome::Unavailable(error.to_string())),
            };
            match process.ask(ask, names, octets, &self.limits, &self.given_up) {
                Ok(extracted) => {
                    state.process = Some(process);
                    return extracted;
                }
                // Whoever ends this program may have ended the worker first.
                Err(_) if self.given_up.load(Ordering::Relaxed) => {}
                Err(fault) if has_failed || fault.is_final() => {
                    return Extracted::nothing(Outcome::Crashed(fault.to_string()));
                }
                Err(_) => has_failed = true,
            }
        }
    }

    /// The worker in hand, or a new one where it ended by itself or has served long enough.
    fn ready(&self, state: &mut State) -> Result<Process, StartError> {
        if let Some(mut process) = state.process.take()
            && process.asked < self.limits.documents
            && !process.is_gone()
        {
            return Ok(process);
        }
        let process = self.start()?;
        state.confinement = Some(process.confinement.clone());
        Ok(process)
    }

    fn start(&self) -> Result<Process, StartError> {
        let child = self.nursery.start(&self.limits).map_err(StartError::Spawn)?;
        Process::adopt(child, &self.given_up).map_err(StartError::Adopt)
    }
}

/// Why there is no worker.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("the process that reads attachments could not be started: {0}")]
    Spawn(io::Error),
    #[error("the process that reads attachments did not get ready: {0}")]
    Adopt(Fault),
}

/// Starts workers from a thread that lives as long as they do: the kernel takes the end of the thread that started a
/// process for the end of its parent, and threads of a pool come and go.
struct Nursery {
    program: PathBuf,
    keeper: Mutex<Option<Sender<Order>>>,
}

/// A command to start, and where the child goes.
type Order = (Command, Sender<io::Result<Child>>);

impl Nursery {
    fn start(&self, limits: &Limits) -> io::Result<Child> {
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        let orders = match keeper.as_ref() {
            Some(orders) => orders.clone(),
            None => keeper.insert(keep()?).clone(),
        };
        drop(keeper);
        let (child, born) = channel();
        orders.send((self.command(limits), child)).map_err(io::Error::other)?;
        born.recv().map_err(io::Error::other)?
    }

    fn command(&self, limits: &Limits) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("extract-worker");
        for (name, value) in [
            ("--memory-bytes", limits.memory_bytes),
            ("--cpu-seconds", limits.cpu_seconds),
            ("--documents", limits.documents.into()),
            ("--text-bytes", limits.read.text_bytes),
            ("--unpacked-bytes", limits.read.unpacked_bytes),
            ("--members", limits.read.members.into()),
            ("--depth", limits.read.depth.into()),
            ("--patience-ms", u64::try_from(limits.read.patience.as_millis()).unwrap_or(u64::MAX)),
        ] {
            command.arg(name).arg(value.to_string());
        }
        command.env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// The thread ends with the last sender.
fn keep() -> io::Result<Sender<Order>> {
    let (sender, orders) = channel::<Order>();
    thread::Builder::new().name("extract".to_owned()).spawn(move || {
        for (mut command, child) in orders {
            // Whoever asked may have given up.
            drop(child.send(command.spawn()));
        }
    })?;
    Ok(sender)
}
