//! The client and the supervisor against a real clamd, and the client against what only looks like one.

mod chaos;
pub(crate) mod fake;
mod managed;
mod real;

use poplar::net::clamd::{Address, Answer, Error, Pool, Settings, Source};

fn pool(address: &Address) -> Pool {
    Pool::new(vec![address.clone()], Settings::default())
}

async fn answer(pool: &Pool, octets: impl Into<Source>) -> Result<Answer, Error> {
    Ok(pool.scan(octets).await?.answer)
}

async fn finds(pool: &Pool, octets: impl Into<Source>) -> bool {
    matches!(answer(pool, octets).await.unwrap(), Answer::Found(_))
}
