//! Whether two catalogs tell the same facts: a live one, and one made anew from packs and journal.

use std::path::Path;

use rusqlite::params;

use super::{Catalog, Error};

/// What is made of events. Numbers are left out where only their order is a fact; so is what stages note for themselves.
const FACTS: [(&str, &str); 16] = [
    ("archive", "key, value"),
    (
        "account",
        "id, name, host, user, last_poll_ms, last_success_ms, last_error, failures, listed, paused_ms, removed_ms, \
         former, multidrop",
    ),
    ("message", "number, id, nonce, header, size_bytes, kept_ms, pack, ordinal, journal, verdict, purged_ms"),
    (
        "sighting",
        "number, account, uidl, ordinal, listed_bytes, fate, message, seen_ms, fate_ms, reason, attempts, \
         deleting_ms, delete_reason, gone_ms",
    ),
    ("session", "number, account, started_ms, ended_ms, counts, error"),
    ("verified", "number, at_ms, kind, messages, packs, bytes, damage"),
    (
        "verdict",
        "number, message, view, blob, size_bytes, verdict, detail, engine, signatures, transport, scanned_ms, \
         duration_ms",
    ),
    ("quarantine", "number, blob, size_bytes, signature, state, since_ms, changed_ms, asked_ms, asked_by, asked_why"),
    ("occurrence", "item, message"),
    ("release", "number, item, signature, at_ms, reason, decider, asked_by"),
    ("reading", "number, message, kind, what, reader, at_ms, reason"),
    ("purge", "message, journal, at_ms, reason, decider"),
    ("rescanned", "number, why, signature_set, began_ms, ended_ms, messages, parts, changed, infected"),
    ("tag", "name, message, at_ms, tagger"),
    ("note", "number, message, at_ms, author, text"),
    ("saved", "name, query, at_ms, author"),
];

/// Where records lie: sealing and signing, which go on all the time, add to these.
const PLACES: [(&str, &str); 2] = [("entry", "number, pack, ordinal"), ("part", "id, pack, ordinal")];

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    Facts,
    FactsAndPlaces,
}

/// Differences told for each table.
const TOLD: u32 = 10;

impl Catalog {
    /// How the facts of this catalog differ from those of the one in the file `other`, in words; empty when they do not.
    pub fn differences(&self, other: &Path, compared: Compared) -> Result<Vec<String>, Error> {
        let connection = self.connection();
        connection.execute("ATTACH ?1 AS other", params![other.to_string_lossy()])?;
        let mut differences = Vec::new();
        let places = if compared == Compared::FactsAndPlaces { &PLACES[..] } else { &[] };
        for (table, columns) in FACTS.iter().chain(places) {
            for (here, there, word) in [("main", "other", "only in the catalog"), ("other", "main", "missing in it")] {
                let query = format!(
                    "SELECT json_array({quoted}) FROM (SELECT {columns} FROM {here}.{table}
                     EXCEPT SELECT {columns} FROM {there}.{table}) LIMIT {TOLD}",
                    quoted = printable(columns),
                );
                let mut statement = connection.prepare(&query)?;
                let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
                for row in rows {
                    differences.push(format!("{table}: {word}: {}", row?));
                }
            }
        }
        connection.execute_batch("DETACH other")?;
        Ok(differences)
    }
}

/// JSON takes no octets.
fn printable(columns: &str) -> String {
    let each = columns.split(", ").map(|column| format!("iif(typeof({column}) = 'blob', hex({column}), {column})"));
    each.collect::<Vec<_>>().join(", ")
}
