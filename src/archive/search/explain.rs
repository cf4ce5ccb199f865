use schemars::JsonSchema;
use serde::Serialize;

use crate::archive::{Archive, Error};
use crate::index::Explained;
use crate::mail::BlobId;
use crate::mail::query::{self, Query};

/// How a query was understood, and how it stands with one message.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Explanation {
    /// The query as it was read, in the language itself.
    pub query: String,
    /// How it was read, where that may surprise.
    pub notes: Vec<String>,
    pub pieces: Piece,
    /// The message that was asked about, in hex.
    #[schemars(with = "Option<String>")]
    pub id: Option<BlobId>,
    /// Why nothing can be said about the message.
    pub problem: Option<String>,
}

/// A piece of a query.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Piece {
    pub query: String,
    /// What it asks for.
    pub means: String,
    /// Whether the message has that.
    pub matches: Option<bool>,
    /// The fields in which its words stand.
    pub found_in: Vec<String>,
    pub pieces: Vec<Self>,
}

impl Archive {
    /// How a query is understood; and with the id of a message, why that is a hit or none.
    pub fn explain(&self, text: &str, id: Option<&str>) -> Result<Explanation, Error> {
        let query::Parsed { query, mut notes } = query::parse(text);
        let row = id.map(|id| self.find(id)).transpose()?;
        let reader = match self.suspecting(self.index()) {
            Ok(reader) => Some(reader),
            Err(Error::Index(error)) if error.wants_rebuild() => {
                notes.push(format!("{error}."));
                None
            }
            Err(error) => return Err(error),
        };
        let query = match reader {
            Some(reader) => self.suspecting(self.with_forms(query, reader, &mut notes))?,
            None => query,
        };
        let mut explanation = Explanation {
            query: query.to_string(),
            notes,
            pieces: Piece::of(&query, None),
            id: row.as_ref().map(|row| row.message.id),
            problem: None,
        };
        let Some(row) = row else { return Ok(explanation) };
        let explained = match reader {
            Some(reader) => {
                let facts = self.facts(&query)?;
                self.suspecting(reader.explain(&query, &facts, row.message.id).map_err(Error::from))?
            }
            None => None,
        };
        match &explained {
            Some(explained) => explanation.pieces = Piece::of(&query, Some(explained)),
            None if row.purged.is_some() => explanation.problem = Some("it is destroyed".to_owned()),
            None => explanation.problem = Some("it is not in the index yet".to_owned()),
        }
        Ok(explanation)
    }
}

impl Piece {
    fn of(query: &Query, explained: Option<&Explained>) -> Self {
        let inner: Vec<&Query> = match query {
            Query::And(inner) | Query::Or(inner) => inner.iter().collect(),
            Query::Not(inner) => vec![inner],
            Query::All | Query::Term(_) | Query::Fact(_) => Vec::new(),
        };
        let explained_of = |at: usize| explained.and_then(|explained| explained.inner.get(at));
        let found_in = explained.map_or(&[][..], |explained| &explained.found_in);
        Self {
            query: query.to_string(),
            means: query.meaning(),
            matches: explained.map(|explained| explained.matches),
            found_in: found_in.iter().map(|field| field.as_str().to_owned()).collect(),
            pieces: inner.into_iter().enumerate().map(|(at, query)| Self::of(query, explained_of(at))).collect(),
        }
    }
}
