use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Mutex;
use std::time::Duration;

use poplar::proto::pop3::stuff;

use super::{Fault, Mail, State, lock};

/// One session, from the greeting to its end.
struct Session<'s> {
    state: &'s Mutex<State>,
    number: usize,
    reader: BufReader<TcpStream>,
    faults: Vec<Fault>,
    /// What the maildrop held at login.
    mails: Vec<Mail>,
    marked: BTreeSet<usize>,
    sent_octets: usize,
}

/// More than any client should take in.
const ENDLESS_OCTETS: usize = 1 << 30;

pub(super) fn serve(stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let number = {
        let mut state = lock(state);
        state.heard.push(Vec::new());
        state.heard.len() - 1
    };
    let faults = {
        let mut state = lock(state);
        let once = std::mem::take(&mut state.next_session);
        state.faults.iter().cloned().chain(once).collect()
    };
    let mut session = Session {
        state,
        number,
        reader: BufReader::new(stream),
        faults,
        mails: Vec::new(),
        marked: BTreeSet::new(),
        sent_octets: 0,
    };
    let ended = session.converse();
    lock(state).sent_octets = session.sent_octets;
    ended
}

impl Session<'_> {
    fn converse(&mut self) -> io::Result<()> {
        self.say("", b"+OK hello\r\n")?;
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let command = line.trim_end().to_owned();
            if let Some(heard) = lock(self.state).heard.get_mut(self.number) {
                heard.push(command.clone());
            }
            if !self.reader.buffer().is_empty() && self.has(|fault| matches!(fault, Fault::PipeliningBreaks)) {
                return self.leave();
            }
            let reply = self.reply(&command);
            let as_it_should_be = self.say(&command, &reply)?;
            let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
            match (verb, self.mail(argument)) {
                ("QUIT", _) => return self.leave(),
                ("RETR", Some(mail)) if as_it_should_be => lock(self.state).handed_out.push(mail.id()),
                _ => {}
            }
        }
    }

    fn reply(&mut self, command: &str) -> Vec<u8> {
        let (verb, argument) = command.split_once(' ').unwrap_or((command, ""));
        match verb {
            "CAPA" => self.capabilities(),
            "PASS" => self.login(),
            "STAT" => format!("+OK {} 0\r\n", self.mails.len()).into_bytes(),
            "LIST" => self.sizes(),
            "UIDL" => self.uids(),
            "RETR" | "TOP" => self.message(verb, argument),
            "DELE" => self.mark(argument),
            "QUIT" => self.quit(),
            "USER" | "NOOP" => b"+OK\r\n".to_vec(),
            _ => b"-ERR unknown command\r\n".to_vec(),
        }
    }

    fn capabilities(&self) -> Vec<u8> {
        let offered = lock(self.state).capabilities.clone();
        let lines: String = offered.iter().map(|line| format!("{line}\r\n")).collect();
        if offered.is_empty() { b"-ERR unknown command\r\n".to_vec() } else { format!("+OK\r\n{lines}.\r\n").into() }
    }

    fn login(&mut self) -> Vec<u8> {
        let shown = self.find(|fault| if let Fault::Window(shown) = fault { Some(*shown) } else { None });
        self.mails = lock(self.state).mails.iter().take(shown.unwrap_or(usize::MAX)).cloned().collect();
        b"+OK logged in\r\n".to_vec()
    }

    fn sizes(&self) -> Vec<u8> {
        let lie = self.find(|fault| if let Fault::ListLies(size) = fault { Some(*size) } else { None });
        listing(self.mails.iter().map(|mail| match lie {
            Some(lie) => lie.as_bytes().to_vec(),
            None => mail.octets.len().to_string().into_bytes(),
        }))
    }

    fn uids(&self) -> Vec<u8> {
        let more = self.has(|fault| matches!(fault, Fault::UidlHasOneMore)).then(|| b"of-nobody".to_vec());
        listing(self.mails.iter().map(|mail| mail.uid.clone()).chain(more))
    }

    fn message(&self, verb: &str, argument: &str) -> Vec<u8> {
        let Some(mail) = self.mail(argument) else { return b"-ERR no such message\r\n".to_vec() };
        let mut reply = format!("+OK {} octets\r\n", mail.octets.len()).into_bytes();
        if verb == "RETR" {
            stuff(&mail.octets, &mut reply);
            if !self.reader.buffer().is_empty() && self.has(|fault| matches!(fault, Fault::PipeliningLosesDots)) {
                reply.truncate(reply.len() - b".\r\n".len());
            }
            return reply;
        }
        let end = memchr::memmem::find(&mail.octets, b"\r\n\r\n").map_or(mail.octets.len(), |at| at + 4);
        let more = if self.has(|fault| matches!(fault, Fault::TopDiffersFromRetr)) { "X-Status: seen\r\n" } else { "" };
        stuff(&[more.as_bytes(), &mail.octets[..end]].concat(), &mut reply);
        reply
    }

    /// What RETR and TOP give for a number.
    fn mail(&self, argument: &str) -> Option<Mail> {
        let number: usize = argument.split(' ').next()?.parse().ok()?;
        let wrong_from = self.find(|fault| if let Fault::OffByOne(from) = fault { Some(*from) } else { None });
        let behind = usize::from(wrong_from.is_some_and(|from| number >= from));
        self.mails.get(number.checked_sub(1)? + behind).cloned()
    }

    fn mark(&mut self, argument: &str) -> Vec<u8> {
        let is_refused =
            self.has(|fault| matches!(fault, Fault::Answer(to, _) if is_meant(&format!("DELE {argument}"), to)));
        match argument.parse::<usize>() {
            _ if is_refused => Vec::new(),
            Ok(number) if (1..=self.mails.len()).contains(&number) && self.marked.insert(number - 1) => {
                b"+OK\r\n".to_vec()
            }
            _ => b"-ERR no such message\r\n".to_vec(),
        }
    }

    fn quit(&self) -> Vec<u8> {
        let mut reply = b"+OK bye\r\n".to_vec();
        let mut upto = usize::MAX;
        for fault in &self.faults {
            match fault {
                Fault::QuitKeepsAll => upto = 0,
                Fault::QuitDropped => (reply, upto) = (Vec::new(), 0),
                Fault::QuitUnanswered => reply = Vec::new(),
                Fault::QuitErr(done) => (reply, upto) = (b"-ERR some messages were not removed\r\n".to_vec(), *done),
                _ => {}
            }
        }
        let mut state = lock(self.state);
        for mail in self.marked.iter().take(upto).map(|at| &self.mails[*at]) {
            if let Some(at) = state.mails.iter().position(|there| there == mail) {
                let gone = state.mails.remove(at);
                state.deleted.push(gone);
            }
        }
        if self.has(|fault| matches!(fault, Fault::QuitHidesWhatWasFetched)) {
            let State { mails, handed_out, deleted, .. } = &mut *state;
            deleted.extend(mails.extract_if(.., |mail| handed_out.contains(&mail.id())));
        }
        drop(state);
        reply
    }

    /// Says it, with what goes wrong on the way. Whether nothing did.
    fn say(&mut self, command: &str, reply: &[u8]) -> io::Result<bool> {
        let mut octets = reply.to_vec();
        let mut cut = None;
        let mut stall = None;
        let mut drip = None;
        let sent = self.sent_octets;
        for fault in self.faults.clone() {
            match fault {
                Fault::Answer(to, instead) if is_meant(command, to) => octets = instead,
                Fault::After(to, last) if is_meant(command, to) => octets.extend(last),
                Fault::Endless(to, line) if is_meant(command, to) => return self.go_on_and_on(line),
                Fault::CutIn(to, upto) if is_meant(command, to) => cut = Some(upto),
                Fault::StallIn(to, upto) if is_meant(command, to) => stall = Some(upto),
                Fault::DripIn(to, piece, pause) if is_meant(command, to) => drip = Some((piece, pause)),
                Fault::CutAfterOctets(upto) if upto < sent + octets.len() => cut = Some(upto - sent),
                Fault::StallAfterOctets(upto) if upto < sent + octets.len() => stall = Some(upto - sent),
                _ => {}
            }
        }
        let end = cut.or(stall).map_or(octets.len(), |upto| upto.min(octets.len()));
        self.sent_octets += end;
        let (piece, pause) = drip.unwrap_or((usize::MAX, Duration::ZERO));
        for octets in octets[..end].chunks(piece) {
            std::thread::sleep(pause);
            self.reader.get_ref().write_all(octets)?;
        }
        if stall.is_some() {
            lock(self.state).has_stalled = true;
            io::copy(&mut self.reader, &mut io::sink())?;
        }
        if cut.is_some() || stall.is_some() {
            self.leave()?;
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(octets == reply)
    }

    fn go_on_and_on(&mut self, line: &[u8]) -> io::Result<bool> {
        let lines = line.repeat(1000);
        self.reader.get_ref().write_all(b"+OK\r\n")?;
        for _ in 0..ENDLESS_OCTETS / lines.len() {
            self.reader.get_ref().write_all(&lines)?;
        }
        panic!("the client took in {ENDLESS_OCTETS} octets")
    }

    /// Closes the connection so that all that was said arrives: unread commands would take it back.
    fn leave(&mut self) -> io::Result<()> {
        self.reader.get_ref().shutdown(Shutdown::Write)?;
        self.reader.read_to_end(&mut Vec::new())?;
        Ok(())
    }

    fn has(&self, is: impl Fn(&Fault) -> bool) -> bool {
        self.faults.iter().any(is)
    }

    fn find<T>(&self, read: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        self.faults.iter().find_map(read)
    }
}

fn is_meant(command: &str, by: &str) -> bool {
    if by.is_empty() { command.is_empty() } else { command == by || command.starts_with(&format!("{by} ")) }
}

fn listing(facts: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let line = |(number, fact): (u32, Vec<u8>)| [format!("{number} ").as_bytes(), &fact, b"\r\n"].concat();
    [b"+OK\r\n".to_vec(), (1..).zip(facts).flat_map(line).collect(), b".\r\n".to_vec()].concat()
}
