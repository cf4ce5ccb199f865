//! `delay LISTEN TARGET ONE_WAY_MS`: a TCP proxy on 127.0.0.1 that holds every octet back for so long, each way, and the
//! connect for both. No limit of rate. Built by `benches/pop3/compare` with rustc alone.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).map(|word| word.parse().expect("a number")).collect();
    let [listen, target, delay_ms] = numbers[..] else { panic!("delay LISTEN TARGET ONE_WAY_MS") };
    let delay = Duration::from_millis(delay_ms);
    let listener = TcpListener::bind(("127.0.0.1", listen as u16)).expect("the port is free");
    for client in listener.incoming() {
        let client = client.expect("a connection");
        thread::spawn(move || {
            thread::sleep(2 * delay);
            let Ok(server) = TcpStream::connect(("127.0.0.1", target as u16)) else { return };
            for stream in [&client, &server] {
                stream.set_nodelay(true).expect("a socket");
            }
            let back = [&server, &client].map(|stream| stream.try_clone().expect("a descriptor"));
            let [from, to] = back;
            thread::spawn(move || pump(from, to, delay));
            pump(client, server, delay);
        });
    }
}

/// The reader never waits for the writer, so a burst stays a burst.
fn pump(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (at, octets) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&octets).is_err() {
                return;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
    let mut buffer = vec![0; 256 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + delay, buffer[..length].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    drop(writer.join());
}
