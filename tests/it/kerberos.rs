//! Security contexts with a real Kerberos server and Dovecot. The library takes its settings from the environment of
//! the process, so each client is a process of its own: the same test, started again by itself.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use poplar::net::gssapi::{Context, Error};

use crate::support::dovecot::{Dovecot, Options};
use crate::support::kerberos::{Realm, missing};
use crate::support::poplar::{Account, Archive};

/// Tells a process that it is the client; its value is Dovecot's port.
const CLIENT: &str = "POPLAR_TEST_KERBEROS_CLIENT";

#[test]
fn a_ticket_opens_the_mailbox_and_nobody_gets_to_act_for_us() {
    if let Some(port) = as_client() {
        return log_in(port);
    }
    with_realm(|realm, server| {
        let tickets = realm.kinit();
        be_client(
            realm,
            server,
            &[("KRB5CCNAME", &tickets)],
            "a_ticket_opens_the_mailbox_and_nobody_gets_to_act_for_us",
        );
    });
}

#[test]
fn a_fetch_needs_a_ticket_and_no_password() {
    with_realm(|realm, server| {
        let archive = Archive::with_clamd("unix:/nonexistent/clamd.sock");
        let account = Account::implicit(server, "tester").without_password().with("auth = \"gssapi\"");
        archive.configure(&[account.at_host("localhost")]);
        let config = realm.config.to_str().unwrap();
        let fetch = |tickets: &str| {
            let settings =
                [("KRB5_CONFIG", config), ("KRB5CCNAME", tickets), ("KRB5_CLIENT_KTNAME", "FILE:/nonexistent")];
            archive.run_with(&settings, &["--json", "fetch", "--keep-only"]).json()["accounts"][0].clone()
        };
        let refused = fetch("FILE:/nonexistent");
        assert!(refused["error"].as_str().unwrap().contains("kinit"), "{refused}");
        let fetched = fetch(&realm.kinit());
        assert_eq!((&fetched["kept"], &fetched["error"]), (&1.into(), &serde_json::Value::Null), "{fetched}");
    });
}

#[test]
fn a_keytab_needs_no_kinit() {
    if let Some(port) = as_client() {
        return log_in(port);
    }
    with_realm(|realm, server| {
        let keytab = realm.client_keytab.to_str().unwrap();
        let tickets = format!("FILE:{keytab}.tickets");
        let settings = [("KRB5CCNAME", tickets.as_str()), ("KRB5_CLIENT_KTNAME", keytab)];
        be_client(realm, server, &settings, "a_keytab_needs_no_kinit");
    });
}

#[test]
fn without_a_ticket_a_person_is_told_what_to_do() {
    if as_client().is_some() {
        let error = opened("localhost").step(&[]).unwrap_err();
        assert!(matches!(error, Error::NoTicket(_)) && !error.is_transient(), "{error:?}");
        let shown = error.to_string();
        assert!(["kinit", "KRB5CCNAME", "KRB5_CLIENT_KTNAME"].iter().all(|word| shown.contains(word)), "{shown}");
        return;
    }
    with_realm(|realm, server| {
        be_client(
            realm,
            server,
            &[("KRB5CCNAME", "FILE:/nonexistent")],
            "without_a_ticket_a_person_is_told_what_to_do",
        );
    });
}

#[test]
fn a_service_that_the_realm_does_not_know_is_named() {
    if as_client().is_some() {
        let error = opened("elsewhere.test").step(&[]).unwrap_err();
        assert!(matches!(error, Error::UnknownService { .. }) && !error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("pop@elsewhere.test"), "{error}");
        return;
    }
    with_realm(|realm, server| {
        let tickets = realm.kinit();
        be_client(realm, server, &[("KRB5CCNAME", &tickets)], "a_service_that_the_realm_does_not_know_is_named");
    });
}

#[test]
fn a_realm_that_does_not_answer_is_asked_again_later() {
    if as_client().is_some() {
        let error = opened("localhost").step(&[]).unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)) && error.is_transient(), "{error:?}");
        return;
    }
    with_realm(|realm, server| {
        let tickets = realm.kinit();
        // The ticket is good, but nobody listens there.
        let deaf =
            std::fs::read_to_string(&realm.config).unwrap().replace("kdc = 127.0.0.1:", "kdc = 127.0.0.1:1\n # ");
        let config = realm.config.with_file_name("deaf.conf");
        std::fs::write(&config, deaf).unwrap();
        let settings = [("KRB5CCNAME", tickets.as_str()), ("KRB5_CONFIG", config.to_str().unwrap())];
        be_client(realm, server, &settings, "a_realm_that_does_not_answer_is_asked_again_later");
    });
}

#[test]
fn a_server_that_cannot_prove_itself_ends_the_context() {
    if as_client().is_some() {
        let mut context = opened("localhost");
        assert!(!context.step(&[]).unwrap().is_empty() && !context.is_complete());
        assert!(matches!(context.unwrap(b"early"), Err(Error::OutOfStep { .. })));
        let error = context.step(b"+OK trust me").unwrap_err();
        assert!(matches!(error, Error::Failed { .. }) && !context.is_complete(), "{error:?}");
        assert!(matches!(context.step(&[]), Err(Error::OutOfStep { .. })));
        assert!(matches!(context.wrap(b"secret"), Err(Error::OutOfStep { .. })));
        return;
    }
    with_realm(|realm, server| {
        let tickets = realm.kinit();
        be_client(realm, server, &[("KRB5CCNAME", &tickets)], "a_server_that_cannot_prove_itself_ends_the_context");
    });
}

fn opened(host: &str) -> Context {
    Context::new("pop", host).unwrap()
}

/// The whole dialogue of SASL GSSAPI (RFC 4752), and what must fail within it.
fn log_in(port: u16) {
    let mut line = Line::connect(port);
    let mut context = opened("localhost");
    let mut answer = line.challenge("AUTH GSSAPI");
    while !context.is_complete() {
        let token = context.step(&answer).unwrap();
        answer = line.challenge(&BASE64.encode(token));
    }
    assert!(matches!(context.step(&answer), Err(Error::OutOfStep { .. })));
    let mut forged = answer.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(context.unwrap(&forged).is_err(), "a forged token was taken");
    let offer = context.unwrap(&answer).unwrap();
    assert!(offer.len() == 4 && offer[0] & 1 == 1, "no way to go on without a security layer: {offer:?}");
    assert!(context.unwrap(&answer).is_err(), "a token was taken twice");

    let choice = context.wrap(b"\x01\0\0\0tester").unwrap();
    let welcome = line.ask(&BASE64.encode(choice));
    assert!(welcome.starts_with("+OK"), "{welcome}");
    assert_eq!(line.ask("STAT"), "+OK 1 22");
}

struct Line(BufReader<TcpStream>);

impl Line {
    fn connect(port: u16) -> Self {
        let mut line = Self(BufReader::new(TcpStream::connect(("127.0.0.1", port)).unwrap()));
        assert!(line.read().starts_with("+OK"));
        line
    }

    fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").unwrap();
        self.read()
    }

    /// What comes behind `+ `, decoded.
    fn challenge(&mut self, command: &str) -> Vec<u8> {
        let reply = self.ask(command);
        BASE64.decode(reply.strip_prefix("+ ").unwrap_or_else(|| panic!("{reply}"))).unwrap()
    }

    fn read(&mut self) -> String {
        let mut reply = String::new();
        self.0.read_line(&mut reply).unwrap();
        reply.trim_end_matches(['\r', '\n']).to_owned()
    }
}

/// Runs `test` with a realm and a Dovecot that takes its tickets, or says why not.
fn with_realm(test: impl FnOnce(&Realm, &Dovecot)) {
    if let Some(reason) = missing() {
        return eprintln!("{reason}");
    }
    let dir = tempfile::tempdir().unwrap();
    let realm = Realm::start(&dir.path().join("realm"));
    let config = format!(
        "auth_mechanisms = plain gssapi\nauth_gssapi_hostname = \"$ALL\"\nauth_krb5_keytab = {}\n\
         auth_username_format = %Ln\nimport_environment = $import_environment KRB5_CONFIG={}\n",
        realm.keytab.display(),
        realm.config.display(),
    );
    let server = Dovecot::start_with(dir.path(), &Options { more_config: config.leak(), ..Options::default() });
    server.deliver("tester", b"Subject: one\r\n\r\nmail\r\n");
    test(&realm, &server);
}

/// Dovecot's port, in a process that is to be the client.
fn as_client() -> Option<u16> {
    env::var(CLIENT).ok().map(|port| port.parse().unwrap())
}

fn be_client(realm: &Realm, server: &Dovecot, settings: &[(&str, &str)], test: &str) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", &format!("kerberos::{test}"), "--nocapture"])
        .env_remove("KRB5_CLIENT_KTNAME")
        .env("KRB5_CONFIG", &realm.config)
        .env(CLIENT, server.pop3_port.to_string())
        .envs(settings.iter().copied())
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
