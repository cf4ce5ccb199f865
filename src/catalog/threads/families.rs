use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, params};

use super::{Weaving, hashes};
use crate::catalog::Error;

/// Families are counted this far first, and twice as far each time that says nothing.
const FIRST_COUNT: u64 = 16;

impl Weaving<'_> {
    /// The family of a message that names these ids: of all that name one of them, or a new one, called by itself.
    pub(super) fn family_of(&mut self, message: i64, ids: &[i64]) -> Result<i64, Error> {
        let mut family = None;
        for id in ids {
            let query = "SELECT family FROM named WHERE id = ?1";
            let mut statement = self.sql.prepare_cached(query)?;
            let known = statement.query_map(params![id], |row| row.get(0))?.next().transpose()?;
            family = match (family, known) {
                (Some(one), Some(other)) if one != other => Some(self.unite(one, other)?),
                (one, other) => one.or(other),
            };
        }
        let family = family.unwrap_or(message);
        ids.iter().try_for_each(|id| name(self.sql, *id, family))?;
        Ok(family)
    }

    /// The smaller one becomes part of the larger: so no message changes its family more than a few dozen times, whatever
    /// comes.
    fn unite(&mut self, one: i64, other: i64) -> Result<i64, Error> {
        let (large, small) = by_size(self.sql, one, other)?;
        for (message, ids) in members(self.sql, small)? {
            set_family(self.sql, message, large)?;
            hashes(&ids).try_for_each(|id| name(self.sql, id, large))?;
        }
        if self.torn.remove(&small) {
            self.torn.insert(large);
        }
        Ok(large)
    }
}

/// Without counting the larger one to its end, which may hold a million.
fn by_size(sql: &Connection, one: i64, other: i64) -> Result<(i64, i64), Error> {
    let mut limit = FIRST_COUNT;
    loop {
        let size = |family: i64| {
            let query = "SELECT count(*) FROM (SELECT 1 FROM tie WHERE family = ?1 LIMIT ?2)";
            sql.prepare_cached(query)?.query_row(params![family, limit], |row| row.get::<_, u64>(0))
        };
        let sizes = (size(one)?, size(other)?);
        if sizes.0.min(sizes.1) < limit {
            return Ok(if sizes.0 >= sizes.1 { (one, other) } else { (other, one) });
        }
        limit *= 2;
    }
}

/// A family that somebody left, or that met another such, becomes as many as are not held together any more. One is
/// called as before if that message is in it, each other by the first of its own.
pub(super) fn mend(sql: &Connection, family: i64) -> Result<(), Error> {
    let members = members(sql, family)?;
    let mut parts = Parts::new(members.len());
    let mut first_with: HashMap<i64, usize> = HashMap::new();
    for (at, (_, ids)) in members.iter().enumerate() {
        for id in hashes(ids) {
            match first_with.entry(id) {
                Entry::Occupied(first) => parts.join(*first.get(), at),
                Entry::Vacant(vacant) => drop(vacant.insert(at)),
            }
        }
    }
    let mut called: HashMap<usize, i64> = HashMap::new();
    // Ascending: the first of a part comes first.
    for (at, (message, _)) in members.iter().enumerate() {
        let name = called.entry(parts.of(at)).or_insert(*message);
        if *message == family {
            *name = family;
        }
    }
    for (at, (message, ids)) in members.iter().enumerate() {
        let Some(new) = called.get(&parts.of(at)) else { continue };
        set_family(sql, *message, *new)?;
        hashes(ids).try_for_each(|id| name(sql, id, *new))?;
    }
    Ok(())
}

/// Numbers and ids of those in a family, ascending.
fn members(sql: &Connection, family: i64) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    let mut statement = sql.prepare_cached("SELECT message, ids FROM tie WHERE family = ?1 ORDER BY message")?;
    let rows = statement.query_map(params![family], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn set_family(sql: &Connection, message: i64, family: i64) -> Result<(), Error> {
    sql.prepare_cached(
        "UPDATE tie SET family = ?2, mark = fingerprint(message, ?2, date_ms, ids, subject, stray, after)
         WHERE message = ?1 AND family <> ?2",
    )?
    .execute(params![message, family])?;
    Ok(())
}

fn name(sql: &Connection, id: i64, family: i64) -> Result<(), Error> {
    sql.prepare_cached(
        "INSERT INTO named (id, family, mark) VALUES (?1, ?2, fingerprint(?1, ?2))
         ON CONFLICT (id) DO UPDATE SET family = excluded.family, mark = excluded.mark WHERE family <> excluded.family",
    )?
    .execute(params![id, family])?;
    Ok(())
}

/// Numbers from 0 on, in sets that can be joined.
struct Parts(Vec<usize>);

impl Parts {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    fn of(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.of(one), self.of(other));
        self.0[one.max(other)] = one.min(other);
    }
}
