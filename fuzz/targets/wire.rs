//! Any octets as what a POP3 server says: nothing panics, and no cut of the stream changes what happens.
//!
//! The first octet picks the way in, the second where the stream is cut; what follows is the server's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::mail::Secret;
use poplar::proto::pop3::{Auth, Command, Event, Limits, Listing, Login, Opening, Security, Step, Wire};

fuzz_target!(|octets: &[u8]| {
    let [way, cut, octets @ ..] = octets else { return };
    assert_eq!(Replay::of(*way, octets, usize::MAX), Replay::of(*way, octets, usize::from(*cut).max(1)));
});

const COMMANDS: usize = 7;

/// What a client made of a server's octets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Replay {
    said: Vec<u8>,
    happened: Vec<String>,
    text: Vec<u8>,
    listing: Listing,
}

/// The server's octets, as far as they have arrived.
struct Stream<'o> {
    octets: &'o [u8],
    taken: usize,
    arrived: usize,
    cut: usize,
}

impl<'o> Stream<'o> {
    fn unread(&self) -> &'o [u8] {
        &self.octets[self.taken..self.arrived]
    }

    /// False: that was all.
    fn read(&mut self) -> bool {
        let before = self.arrived;
        self.arrived = self.arrived.saturating_add(self.cut).min(self.octets.len());
        self.arrived > before
    }
}

impl Replay {
    fn of(way: u8, octets: &[u8], cut: usize) -> Self {
        let mut replay = Self::default();
        let mut stream = Stream { octets, taken: 0, arrived: 0, cut };
        if let Some(wire) = replay.open(way, &mut stream) {
            replay.converse(wire, &mut stream);
        }
        replay
    }

    fn open(&mut self, way: u8, stream: &mut Stream<'_>) -> Option<Wire> {
        let security = if way & 1 == 0 { Security::Cleartext } else { Security::Tls };
        let auth = [Auth::Auto, Auth::User, Auth::Plain][usize::from(way >> 1) % 3];
        let login = Login {
            user: "ana".into(),
            credentials: Secret::new("sekrit".to_owned()).into(),
            auth,
            allow_cleartext: true,
        };
        let opening = Opening::new(login, security, Limits::default()).expect("what is said can be said");
        // Without chance: two logins are compared.
        let mut opening = opening.with_nonce("rOprNGfwEbeRWgbNEkqO");
        loop {
            let mut input = stream.unread();
            let step = opening.step(&mut input);
            stream.taken = stream.arrived - input.len();
            match step {
                Ok(Step::Write(octets)) => self.said.extend(octets),
                Ok(Step::Read) if stream.read() => {}
                Ok(Step::Read) => {
                    self.happened.push(opening.end_of_input().to_string());
                    return None;
                }
                Ok(Step::UpgradeTls) => return None,
                Ok(Step::Open) => return Some(opening.into_session().0),
                Err(_) => {
                    self.happened.push("refused".to_owned());
                    return None;
                }
            }
        }
    }

    fn converse(&mut self, mut wire: Wire, stream: &mut Stream<'_>) {
        let body = |number| Command::Retr { number, max_bytes: 2000 };
        let header = Command::Top { number: 3, max_bytes: 300 };
        let commands: [Command; COMMANDS] =
            [Command::Uidl, Command::List, body(1), body(2), header, Command::Dele(1), Command::Quit];
        commands.iter().for_each(|command| wire.send(command));
        self.said.extend(wire.take_output());
        while !wire.is_idle() {
            let mut input = stream.unread();
            let is_uidl = wire.outstanding() == COMMANDS;
            let event = wire.next(&mut input);
            stream.taken = stream.arrived - input.len();
            match event {
                Ok(Some(event)) => self.take(event, is_uidl),
                Ok(None) if input.len() > Limits::default().line_octets() => {
                    panic!("holds {} octets back", input.len())
                }
                Ok(None) if stream.read() => {}
                Ok(None) => return self.happened.push(wire.end_of_input().to_string()),
                Err(fault) => {
                    // What a fault quotes may stand in what arrived, or behind it.
                    return self.happened.push(format!("{:?}", std::mem::discriminant(&fault)));
                }
            }
        }
    }

    fn take(&mut self, event: Event<'_>, is_uidl: bool) {
        match event {
            Event::Chunk(octets) => self.text.extend_from_slice(octets),
            Event::Line(line) if is_uidl => self.listing.add_uid(line),
            Event::Line(line) => self.listing.add_size(line),
            other => self.happened.push(format!("{other:?}")),
        }
    }
}
