//! The POP3 driver against Poplar's own server and against a scripted one.

use std::sync::Arc;
use std::time::Duration;

use poplar::daemon::pop3_server::{Mailbox, Server};
use poplar::mail::Secret;
use poplar::net::pop3::{Auth, Class, Deadlines, Endpoint, Error, Login, Quit, Retrieve, Retrieved, Session, Tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Octets that other clients lose, each ending as a message must on the wire.
const NASTY: [&[u8]; 6] = [
    b"Subject: dots\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n",
    b"nul \0 cr \r lf \n 8-bit \xff\xe9\r\n",
    b"x\n.\n+OK forged\r\n-ERR forged\r\n",
    b"",
    b"\r\n",
    b"\r\r\n.\r.\n\r\n",
];

#[tokio::test]
async fn a_session_lists_retrieves_and_deletes() {
    let server = server(NASTY.iter().map(|octets| octets.to_vec())).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    assert!(session.capabilities().pipelining());
    assert_eq!(session.tls_version(), None);

    let listing = session.list().await.unwrap();
    let listed: Vec<_> = listing.messages.iter().map(|m| (m.number, m.uid.clone(), m.size_bytes)).collect();
    let sizes = NASTY.iter().map(|octets| Some(octets.len() as u64));
    let expected: Vec<_> = (1..).zip(sizes).map(|(number, size)| (number, uid(number), size)).collect();
    assert_eq!(listed, expected);

    let kept = retrieve_all(&mut session, 6).await;
    assert_eq!(kept, NASTY);

    let deleted = session.delete(&[1, 3, 99]).await.unwrap();
    assert_eq!(
        deleted.iter().map(|d| (d.number, d.reply.is_ok())).collect::<Vec<_>>(),
        [(1, true), (3, true), (99, false)]
    );
    assert_eq!(server.messages_left("tester"), 6, "nothing goes before QUIT");
    assert_eq!(session.quit().await.unwrap(), Quit::Committed);
    assert_eq!(server.messages_left("tester"), 4);
    server.stop().await;
}

#[tokio::test]
async fn a_dropped_session_deletes_nothing_and_frees_the_maildrop() {
    let server = server([b"a\r\n".to_vec()]).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    session.delete(&[1]).await.unwrap();
    drop(session);
    let session = loop {
        match open(&server, "sekrit").await {
            Ok(session) => break session,
            Err(error) => assert_eq!(error.class(), Class::InUse),
        }
    };
    assert_eq!(server.messages_left("tester"), 1);
    session.quit().await.unwrap();
}

#[tokio::test]
async fn thousands_of_pipelined_messages_come_in_order() {
    let mail = |n: u32| format!("Subject: {n}\r\n\r\n{}\r\n", ".dot\r\n".repeat(n as usize % 700)).into_bytes();
    let server = server((1..=2000).map(mail)).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    let kept = retrieve_all(&mut session, 2000).await;
    assert!(kept.iter().zip(1..).all(|(octets, n)| *octets == mail(n)));
    let numbers: Vec<u32> = (1..=2000).collect();
    assert!(session.delete(&numbers).await.unwrap().iter().all(|deleted| deleted.reply.is_ok()));
    session.quit().await.unwrap();
    assert_eq!(server.messages_left("tester"), 0);
}

#[tokio::test]
async fn a_stopped_retrieval_gives_back_what_was_not_asked_for() {
    let server = server((0..200).map(|_| b"x\r\n".to_vec())).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    session.retrieve((1..=200).map(|number| Retrieve { number, size_hint: Some(3) }), 1000);
    let mut ended = Vec::new();
    let mut given_back = Vec::new();
    while let Some(told) = session.next().await.unwrap() {
        if let Retrieved::End { number, .. } = told {
            ended.push(number);
            if number == 10 {
                given_back = session.stop_retrieving().iter().map(|retrieve| retrieve.number).collect();
            }
        }
    }
    assert!(!given_back.is_empty());
    ended.extend(given_back);
    assert_eq!(ended, (1..=200).collect::<Vec<_>>());
    session.quit().await.unwrap();
}

#[tokio::test]
async fn messages_over_the_limit_and_missing_ones_are_told_apart() {
    let server = server([vec![b'x'; 3000], b"small\r\n".to_vec()]).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    session.retrieve([1, 2, 3].map(|number| Retrieve { number, size_hint: None }), 2000);
    let mut told = Vec::new();
    while let Some(event) = session.next().await.unwrap() {
        match event {
            Retrieved::Begin { .. } | Retrieved::Chunk(_) => {}
            other => told.push(format!("{other:?}")),
        }
    }
    assert_eq!(told[0], "TooLarge { number: 1, octets: 3002 }");
    assert_eq!(told[1], "End { number: 2, octets: 7, lone_dots: 0 }");
    assert!(told[2].starts_with("Refused { number: 3"), "{}", told[2]);
}

#[tokio::test]
async fn nothing_else_is_asked_while_messages_are_on_their_way() {
    let server = server([b"a\r\n".to_vec()]).await;
    let mut session = open(&server, "sekrit").await.unwrap();
    session.retrieve([Retrieve { number: 1, size_hint: None }], 1000);
    assert_eq!(session.quit().await.unwrap_err().class(), Class::Protocol);
    assert_eq!(server.messages_left("tester"), 1);
}

#[tokio::test]
async fn a_wrong_password_and_a_taken_maildrop_are_named() {
    let server = server([]).await;
    let wrong = open(&server, "wrong").await.err().unwrap();
    assert_eq!((wrong.class(), wrong.is_transient()), (Class::Auth, false));
    let port = server.address().port();
    assert_eq!(
        wrong.to_string(),
        format!(
            "127.0.0.1:{port}: the server refuses the login (-ERR [AUTH] wrong user or password). Check user and password"
        )
    );
    let _first = open(&server, "sekrit").await.unwrap();
    let second = open(&server, "sekrit").await.err().unwrap();
    assert_eq!((second.class(), second.is_transient()), (Class::InUse, true));
}

#[tokio::test]
async fn user_and_pass_log_in_where_plain_is_not_wanted() {
    let server = server([]).await;
    let login = Login { auth: Auth::User, ..login("sekrit") };
    Session::open(&endpoint(server.address().port(), Tls::None), &login, &Deadlines::default()).await.unwrap();
}

#[tokio::test]
async fn nobody_listening_is_said_with_host_and_port() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = open_at(&endpoint(port, Tls::None), Deadlines::default()).await.err().unwrap();
    assert_eq!((error.class(), error.is_transient()), (Class::Network, true));
    assert!(error.to_string().starts_with(&format!("127.0.0.1:{port}: cannot connect: ")), "{error}");
}

#[tokio::test]
async fn a_line_cut_in_mid_message_is_no_message() {
    let (port, served) = scripted("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n-ERR\r\n", "+OK\r\nhalf a messa").await;
    let mut session = open_at(&endpoint(port, Tls::None), Deadlines::default()).await.unwrap();
    session.retrieve([Retrieve { number: 1, size_hint: None }], 1000);
    let error = loop {
        match session.next().await {
            Ok(told) => assert!(!matches!(told, None | Some(Retrieved::End { .. }))),
            Err(error) => break error,
        }
    };
    assert_eq!(error.class(), Class::Network);
    assert!(error.to_string().ends_with("the server closed the connection while it was sending a message"), "{error}");
    assert!(session.quit().await.is_err());
    assert!(!served.await.unwrap().contains("QUIT"));
}

#[tokio::test]
async fn an_answer_to_nothing_ends_the_session_without_quit() {
    let (port, served) = scripted("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n-ERR\r\n", "+OK\r\na\r\n.\r\n+OK\r\n").await;
    let mut session = open_at(&endpoint(port, Tls::None), Deadlines::default()).await.unwrap();
    session.retrieve([Retrieve { number: 1, size_hint: None }], 1000);
    let mut whole = 0;
    while let Ok(Some(told)) = session.next().await {
        whole += usize::from(matches!(told, Retrieved::End { .. }));
    }
    assert_eq!(whole, 1);
    assert_eq!(session.quit().await.unwrap_err().class(), Class::Protocol);
    assert!(!served.await.unwrap().contains("QUIT"));
}

#[tokio::test]
async fn what_came_too_early_does_not_answer_the_next_command() {
    let (port, served) = scripted("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n", "-ERR\r\n+OK\r\n").await;
    let mut session = open_at(&endpoint(port, Tls::None), Deadlines::default()).await.unwrap();
    assert_eq!(session.delete(&[1]).await.unwrap_err().class(), Class::Protocol);
    drop(session);
    assert!(!served.await.unwrap().contains("DELE"));
}

#[tokio::test]
async fn a_server_that_says_nothing_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let deadlines = Deadlines { greeting: Duration::from_millis(50), ..Deadlines::default() };
    let error = open_at(&endpoint(port, Tls::None), deadlines).await.err().unwrap();
    assert_eq!(error.class(), Class::Network);
    assert!(error.to_string().contains("before the greeting"), "{error}");
}

#[tokio::test]
async fn uidl_refused_for_good_is_told_from_refused_for_now() {
    for (reply, class) in [("-ERR what?", Class::NoUidl), ("-ERR [SYS/TEMP] later", Class::Temporary)] {
        let (port, _served) = scripted("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n-ERR\r\n", &format!("{reply}\r\n")).await;
        let mut session = open_at(&endpoint(port, Tls::None), Deadlines::default()).await.unwrap();
        assert_eq!(session.list().await.unwrap_err().class(), class);
    }
}

pub(super) async fn server(messages: impl IntoIterator<Item = Vec<u8>>) -> Server {
    let messages = (1..).zip(messages).map(|(number, octets)| (uid(number), Arc::from(octets))).collect();
    Server::start(vec![Mailbox { user: "tester".into(), password: "sekrit".into(), messages }]).await.unwrap()
}

fn uid(number: u32) -> Vec<u8> {
    format!("{number:08x}").into_bytes()
}

pub(super) fn endpoint(port: u16, tls: Tls) -> Endpoint {
    Endpoint { host: "127.0.0.1".into(), port, tls, tls_server_name: None }
}

pub(super) fn login(password: &str) -> Login {
    let password = Secret::new(password.to_owned());
    Login { user: "tester".into(), credentials: password.into(), auth: Auth::Auto, allow_cleartext: true }
}

async fn open(server: &Server, password: &str) -> Result<Session, Error> {
    let endpoint = endpoint(server.address().port(), Tls::None);
    Session::open(&endpoint, &login(password), &Deadlines::default()).await
}

pub(super) async fn open_at(endpoint: &Endpoint, deadlines: Deadlines) -> Result<Session, Error> {
    Session::open(endpoint, &login("sekrit"), &deadlines).await
}

/// Messages 1 to `count`, whole.
pub(super) async fn retrieve_all(session: &mut Session, count: u32) -> Vec<Vec<u8>> {
    session.retrieve((1..=count).map(|number| Retrieve { number, size_hint: None }), 1 << 20);
    let (mut messages, mut octets) = (Vec::new(), Vec::new());
    while let Some(told) = session.next().await.unwrap() {
        match told {
            Retrieved::Begin { number } => assert_eq!(number as usize, messages.len() + 1),
            Retrieved::Chunk(chunk) => octets.extend_from_slice(chunk),
            Retrieved::End { octets: told, .. } => {
                assert_eq!(told, octets.len() as u64);
                messages.push(std::mem::take(&mut octets));
            }
            other => panic!("{other:?}"),
        }
    }
    messages
}

/// One connection: each line of `login` answers one command (the first is the greeting), then `last` answers the next
/// and the line is cut. Gives back what the client said.
async fn scripted(login: &str, last: &str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let replies: Vec<String> = login.split_inclusive('\n').chain([last]).map(str::to_owned).collect();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = Vec::new();
        for (lines, reply) in replies.iter().enumerate() {
            while said.iter().filter(|&&octet| octet == b'\n').count() < lines {
                assert!(stream.read_buf(&mut said).await.unwrap() > 0);
            }
            stream.write_all(reply.as_bytes()).await.unwrap();
        }
        stream.shutdown().await.unwrap();
        // What comes after the cut may end in a reset.
        drop(stream.read_to_end(&mut said).await);
        String::from_utf8(said).unwrap()
    });
    (port, served)
}
