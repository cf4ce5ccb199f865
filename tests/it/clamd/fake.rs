//! A scripted clamd: speaks the protocol as clamd does, and goes wrong when and how the script says.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{IoSliceMut, Read as _, Seek as _, Write as _};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use poplar::mail::eicar;
use poplar::net::clamd::Address;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// A scan that the fake is asked for.
pub(crate) struct Asked<'a> {
    /// Counted from 0 over all connections.
    pub(crate) connection: usize,
    pub(crate) id: u32,
    pub(crate) octets: &'a [u8],
    /// The reply that tells the truth.
    pub(crate) truth: Vec<u8>,
}

impl Asked<'_> {
    pub(crate) fn is_eicar(&self) -> bool {
        self.octets == eicar()
    }

    pub(crate) fn is_self_test(&self) -> bool {
        self.is_eicar() || self.octets.starts_with(b"The quick brown fox")
    }

    /// The reply with another outcome.
    pub(crate) fn but(&self, outcome: &str) -> Vec<u8> {
        let text = String::from_utf8(self.truth.clone()).unwrap();
        let colon = text.rfind(": ").unwrap();
        format!("{}: {outcome}\0", &text[..colon]).into_bytes()
    }
}

pub(crate) enum Act {
    Say(Vec<u8>),
    /// One octet a call.
    Split(Vec<u8>),
    /// Behind the answer to the next question.
    Hold(Vec<u8>),
    SayAndClose(Vec<u8>),
    Hang,
    /// As a killed process does: every connection ends.
    Die,
}

type Script = Arc<dyn Fn(&Asked<'_>) -> Act + Send + Sync>;

/// Listens on a socket of its own until the test is over.
pub(crate) struct Fake {
    pub(crate) address: Address,
    shared: Arc<Shared>,
    _folder: tempfile::TempDir,
}

#[derive(Default)]
struct Shared {
    accepted: AtomicUsize,
    open: Mutex<Vec<UnixStream>>,
}

impl Fake {
    pub(crate) fn start(script: impl Fn(&Asked<'_>) -> Act + Send + Sync + 'static) -> Self {
        Self::with_signatures(1, script)
    }

    /// With the number that its signatures have.
    pub(crate) fn with_signatures(number: u32, script: impl Fn(&Asked<'_>) -> Act + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("fake.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let (shared, script) = (Arc::new(Shared::default()), Arc::new(script) as Script);
        let table = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = table.accepted.fetch_add(1, Ordering::SeqCst);
                let mut open = table.open.lock().unwrap();
                open.retain(|socket| socket.peer_addr().is_ok());
                open.push(socket.try_clone().unwrap());
                let (script, table) = (Arc::clone(&script), Arc::clone(&table));
                std::thread::spawn(move || Wire::new(socket, number).serve(connection, &script, &table));
            }
        });
        Self { address: Address::Unix(socket), shared, _folder: folder }
    }

    pub(crate) fn honest() -> Self {
        Self::start(|asked| Act::Say(asked.truth.clone()))
    }

    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn end_all(&self) {
        for socket in self.open.lock().unwrap().drain(..) {
            let _ended = socket.shutdown(Shutdown::Both);
        }
    }
}

struct Wire {
    socket: UnixStream,
    input: VecDeque<u8>,
    files: VecDeque<OwnedFd>,
    held: Vec<u8>,
    signatures: u32,
}

impl Wire {
    fn new(socket: UnixStream, signatures: u32) -> Self {
        Self { socket, input: VecDeque::new(), files: VecDeque::new(), held: Vec::new(), signatures }
    }

    /// Until the client hangs up, or the script does.
    fn serve(mut self, connection: usize, script: &Script, shared: &Shared) {
        let _ended = self.converse(connection, script, shared);
        let _ended = self.socket.shutdown(Shutdown::Both);
    }

    fn converse(&mut self, connection: usize, script: &Script, shared: &Shared) -> Option<()> {
        assert_eq!(self.command()?, b"zIDSESSION");
        for id in 1.. {
            let (octets, view) = match self.command()?.as_slice() {
                b"zVERSION" => {
                    let number = self.signatures;
                    self.say(format!("{id}: ClamAV 9.9.9/{number}/Mon Jan  1 00:00:00 2024\0").as_bytes())?;
                    continue;
                }
                b"zINSTREAM" => (self.stream(id)?, "stream".to_owned()),
                b"zFILDES" => (self.file()?, format!("fd[{}]", id + 7)),
                other => panic!("no such command: {other:?}"),
            };
            let is_bad = octets.windows(68).any(|window| window.starts_with(b"X5O!") && window == eicar());
            let truth = format!("{id}: {view}: {}\0", if is_bad { "Eicar FOUND" } else { "OK" }).into_bytes();
            self.act(script(&Asked { connection, id, octets: &octets, truth }), shared)?;
        }
        Some(())
    }

    fn act(&mut self, act: Act, shared: &Shared) -> Option<()> {
        match act {
            Act::Say(octets) => self.say(&octets),
            Act::Split(octets) => {
                octets.iter().try_for_each(|octet| self.socket.write_all(&[*octet]).ok())?;
                self.say(&[])
            }
            Act::Hold(octets) => {
                self.held.extend(octets);
                Some(())
            }
            Act::SayAndClose(octets) => self.socket.write_all(&octets).ok().and(None),
            Act::Hang => Some(()),
            Act::Die => {
                shared.end_all();
                None
            }
        }
    }

    fn say(&mut self, octets: &[u8]) -> Option<()> {
        self.socket.write_all(octets).ok()?;
        let held = std::mem::take(&mut self.held);
        self.socket.write_all(&held).ok()
    }

    fn command(&mut self) -> Option<Vec<u8>> {
        let mut command = Vec::new();
        loop {
            match self.octets(1)?[0] {
                0 => return Some(command),
                octet => command.push(octet),
            }
        }
    }

    /// A stream's octets, its chunks put together. One that begins with `EARLY`, then an outcome, is given that outcome at
    /// its first chunk; one that begins with `STOP` is not taken further.
    fn stream(&mut self, id: u32) -> Option<Vec<u8>> {
        let mut whole = Vec::new();
        loop {
            let length = u32::from_be_bytes(self.octets(4)?.try_into().unwrap());
            if length == 0 {
                return Some(whole);
            }
            whole.extend(self.octets(length as usize)?);
            if let Some(rest) = whole.strip_prefix(b"EARLY ") {
                let outcome = rest.split(|octet| *octet == b'\n').next()?;
                self.say(&[format!("{id}: ").as_bytes(), outcome, b"\0"].concat())?;
            }
            while whole.starts_with(b"STOP") {
                std::thread::park();
            }
        }
    }

    fn file(&mut self) -> Option<Vec<u8>> {
        self.octets(1)?;
        let mut file = File::from(self.files.pop_front().expect("no descriptor came with the command"));
        assert!(file.write_all(b"!").is_err() && file.set_len(0).is_err(), "the file is not sealed");
        let mut octets = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut octets).unwrap();
        Some(octets)
    }

    fn octets(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.input.len() < count {
            self.fill()?;
        }
        Some(self.input.drain(..count).collect())
    }

    fn fill(&mut self) -> Option<()> {
        let mut piece = [0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut piece)];
        let received = recvmsg(&self.socket, &mut slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC).ok()?;
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        self.input.extend(&piece[..received.bytes]);
        (received.bytes > 0).then_some(())
    }
}
