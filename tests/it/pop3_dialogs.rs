//! Every dialog of `tests/pop3/` is replayed with the server's octets cut at every size from 1 to 64, and whole: what
//! the client says and what happens must be the same each time. `tests/pop3/README.md` explains the format.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use poplar::mail::Secret;
use poplar::proto::pop3::{
    Auth, ChannelBinding, Command, Credentials, Event, Fault, Limits, Listing, Login, Opening, Retrieve, Security,
    SecurityContext, SecurityContexts, Step, Window, Wire,
};

#[test]
fn every_dialog_goes_as_written_however_it_is_cut() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pop3");
    let mut replayed = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "txt") {
            continue;
        }
        let dialog = Dialog::parse(&fs::read_to_string(&path).unwrap());
        for cut in (1..=64).chain([usize::MAX]) {
            let happened = Replay::new(&dialog, cut).run(&dialog.actions);
            let name = path.file_name().unwrap().display();
            assert_eq!(happened.join("\n"), dialog.expected.join("\n"), "{name}, {cut} octets at a time");
        }
        replayed += 1;
    }
    assert!(replayed >= 20, "only {replayed} dialogs were found");
}

struct Dialog {
    actions: Vec<String>,
    server: Vec<Says>,
    /// The `C:` and `>` lines in order.
    expected: Vec<String>,
}

/// What the server does once the client has said so many lines.
#[derive(Clone)]
struct Says {
    after_lines: usize,
    /// `None`: it closes the connection.
    octets: Option<Vec<u8>>,
}

impl Dialog {
    fn parse(text: &str) -> Self {
        let mut dialog = Self { actions: Vec::new(), server: Vec::new(), expected: Vec::new() };
        let mut after_lines = 0;
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
            let octets = match kind {
                "do" => {
                    dialog.actions.push(rest.to_owned());
                    continue;
                }
                "C:" | ">" => {
                    after_lines += usize::from(kind == "C:");
                    dialog.expected.push(line.to_owned());
                    continue;
                }
                "S:" => Some([unescape(rest).as_slice(), b"\r\n"].concat()),
                "S=" => Some(unescape(rest)),
                "S!" => None,
                _ => panic!("not a line of a dialog: {line}"),
            };
            dialog.server.push(Says { after_lines, octets });
        }
        dialog
    }
}

/// `\r \n \0 \\ \xNN`, and `{text*N}` for N times the text.
fn unescape(text: &str) -> Vec<u8> {
    if let Some((head, tail)) = text.split_once('{') {
        let (repeated, rest) = tail.split_once('}').unwrap();
        let (piece, times) = repeated.rsplit_once('*').unwrap();
        return [unescape(head), unescape(piece).repeat(times.parse().unwrap()), unescape(rest)].concat();
    }
    let mut octets = Vec::new();
    let mut letters = text.bytes();
    while let Some(letter) = letters.next() {
        octets.push(if letter == b'\\' { escaped(&mut letters) } else { letter });
    }
    octets
}

fn escaped(letters: &mut impl Iterator<Item = u8>) -> u8 {
    match letters.next().unwrap() {
        b'r' => b'\r',
        b'n' => b'\n',
        b'0' => b'\0',
        b'\\' => b'\\',
        b'x' => {
            let digits = [letters.next().unwrap(), letters.next().unwrap()];
            u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap()
        }
        other => panic!("unknown escape \\{}", char::from(other)),
    }
}

fn auth(name: &str) -> Auth {
    match name {
        "user" => Auth::User,
        "apop" => Auth::Apop,
        "plain" => Auth::Plain,
        "login" => Auth::Login,
        "cram-md5" => Auth::CramMd5,
        "scram-sha-1" => Auth::ScramSha1,
        "scram-sha-256" => Auth::ScramSha256,
        "oauthbearer" => Auth::OauthBearer,
        "xoauth2" => Auth::Xoauth2,
        "gssapi" => Auth::Gssapi,
        "external" => Auth::External,
        "rpop" => Auth::Rpop,
        other => panic!("no mechanism is called {other}"),
    }
}

/// Kerberos with a server that it can be played with: tokens say what they are, and `wrap` only marks a message.
struct Toy {
    steps: usize,
    wanted: usize,
}

/// `steps`: how many tokens of the server it takes.
fn kerberos(steps: usize) -> SecurityContexts {
    SecurityContexts::new(move || match steps {
        0 => Err("there is no ticket; run kinit".to_owned()),
        _ => Ok(Box::new(Toy { steps: 0, wanted: steps })),
    })
}

impl SecurityContext for Toy {
    fn step(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        if token != b"AP-REP" && !token.is_empty() {
            return Err("the server's token is not one".to_owned());
        }
        self.steps += usize::from(!token.is_empty());
        Ok(if self.is_complete() { Vec::new() } else { b"AP-REQ".to_vec() })
    }

    fn is_complete(&self) -> bool {
        self.steps == self.wanted
    }

    fn wrap(&mut self, message: &[u8]) -> Result<Vec<u8>, String> {
        Ok([b"wrapped ", message].concat())
    }

    fn unwrap(&mut self, token: &[u8]) -> Result<Vec<u8>, String> {
        token.strip_prefix(b"wrapped ").map(<[u8]>::to_vec).ok_or("the server's signature is wrong".to_owned())
    }
}

/// The scripted server, the client's state, and what happened so far.
struct Replay {
    cut: usize,
    server: VecDeque<Says>,
    lines_heard: usize,
    on_the_way: VecDeque<u8>,
    inbox: Vec<u8>,
    happened: Vec<String>,
    pipelining: bool,
}

/// Ends a replay; the reason has been written down.
struct Over;

impl Replay {
    fn new(dialog: &Dialog, cut: usize) -> Self {
        Self {
            cut,
            server: dialog.server.iter().cloned().collect(),
            lines_heard: 0,
            on_the_way: VecDeque::new(),
            inbox: Vec::new(),
            happened: Vec::new(),
            pipelining: false,
        }
    }

    fn run(mut self, actions: &[String]) -> Vec<String> {
        let mut wire = None;
        for action in actions {
            let (verb, rest) = action.split_once(' ').unwrap_or((action, ""));
            let done = match (verb, &mut wire) {
                ("open", wire) => self.open(rest).map(|opened| *wire = Some(opened)),
                (_, Some(wire)) => self.act(wire, verb, rest),
                (_, None) => panic!("{action} before open"),
            };
            if done.is_err() {
                break;
            }
        }
        self.happened
    }

    fn open(&mut self, options: &str) -> Result<Wire, Over> {
        let option = |name: &str| options.split(' ').find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
        let text = |name: &str| String::from_utf8(unescape(option(name).unwrap_or_default())).unwrap();
        let security = match option("tls") {
            Some("implicit") => Security::Tls,
            Some("starttls") => Security::StartTls,
            _ => Security::Cleartext,
        };
        let secret = |name: &str| option(name).is_some().then(|| Secret::new(text(name)));
        let credentials = Credentials {
            password: secret("password"),
            token: secret("token"),
            client_certificate: option("certificate").is_some(),
            security_contexts: option("kerberos").map(|layers| kerberos(layers.parse().unwrap())),
        };
        let allow_cleartext = option("cleartext") != Some("forbidden");
        let auth = option("auth").map_or(Auth::Auto, auth);
        let login = Login { user: text("user"), credentials, auth, allow_cleartext };
        let opened = Opening::new(login, security, Limits::default());
        let mut opening = opened.map_err(|error| self.over("refused", &error))?.with_nonce("rOprNGfwEbeRWgbNEkqO");
        if let Some(host) = option("host") {
            opening = opening.reached_at(host, 995);
        }
        opening.bind(option("binding").map(|data| ChannelBinding::TlsExporter(unescape(data))));
        loop {
            let mut input = self.inbox.as_slice();
            let step = opening.step(&mut input);
            let left = input.len();
            self.inbox.drain(..self.inbox.len() - left);
            match step.map_err(|error| self.over("refused", &error))? {
                Step::Write(octets) => self.hear(&octets),
                Step::Read if self.read() => {}
                Step::Read => return Err(self.over("refused", &opening.end_of_input())),
                Step::UpgradeTls if self.on_the_way.is_empty() => {
                    self.happened.push("> tls".to_owned());
                    opening.secured();
                }
                Step::UpgradeTls => self.arrive_all(),
                Step::Open => break,
            }
        }
        let (wire, capabilities) = opening.into_session();
        self.pipelining = capabilities.pipelining();
        let offered: Vec<String> = capabilities.lines().collect();
        self.happened.push(format!("> open {}", offered.join(", ")).trim_end().to_owned());
        Ok(wire)
    }

    /// Anything that waits before the client asks anew answers nothing.
    fn act(&mut self, wire: &mut Wire, verb: &str, rest: &str) -> Result<(), Over> {
        self.arrive_all();
        let unasked = wire.next(&mut self.inbox.as_slice()).err();
        if let Some(fault) = unasked {
            return Err(self.over("fault", &fault));
        }
        match verb {
            "list" => self.list(wire),
            "retrieve" => self.retrieve(wire, rest),
            "delete" => self.ask_each(wire, rest.split(' ').map(|number| Command::Dele(number.parse().unwrap()))),
            "quit" => self.ask_each(wire, [Command::Quit]),
            _ => panic!("nothing is called {verb}"),
        }
    }

    fn list(&mut self, wire: &mut Wire) -> Result<(), Over> {
        let mut listing = Listing::default();
        for command in [Command::Uidl, Command::List] {
            wire.send(&command);
            self.hear(&wire.take_output());
            let mut refusal = None;
            self.until_answered(wire, |event| match event {
                Event::Line(line) if command == Command::Uidl => listing.add_uid(line),
                Event::Line(line) => listing.add_size(line),
                Event::Status(reply) => refusal = Some(format!("> {command} refused: {reply}")),
                _ => {}
            })?;
            self.happened.extend(refusal);
        }
        for listed in &listing.messages {
            let size = listed.size_bytes.map_or("?".to_owned(), |size| size.to_string());
            self.happened.push(format!("> listed {} {} {size}", listed.number, listed.uid.escape_ascii()));
        }
        if listing.unreadable_lines > 0 {
            self.happened.push(format!("> {} unreadable", listing.unreadable_lines));
        }
        Ok(())
    }

    fn retrieve(&mut self, wire: &mut Wire, rest: &str) -> Result<(), Over> {
        let max_bytes =
            rest.split(' ').find_map(|word| word.strip_prefix("max=")).map_or(u64::MAX, |max| max.parse().unwrap());
        let numbers = rest.split(' ').filter_map(|word| word.parse().ok());
        let mut window = Window::new(if self.pipelining { Window::COMMANDS } else { 1 });
        window.queue(numbers.map(|number| Retrieve { number, size_hint: None }));
        while !window.is_drained() {
            while let Some(wanted) = window.open() {
                wire.send(&Command::Retr { number: wanted.number, max_bytes });
            }
            self.hear(&wire.take_output());
            let number = window.oldest().unwrap().number;
            let (mut text, mut end) = (Vec::new(), None);
            while end.is_none() {
                self.step(wire, |event| match event {
                    Event::Chunk(octets) => text.extend_from_slice(octets),
                    Event::Begun => {}
                    Event::Status(reply) => end = Some(format!("refused: {reply}")),
                    Event::BodyEnd { lone_dots: 0, .. } => end = Some("whole".to_owned()),
                    other => end = Some(format!("{other:?}")),
                })?;
            }
            if !text.is_empty() && !end.as_ref().is_some_and(|end| end.starts_with("TooLarge")) {
                self.happened.push(format!("> text {}", text.escape_ascii()));
            }
            self.happened.push(format!("> message {number} {}", end.unwrap()));
            window.close();
        }
        Ok(())
    }

    /// In one batch, as DELE is pipelined.
    fn ask_each(&mut self, wire: &mut Wire, commands: impl IntoIterator<Item = Command>) -> Result<(), Over> {
        commands.into_iter().for_each(|command| wire.send(&command));
        self.hear(&wire.take_output());
        let mut replies = Vec::new();
        self.until_answered(wire, |event| match event {
            Event::Status(reply) => replies.push(format!("> {reply}")),
            other => panic!("{other:?} answers a one-line command"),
        })?;
        self.happened.extend(replies);
        Ok(())
    }

    fn until_answered(&mut self, wire: &mut Wire, mut each: impl FnMut(Event<'_>)) -> Result<(), Over> {
        while !wire.is_idle() {
            self.step(wire, &mut each)?;
        }
        Ok(())
    }

    /// One event, or one arrival of octets.
    fn step(&mut self, wire: &mut Wire, each: impl FnOnce(Event<'_>)) -> Result<(), Over> {
        let mut input = self.inbox.as_slice();
        let event = wire.next(&mut input).map(|event| event.map(each).is_some());
        let left = input.len();
        self.inbox.drain(..self.inbox.len() - left);
        match event {
            Ok(true) => Ok(()),
            Ok(false) if self.read() => Ok(()),
            Ok(false) => {
                let fault: Fault = wire.end_of_input();
                Err(self.over("fault", &fault))
            }
            Err(fault) => Err(self.over("fault", &fault)),
        }
    }

    fn over(&mut self, what: &str, why: &dyn std::error::Error) -> Over {
        self.happened.push(format!("> {what}: {why}"));
        Over
    }

    /// What the client wrote, line by line.
    fn hear(&mut self, octets: &[u8]) {
        let text = octets.escape_ascii().to_string();
        for line in text.split_terminator("\\r\\n") {
            self.happened.push(format!("C: {line}").trim_end().to_owned());
            self.lines_heard += 1;
        }
    }

    /// The next piece of what the server says. False: it closed the connection.
    fn read(&mut self) -> bool {
        self.let_server_speak();
        if self.on_the_way.is_empty() {
            let closes = self.server.front().is_some_and(|says| says.after_lines <= self.lines_heard);
            assert!(closes, "the client waits for ever after:\n{}", self.happened.join("\n"));
            return false;
        }
        let arrived = self.cut.min(self.on_the_way.len());
        self.inbox.extend(self.on_the_way.drain(..arrived));
        true
    }

    fn arrive_all(&mut self) {
        self.let_server_speak();
        self.inbox.extend(self.on_the_way.drain(..));
    }

    fn let_server_speak(&mut self) {
        while let Some(Says { after_lines, octets: Some(octets) }) = self.server.front() {
            if *after_lines > self.lines_heard {
                break;
            }
            self.on_the_way.extend(octets);
            self.server.pop_front();
        }
    }
}
