//! An OAuth provider on 127.0.0.1 that answers as it is told, and remembers what it was asked.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The fields of the form that a client sent.
pub(crate) type Form = BTreeMap<String, String>;

pub(crate) enum Answer {
    /// Status and body.
    Says(u16, String),
    /// 200 and a body without an end.
    Endless,
    /// Half an answer; then nothing more, for as long as the client waits.
    Stalls,
    /// The same, after something else has happened.
    After(Box<dyn Fn() + Send>, Box<Self>),
    /// The connection ends instead of an answer.
    HangsUp,
}

/// Each connection gets the next answer; who comes after the last one is turned away, and shows in `asked`.
pub(crate) struct TokenServer {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Form>>>,
}

impl TokenServer {
    pub(crate) fn start(script: Vec<Answer>) -> Self {
        Self::serve(script, Ok)
    }

    pub(crate) fn start_tls(script: Vec<Answer>, config: Arc<ServerConfig>) -> Self {
        Self::serve(script, move |tcp| {
            let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
            Ok(StreamOwned::new(connection, tcp))
        })
    }

    /// Over plain HTTP.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// Every request that arrived whole.
    pub(crate) fn asked(&self) -> Vec<Form> {
        self.asked.lock().unwrap().clone()
    }

    fn serve<S: Read + Write + Send + 'static>(
        script: Vec<Answer>,
        secured: impl Fn(TcpStream) -> io::Result<S> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            let mut script = script.into_iter();
            for connection in listener.incoming() {
                let answer = script.next().unwrap_or(Answer::HangsUp);
                // A client that goes away, or does not trust us, is part of the tests.
                let stream = connection.and_then(&secured);
                let heard = Arc::clone(&heard);
                thread::spawn(move || stream.and_then(|stream| converse(stream, &answer, &heard)));
            }
        });
        Self { port, asked }
    }
}

fn converse(stream: impl Read + Write, answer: &Answer, heard: &Mutex<Vec<Form>>) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let form = read_form(&mut reader)?;
    heard.lock().unwrap().push(form);
    speak(reader.get_mut(), answer)
}

fn read_form(reader: &mut impl BufRead) -> io::Result<Form> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", number)) => length = number.parse().unwrap(),
            Some(_) => {}
            None if line == "\r\n" => break,
            None => assert!(line.starts_with("POST /"), "{line}"),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(form(&String::from_utf8(body).unwrap()))
}

fn speak(stream: &mut (impl Read + Write), answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Says(status, body) => {
            write!(stream, "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        }
        Answer::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\n\r\n")?;
            loop {
                stream.write_all(&[b' '; 4096])?;
            }
        }
        Answer::Stalls => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{{\"access")?;
            stream.flush()?;
            stream.read(&mut [0]).map(drop)
        }
        Answer::After(happens, answer) => {
            happens();
            speak(stream, answer)
        }
        Answer::HangsUp => Ok(()),
    }
}

fn form(body: &str) -> Form {
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    let decoded = |text| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}
