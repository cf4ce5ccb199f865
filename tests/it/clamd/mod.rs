//! The client and the supervisor against a real clamd, and the client against what only looks like one.

mod fake;
mod managed;
mod real;

use poplar::net::clamd::{Address, Answer, Connection, Deadlines, Error};

async fn open(address: &Address) -> Result<Connection, Error> {
    Connection::open(address, &Deadlines::default()).await
}

fn found(answer: Result<Answer, Error>) -> bool {
    matches!(answer.unwrap(), Answer::Found(_))
}
