//! Bad input: each gets a sentence, a place in `status`, and loses nothing; the next good run completes.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use poplar::mail::BlobId;

use crate::support::clamd;
use crate::support::dovecot::{Dovecot, Options};
use crate::support::poplar::{Account, Archive, Ended, mail, until};

/// A server with one message for `tester`.
fn server(folder: &tempfile::TempDir, options: &Options) -> Dovecot {
    let server = Dovecot::start_with(folder.path(), options);
    server.deliver("tester", &mail("waits", "for better times"));
    server
}

/// The account fails with this sentence, on the screen, in the JSON and in `status`; then it is mended.
fn assert_fails_until_mended(archive: &Archive, bad: &Account, sentence: &str, good: &Account) {
    archive.configure(std::slice::from_ref(bad));
    let ended = archive.run(&["--json", "fetch", "--keep-only"]);
    ended.assert_said(1, &format!("account tester: {sentence}"));
    let told = ended.json();
    assert!(told["accounts"][0]["error"].as_str().unwrap().starts_with(sentence), "{ended}");
    let (warnings, status) = (archive.warnings(), archive.status());
    assert!(warnings.starts_with(&format!("account tester: {sentence}")), "{warnings}");
    assert!(status["accounts"][0]["last_error"].as_str().unwrap().starts_with(sentence), "{status}");
    assert!(archive.well(&["status"]).text().contains("warning: account tester: "));

    archive.configure(std::slice::from_ref(good));
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 1);
    assert_eq!(archive.warnings().lines().filter(|warning| warning.contains("tester")).count(), 0);
    archive.assert_sound();
}

fn archive() -> Archive {
    Archive::with_clamd("unix:/nonexistent/clamd.sock")
}

#[test]
fn a_wrong_password() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let good = Account::implicit(&server, "tester");
    let sentence = format!("127.0.0.1:{}: the server refuses the login (-ERR [AUTH]", server.pop3s_port);
    assert_fails_until_mended(&archive(), &good.clone().with_password("not it"), &sentence, &good);
}

#[test]
fn a_host_where_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sentence = format!("127.0.0.1:{nobody}: cannot connect: Connection refused");
    let good = Account::implicit(&server, "tester");
    assert_fails_until_mended(&archive(), &Account::plain(nobody, "tester"), &sentence, &good);
}

#[test]
fn a_certificate_of_an_unknown_authority() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let bad = Account::at(server.pop3s_port, "tester");
    let sentence = format!("127.0.0.1:{}: no secure connection: its certificate was issued by an", server.pop3s_port);
    assert_fails_until_mended(&archive(), &bad, &sentence, &Account::implicit(&server, "tester"));
}

#[test]
fn a_certificate_for_another_name() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { certificate_names: &["elsewhere.example"], ..Options::default() };
    let server = server(&folder, &options);
    let bad = Account::implicit(&server, "tester");
    let good = bad.clone().with("tls_server_name = \"elsewhere.example\"");
    let sentence = format!("127.0.0.1:{}: no secure connection: its certificate is for", server.pop3s_port);
    assert_fails_until_mended(&archive(), &bad, &sentence, &good);
}

#[test]
fn a_server_that_does_not_speak_tls_where_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let bad = Account::at(server.pop3_port, "tester").trusting(&server);
    let sentence = format!("127.0.0.1:{}: no secure connection: what answers there does not", server.pop3_port);
    assert_fails_until_mended(&archive(), &bad, &sentence, &Account::implicit(&server, "tester"));
}

#[test]
fn a_password_file_that_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let archive = archive();
    archive.configure(&[Account::implicit(&server, "tester")]);
    fs::remove_file(archive.path("tester.secret")).unwrap();
    archive.run(&["fetch", "--keep-only"]).assert_said(1, "tester.secret does not exist; write the secret into it");
    assert!(archive.warnings().contains("does not exist"), "{}", archive.warnings());
    archive.well(&["search"]);
    archive.configure(&[Account::implicit(&server, "tester")]);
    assert_eq!(archive.fetch(&["--keep-only"])["kept"], 1);
}

#[test]
fn one_account_in_trouble_does_not_keep_the_others_from_their_mail() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let archive = archive();
    archive.configure(&[Account::plain(1, "bob"), Account::implicit(&server, "tester")]);
    let ended = archive.run(&["fetch", "--keep-only"]);
    ended.assert_said(1, "account bob: 127.0.0.1:1: cannot connect");
    assert!(ended.text().contains("failed, see below"), "{ended}");
    assert_eq!(archive.status()["messages"], 1);
}

#[test]
fn a_line_that_drops_in_the_middle_of_a_message() {
    let mails: Vec<Vec<u8>> = (1..=5).map(|n| mail(&format!("number {n}"), &"body\r\n".repeat(100))).collect();
    let port = serve(mails.clone(), 3);
    let archive = archive();
    let policy = "after_archive = \"delete\"\ndelete_when = \"kept\"";
    archive.configure(&[Account::plain(port, "tester").with(policy)]);

    let broken = archive.run(&["--json", "fetch", "--keep-only"]);
    broken.assert_said(1, "the server closed the connection while it was sending a message");
    let account = &broken.json()["accounts"][0];
    let counts = ["listed", "kept", "deferred", "failed", "deleted"].map(|count| account[count].as_u64().unwrap());
    assert_eq!(counts, [5, 2, 3, 0, 0], "{broken}");
    assert!(archive.warnings().contains("while it was sending a message"), "{}", archive.warnings());
    assert_eq!(archive.status()["messages"], 2);

    let whole = archive.fetch(&["--keep-only"]);
    assert_eq!((&whole["known"], &whole["kept"]), (&2.into(), &3.into()), "{whole}");
    for octets in &mails {
        assert_eq!(archive.raw(&BlobId::of(octets).to_string()), *octets);
    }
    archive.assert_sound();
}

/// A server whose first session ends in the middle of message `breaks_at`; those after it are well.
fn serve(mails: Vec<Vec<u8>>, breaks_at: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (session, stream) in listener.incoming().enumerate() {
            let breaks_at = if session == 0 { breaks_at } else { usize::MAX };
            // A client that leaves early is no concern of the next.
            drop(converse(&mut stream.unwrap(), &mails, breaks_at));
        }
    });
    port
}

fn converse(stream: &mut TcpStream, mails: &[Vec<u8>], breaks_at: usize) -> std::io::Result<()> {
    let listing = |fact: &dyn Fn(usize) -> String| -> String {
        let lines: String = (1..=mails.len()).map(|number| format!("{number} {}\r\n", fact(number))).collect();
        format!("+OK\r\n{lines}.\r\n")
    };
    stream.write_all(b"+OK hello\r\n")?;
    for command in BufReader::new(stream.try_clone()?).lines() {
        let command = command?;
        let (verb, argument) = command.split_once(' ').unwrap_or((&command, ""));
        let reply = match verb {
            "CAPA" => "+OK\r\nUIDL\r\nUSER\r\n.\r\n".to_owned(),
            "LIST" => listing(&|number| mails[number - 1].len().to_string()),
            "UIDL" => listing(&|number| format!("uid-{number}")),
            "RETR" => {
                let number: usize = argument.parse().unwrap();
                let text = std::str::from_utf8(&mails[number - 1]).unwrap();
                if number == breaks_at {
                    return stream.write_all(&[b"+OK\r\n", &text.as_bytes()[..text.len() / 2]].concat());
                }
                format!("+OK\r\n{text}.\r\n")
            }
            _ => "+OK\r\n".to_owned(),
        };
        stream.write_all(reply.as_bytes())?;
        if verb == "QUIT" {
            break;
        }
    }
    Ok(())
}

#[test]
fn no_clamd_means_later_and_never_clean() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let mut archive = archive();
    archive.configure(&[Account::implicit(&server, "tester")]);
    let ended = archive.run(&["--json", "fetch", "--wait", "1s"]);
    ended.assert_said(75, "1 message waits for the scanner: cannot connect to clamd at unix:/nonexistent/clamd.sock");
    let told = ended.json();
    assert_eq!(
        (&told["accounts"][0]["kept"], &told["unscanned"], &told["unindexed"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert_eq!(archive.found("is:pending waits").len(), 1);
    assert!(archive.found("is:clean").is_empty());
    let warnings = archive.warnings();
    assert!(warnings.contains("1 message waits to be scanned"), "{warnings}");

    let file = archive.path("more.eml");
    fs::write(&file, mail("imported", "body")).unwrap();
    let imported = archive.run(&["import", "--wait", "1s", file.to_str().unwrap()]);
    imported.assert_said(75, "2 messages wait for the scanner: cannot connect to clamd at");

    archive.set_clamd("managed");
    archive.configure(&[Account::implicit(&server, "tester")]);
    archive.fetch(&[]);
    assert_eq!(archive.found("is:clean").len(), 2);
    assert_eq!(archive.warnings(), "");
}

#[test]
fn a_daemon_without_its_clamd_archives_says_so_and_scans_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let clamd_folder = tempfile::tempdir().unwrap();
    let socket = clamd_folder.path().join("clamd/run/clamd.sock");
    let archive = Archive::with_clamd(&format!("unix:{}", socket.display()));
    archive.configure(&[Account::implicit(&server, "tester")]);
    let mut daemon = archive.start(&[]);
    until("nothing is said of the scanner", || {
        let status = archive.status();
        (status["scanner"]["state"] == "away" && status["stages"]["scan"]["waiting"] == 1).then_some(())
    });
    let warnings = archive.warnings();
    assert!(
        warnings.contains("nothing is scanned, and all new mail is withheld: cannot connect to clamd"),
        "{warnings}"
    );

    let clamd = clamd::start(clamd_folder.path());
    until("it was not scanned", || (archive.found("is:clean").len() == 1).then_some(()));
    drop(clamd);
    assert_eq!(daemon.stop(), 0);
}

#[test]
fn a_broken_configuration() {
    let archive = archive();
    let text = fs::read_to_string(archive.config_file()).unwrap();
    fs::write(archive.config_file(), format!("{text}\n[scna]\n")).unwrap();
    for verb in ["run", "fetch", "search", "status", "verify"] {
        let ended = archive.run(&[verb]);
        ended.assert_said(2, "poplar.toml:");
        ended.assert_said(2, "scna");
    }
    archive.run(&["config", "check"]).assert_said(2, "scna");
    fs::write(archive.config_file(), text).unwrap();
    archive.well(&["config", "check"]);
}

#[test]
fn passwords_appear_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder, &Options::default());
    let wrong = "wr0ng-b9d1c3";
    let archive = archive();
    let lines: [fn(&Dovecot, &str) -> Account; 3] =
        [Account::implicit, Account::starttls, |server, user| Account::plain(server.pop3_port, user)];
    for line in lines {
        for account in [line(&server, "tester"), line(&server, "tester").with_password(wrong)] {
            archive.configure(&[account]);
            let said: Vec<Ended> = [
                &["-v", "fetch", "--keep-only"][..],
                &["-v", "--json", "fetch", "--keep-only"],
                &["-v", "config", "show"],
                &["-v", "status"],
                &["--json", "status"],
            ]
            .map(|arguments| archive.run(arguments))
            .into();
            for ended in &said {
                let everything = ended.to_string();
                assert!(!everything.contains("sekrit") && !everything.contains(wrong), "{everything}");
            }
            assert!(said[0].stderr.contains("session started"), "-v says nothing: {}", said[0]);
        }
    }
    let stored = crate::support::poplar::files_below(&archive.data_dir());
    assert!(!stored.is_empty());
    for file in stored {
        let octets = fs::read(&file).unwrap();
        for password in [&b"sekrit"[..], wrong.as_bytes()] {
            assert!(memchr::memmem::find(&octets, password).is_none(), "{}", file.display());
        }
    }
}
