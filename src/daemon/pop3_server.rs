//! A POP3 server on loopback (RFC 1939, CAPA, AUTH PLAIN): the other side of `poplar demo` and of tests.
//! Holds its mail in memory, speaks plain text, and serves nobody outside this machine.

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::proto::pop3::stuff;

/// One maildrop and who may open it.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub user: String,
    pub password: String,
    /// UID and octets, oldest first.
    pub messages: Vec<(Vec<u8>, Arc<[u8]>)>,
}

/// Runs until stopped or dropped.
pub struct Server {
    address: SocketAddr,
    drops: Arc<[Maildrop]>,
    stop: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// On a free port of 127.0.0.1.
    pub async fn start(accounts: Vec<Mailbox>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let drops: Arc<[Maildrop]> = accounts.into_iter().map(Maildrop::new).collect();
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&drops), stopped));
        Ok(Self { address, drops, stop, accepting })
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many messages the maildrop of `user` holds now. 0 for nobody.
    pub fn messages_left(&self, user: &str) -> usize {
        self.drops.iter().find(|maildrop| maildrop.user == user).map_or(0, |maildrop| maildrop.messages().len())
    }

    /// Ends every session, deleting nothing more, and waits for that.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        // An accept loop that panicked has ended as well.
        drop(self.accepting.await);
    }
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

async fn accept(listener: TcpListener, drops: Arc<[Maildrop]>, mut stopped: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = sessions.join_next() => continue,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => drop(sessions.spawn(serve(stream, Arc::clone(&drops)))),
            // No descriptors, most likely; a session that ends gives one back.
            Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
        }
    }
    sessions.shutdown().await;
}

async fn serve(stream: TcpStream, drops: Arc<[Maildrop]>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let mut line =
        Line { reader: BufReader::new(reader), writer, replies: b"+OK Poplar's own server is ready\r\n".to_vec() };
    if let Some(mut session) = authorize(&mut line, &drops).await? {
        transact(&mut line, &mut session).await?;
    }
    line.flush().await
}

/// The AUTHORIZATION state. `None`: the client left.
async fn authorize<'d>(line: &mut Line, drops: &'d [Maildrop]) -> io::Result<Option<Session<'d>>> {
    let mut user = None;
    while let Some(command) = line.read().await? {
        let (verb, argument) = split(&command);
        let credentials = match verb.as_str() {
            "USER" => {
                user = Some(argument.to_owned());
                line.say("+OK and the password?");
                continue;
            }
            "PASS" => user.take().map(|user| (user, argument.to_owned())),
            "AUTH" => sasl_plain(line, argument).await?,
            "CAPA" => {
                line.capabilities();
                continue;
            }
            "QUIT" => break,
            _ => {
                line.say("-ERR log in first");
                continue;
            }
        };
        match enter(drops, credentials) {
            Ok(session) => {
                line.say("+OK the maildrop is yours");
                return Ok(Some(session));
            }
            Err(refusal) => line.say(refusal),
        }
    }
    line.say("+OK goodbye");
    Ok(None)
}

fn enter(drops: &[Maildrop], credentials: Option<(String, String)>) -> Result<Session<'_>, &'static str> {
    let (user, password) = credentials.ok_or("-ERR that is no login")?;
    drops
        .iter()
        .find(|maildrop| maildrop.user == user && maildrop.password == password)
        .ok_or("-ERR [AUTH] wrong user or password")?
        .lock()
        .ok_or("-ERR [IN-USE] another session has this maildrop")
}

/// RFC 4616 inside RFC 5034, with or without an initial response.
async fn sasl_plain(line: &mut Line, argument: &str) -> io::Result<Option<(String, String)>> {
    let (mechanism, initial) = split(argument);
    if mechanism != "PLAIN" {
        return Ok(None);
    }
    let response = if initial.is_empty() {
        line.say("+ ");
        line.read().await?.unwrap_or_default()
    } else {
        initial.to_owned()
    };
    let message = STANDARD.decode(response).ok().and_then(|octets| String::from_utf8(octets).ok());
    Ok(message.and_then(|message| {
        let mut parts = message.splitn(3, '\0').skip(1).map(str::to_owned);
        parts.next().zip(parts.next())
    }))
}

/// The TRANSACTION state, and the UPDATE state if the client says QUIT.
async fn transact(line: &mut Line, session: &mut Session<'_>) -> io::Result<()> {
    while let Some(command) = line.read().await? {
        let (verb, argument) = split(&command);
        match verb.as_str() {
            "QUIT" => {
                session.commit();
                line.say("+OK goodbye");
                return Ok(());
            }
            "CAPA" => line.capabilities(),
            "NOOP" => line.say("+OK"),
            "RSET" => {
                session.marked.clear();
                line.say("+OK nothing is marked");
            }
            "STAT" => {
                let (count, octets) =
                    session.all().fold((0, 0), |(count, octets), (_, mail)| (count + 1, octets + mail.1.len()));
                line.say(&format!("+OK {count} {octets}"));
            }
            "LIST" => line.list(session, argument, |mail| mail.1.len().to_string().into_bytes()),
            "UIDL" => line.list(session, argument, |mail| mail.0.clone()),
            "RETR" | "TOP" => line.send_message(session, &verb, argument),
            "DELE" => match session.find(argument) {
                Some((number, _)) => {
                    session.marked.insert(number);
                    line.say("+OK marked");
                }
                None => line.say(NO_SUCH_MESSAGE),
            },
            _ => line.say("-ERR unknown command"),
        }
    }
    Ok(())
}

const NO_SUCH_MESSAGE: &str = "-ERR no such message";

/// Longer command lines end the session: nobody honest sends them (RFC 2449 section 4 says 255 octets; the rest is
/// room for passwords).
const MAX_LINE_OCTETS: u64 = 4096;

struct Line {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    replies: Vec<u8>,
}

impl Line {
    /// The next command. Replies are sent when no further command is waiting, so that pipelining costs one write.
    async fn read(&mut self) -> io::Result<Option<String>> {
        if !self.reader.buffer().contains(&b'\n') || self.replies.len() > (1 << 20) {
            self.flush().await?;
        }
        let mut command = Vec::new();
        (&mut self.reader).take(MAX_LINE_OCTETS).read_until(b'\n', &mut command).await?;
        if !command.ends_with(b"\n") {
            return Ok(None);
        }
        let command = String::from_utf8_lossy(&command);
        Ok(Some(command.trim_end_matches(['\r', '\n']).to_owned()))
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.writer.write_all(&std::mem::take(&mut self.replies)).await
    }

    fn say(&mut self, reply: &str) {
        self.replies.extend_from_slice(reply.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }

    fn capabilities(&mut self) {
        self.say("+OK\r\nTOP\r\nUIDL\r\nUSER\r\nPIPELINING\r\nSASL PLAIN\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\n.");
    }

    /// One line for the message named, or all.
    fn list(&mut self, session: &Session<'_>, argument: &str, fact: impl Fn(&Mail) -> Vec<u8>) {
        let entry = |number: u32, mail: &Mail| [number.to_string().as_bytes(), b" ", &fact(mail), b"\r\n"].concat();
        if argument.is_empty() {
            self.say("+OK");
            session.all().for_each(|(number, mail)| self.replies.extend(entry(number, mail)));
            self.say(".");
        } else if let Some((number, mail)) = session.find(argument) {
            self.replies.extend_from_slice(b"+OK ");
            self.replies.extend(entry(number, mail));
        } else {
            self.say(NO_SUCH_MESSAGE);
        }
    }

    fn send_message(&mut self, session: &Session<'_>, verb: &str, argument: &str) {
        let (number, lines) = split(argument);
        match session.find(&number) {
            Some((_, mail)) if verb == "TOP" => {
                let Ok(lines) = lines.parse() else { return self.say("-ERR how many lines?") };
                self.say("+OK");
                stuff(top(&mail.1, lines), &mut self.replies);
            }
            Some((_, mail)) => {
                self.say(&format!("+OK {} octets", mail.1.len()));
                stuff(&mail.1, &mut self.replies);
            }
            None => self.say(NO_SUCH_MESSAGE),
        }
    }
}

/// The header block, the empty line, and so many lines of the body.
fn top(octets: &[u8], lines: usize) -> &[u8] {
    let body = memchr::memmem::find(octets, b"\r\n\r\n").map_or(octets.len(), |at| at + 4);
    let mut ends = memchr::memchr_iter(b'\n', &octets[body..]).map(|at| body + at + 1);
    let end = if lines == 0 { body } else { ends.nth(lines - 1).unwrap_or(octets.len()) };
    &octets[..end]
}

/// `verb rest`; the verb in upper case.
fn split(command: &str) -> (String, &str) {
    let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
    (verb.to_ascii_uppercase(), rest)
}

type Mail = (Vec<u8>, Arc<[u8]>);

struct Maildrop {
    user: String,
    password: String,
    messages: Mutex<Vec<Mail>>,
    taken: AtomicBool,
}

impl Maildrop {
    fn new(mailbox: Mailbox) -> Self {
        let Mailbox { user, password, messages } = mailbox;
        Self { user, password, messages: Mutex::new(messages), taken: AtomicBool::new(false) }
    }

    /// The exclusive access of RFC 1939 section 4. `None`: somebody else has it.
    fn lock(&self) -> Option<Session<'_>> {
        let free = !self.taken.swap(true, Ordering::AcqRel);
        free.then(|| Session { maildrop: self, messages: self.messages().clone(), marked: BTreeSet::new() })
    }

    fn messages(&self) -> MutexGuard<'_, Vec<Mail>> {
        // Whoever panicked while holding it left a whole vector behind.
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A maildrop in use: its messages numbered as they stood at login, and what is marked as deleted.
struct Session<'d> {
    maildrop: &'d Maildrop,
    messages: Vec<Mail>,
    marked: BTreeSet<u32>,
}

impl Session<'_> {
    fn all(&self) -> impl Iterator<Item = (u32, &Mail)> {
        (1..).zip(&self.messages).filter(|(number, _)| !self.marked.contains(number))
    }

    fn find(&self, number: &str) -> Option<(u32, &Mail)> {
        let number: u32 = number.trim().parse().ok()?;
        let at = usize::try_from(number).ok()?.checked_sub(1)?;
        let mail = self.messages.get(at)?;
        (!self.marked.contains(&number)).then_some((number, mail))
    }

    fn commit(&mut self) {
        let left = self.all().map(|(_, mail)| mail.clone()).collect();
        *self.maildrop.messages() = left;
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        self.maildrop.taken.store(false, Ordering::Release);
    }
}
