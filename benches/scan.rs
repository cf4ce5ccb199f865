//! What a scan costs: parts of 20 KB on one real clamd, a connection for each beside the pool, in turns.
//!
//! `cargo bench --bench scan -- [--parts N] [--rounds N]`, as JSON lines on stdout; `ratio` is the pool's rate over the other,
//! of the medians. Needs clamd. Its cache is off (`DisableCache yes`): every part is scanned.
#![allow(
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark lays files, starts clamd and prints"
)]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use poplar::mail::eicar;
use poplar::net::clamd::{Address, Answer, Pool, Settings, Source};
use serde_json::json;

#[path = "corpus/clamd.rs"]
mod clamd;

use clamd::Clamd;

const PART_BYTES: usize = 20_000;

/// As many as a stage may have in hand.
const TASKS: usize = 64;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let option = |name: &str| arguments.iter().position(|word| word == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, usual: usize| option(name).and_then(|text| text.parse().ok()).unwrap_or(usual);
    let (parts, rounds) = (number("--parts", 1000), number("--rounds", 5));
    let clamd = Clamd::start();
    // As poplar has it.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let pool = Pool::new(vec![Address::Unix(clamd.socket.clone())], Settings::default());
    runtime.block_on(pool.version_now()).unwrap();
    let mut random = Random(7);
    let (mut each, mut pooled, mut streamed) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let octets: Vec<Bytes> = (0..parts).map(|_| random.part()).collect();
        each.push(rate(parts, || octets.iter().for_each(|part| alone(&clamd.socket, part))));
        pooled.push(rate(parts, || runtime.block_on(together(&pool, &octets, |part| part.into()))));
        streamed.push(rate(parts, || runtime.block_on(together(&pool, &octets, stream))));
        println!("{}", json!({ "round": round, "each_per_s": each[round], "pool_per_s": pooled[round] }));
    }
    let [each, pooled, streamed] = [median(each), median(pooled), median(streamed)];
    let transport = runtime.block_on(pool.scan(eicar())).unwrap().transport.to_string();
    println!(
        "{}",
        json!({
            "part_bytes": PART_BYTES, "parts": parts, "rounds": rounds, "transport": transport,
            "connection_per_scan_per_s": each, "pool_per_s": pooled, "pool_of_streams_per_s": streamed,
            "ratio": pooled / each,
        })
    );
}

fn rate(parts: usize, scan: impl FnOnce()) -> f64 {
    let began = Instant::now();
    scan();
    parts as f64 / began.elapsed().as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Connect, send, read to the end: one after the other.
fn alone(socket: &Path, part: &[u8]) {
    let mut wire = UnixStream::connect(socket).unwrap();
    let length = u32::try_from(part.len()).unwrap().to_be_bytes();
    wire.write_all(&[b"zINSTREAM\0".as_slice(), &length, part, &[0; 4]].concat()).unwrap();
    let mut reply = Vec::new();
    wire.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"stream: OK\0");
}

async fn together(pool: &Pool, parts: &[Bytes], source: fn(Bytes) -> Source) {
    let next = Arc::new(AtomicUsize::new(0));
    let parts: Arc<[Bytes]> = parts.into();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (pool, parts, next) = (pool.clone(), Arc::clone(&parts), Arc::clone(&next));
            tokio::spawn(async move {
                while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    assert_eq!(pool.scan(source(part.clone())).await.unwrap().answer, Answer::Ok);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// Pieces, as a message has that is too large to be held.
fn stream(part: Bytes) -> Source {
    Source::stream(part.len() as u64, move || {
        let mut piece = Some(part.clone());
        Ok(Box::new(move || Ok(piece.take())))
    })
}

/// xorshift: the same parts in every run.
struct Random(u64);

impl Random {
    fn part(&mut self) -> Bytes {
        let octets = std::iter::repeat_with(|| {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            self.0.to_le_bytes()
        });
        octets.take(PART_BYTES / 8).flatten().collect::<Vec<u8>>().into()
    }
}
