use super::error::Error;
use super::library::{self, Handle, Name, Step};

/// A client's security context with `service@host`, in which both sides prove who they are and nobody gets the right
/// to act for the other.
///
/// Every function blocks, on files and on the Kerberos server: call them in `spawn_blocking`. The context may move
/// between threads. Everything is freed with it.
#[derive(Debug)]
pub struct Context {
    /// `service@host`.
    service: String,
    name: Name,
    handle: Handle,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Opening,
    Complete,
    Broken,
}

impl Context {
    /// `service` is `pop`; `host` the server's name as its realm knows it. Loads the library, asks nobody yet.
    pub fn new(service: &str, host: &str) -> Result<Self, Error> {
        let service = format!("{service}@{host}");
        let library = library::loaded()?;
        let failed = |status| Error::of(&service, "at its name", status);
        let name = library.name(&service).map_err(failed)?;
        Ok(Self { name, handle: library.handle(), state: State::Opening, service })
    }

    /// Takes what the server sent (nothing at first), gives what to send to it, which may be empty. An error ends the
    /// context.
    pub fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        if self.state != State::Opening {
            return Err(self.out_of_step());
        }
        self.state = State::Broken;
        let step = self.handle.step(&self.name, token).map_err(|status| self.failed("while it was opened", status))?;
        if step.complete {
            self.check(&step)?;
        }
        self.state = if step.complete { State::Complete } else { State::Opening };
        Ok(step.token)
    }

    /// Whether both sides are known to each other; then only [`Context::wrap`] and [`Context::unwrap`] are left.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Signs `octets` without hiding them.
    pub fn wrap(&mut self, octets: &[u8]) -> Result<Vec<u8>, Error> {
        self.finished()?;
        self.handle.wrap(octets).map_err(|status| self.failed("while signing", status))
    }

    /// What the server signed, if it is from the server, in order and for the first time.
    pub fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, Error> {
        self.finished()?;
        self.handle.unwrap(token).map_err(|status| self.failed("while a signature was checked", status))
    }

    fn check(&self, step: &Step) -> Result<(), Error> {
        let service = || self.service.clone();
        match () {
            () if !step.mutual || !step.integrity => Err(Error::NotMutual { service: service() }),
            () if step.delegated => Err(Error::Delegated { service: service() }),
            () => Ok(()),
        }
    }

    fn finished(&self) -> Result<(), Error> {
        if self.is_complete() { Ok(()) } else { Err(self.out_of_step()) }
    }

    fn failed(&self, doing: &'static str, status: super::Status) -> Error {
        Error::of(&self.service, doing, status)
    }

    fn out_of_step(&self) -> Error {
        Error::OutOfStep { service: self.service.clone() }
    }
}
