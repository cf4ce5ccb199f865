use std::io::{self, Write};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Serialize;
use zip::write::SimpleFileOptions;
use zip::{AesMode, CompressionMethod, ZipWriter};

use super::items::FoundIn;
use crate::archive::{Archive, Error, Message};
use crate::catalog::{Held, ItemState};
use crate::files::Draft;
use crate::mail::event::Reading;
use crate::mail::message::{self, READ_LIMIT_BYTES};
use crate::mail::{BlobId, Event};

/// Known to everybody who handles such files: it keeps them from being opened, or scanned on their way, by accident.
const PASSWORD: &str = "infected";

/// What was taken out.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exported {
    /// Where it was written.
    pub file: PathBuf,
    pub items: Vec<ExportShown>,
}

/// One item in `manifest.json`.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ExportShown {
    /// Its name in the zip. Never the sender's.
    pub file: String,
    #[schemars(with = "String")]
    pub hash: BlobId,
    pub size_bytes: u64,
    pub signature: String,
    pub state: ItemState,
    /// RFC 3339, UTC.
    pub since: String,
    /// The messages that hold it, the newest first.
    pub found_in: Vec<FoundIn>,
}

/// What tells, within the zip, what it is.
#[derive(Serialize)]
struct Manifest<'a> {
    made_with: &'a str,
    exported: String,
    by: &'a str,
    reason: Option<&'a str>,
    items: &'a [ExportShown],
}

/// Where the octets of an item are taken from.
enum Source {
    Message(Box<Message>),
    Part(Box<Message>, u32),
}

impl Source {
    const fn message(&self) -> &Message {
        match self {
            Self::Message(row) | Self::Part(row, _) => row,
        }
    }
}

impl Archive {
    /// Writes a zip with AES-256 and the password `infected`: an item by the beginning of its hash, or all that was
    /// found in a message. It is on record before a single octet is written.
    pub fn export(&self, id: &str, file: &Path, reason: Option<&str>, by: &str) -> Result<Exported, Error> {
        let held = self.held(id)?;
        let sources = held.iter().map(|held| self.source(held)).collect::<Result<Vec<_>, _>>()?;
        if file.symlink_metadata().is_ok() {
            return Err(Error::FileExists(file.to_owned()));
        }
        for source in &sources {
            let reading = Reading {
                message: source.message().message,
                what: "quarantine".to_owned(),
                by: by.to_owned(),
                reason: reason.map(str::to_owned),
            };
            self.tell(Event::Exported(reading)).map_err(|error| Error::NotOnRecord(Box::new(error)))?;
        }
        let items = held.iter().map(|held| self.in_manifest(held)).collect::<Result<Vec<_>, _>>()?;
        let exported = self.clock.now().to_string();
        let made_with = concat!("poplar ", env!("CARGO_PKG_VERSION"));
        let manifest = Manifest { made_with, exported, by, reason, items: &items };
        let unwritable = |source: io::Error| Error::Unwritable(file.to_owned(), source);
        let manifest = serde_json::to_vec_pretty(&manifest).map_err(|error| unwritable(error.into()))?;
        let draft = Draft::create(file).map_err(unwritable)?;
        self.write_zip(&draft, &manifest, &sources, &items).map_err(|failed| failed.about(file))?;
        draft.publish().map_err(unwritable)?;
        Ok(Exported { file: file.to_owned(), items })
    }

    fn write_zip(
        &self,
        draft: &Draft,
        manifest: &[u8],
        sources: &[Source],
        items: &[ExportShown],
    ) -> Result<(), Failed> {
        let mut zip = ZipWriter::new(draft.file());
        zip.start_file("manifest.json", options(manifest.len() as u64))?;
        zip.write_all(manifest)?;
        for (source, item) in sources.iter().zip(items) {
            zip.start_file(item.file.as_str(), options(item.size_bytes))?;
            self.write_item(source, &mut zip)?;
        }
        zip.finish()?;
        Ok(())
    }

    fn write_item(&self, source: &Source, sink: &mut dyn Write) -> Result<(), Failed> {
        match source {
            Source::Message(row) => Ok(self.blob(row)?.write_to(sink).map_err(Error::from)??),
            Source::Part(row, number) => {
                let octets = self.blob(row)?.octets().map_err(Error::from)?;
                let message = message::read(&octets);
                let part = message.part(*number).ok_or_else(|| Error::NoPartOfItsOwn(row.message.id.short()))?;
                Ok(sink.write_all(&part.octets())?)
            }
        }
    }

    /// The newest message that has the octets, still.
    fn source(&self, held: &Held) -> Result<Source, Error> {
        let mut rows = self.catalog.numbered(&self.catalog.occurrences(held.number)?)?;
        rows.retain(|row| row.purged.is_none());
        let is_destroyed = rows.is_empty();
        for row in rows.into_iter().rev() {
            if row.message.id == held.blob {
                return Ok(Source::Message(Box::new(row)));
            }
            if row.size_bytes <= READ_LIMIT_BYTES as u64
                && let Some(part) = self.part_with(held, &row)?
            {
                return Ok(Source::Part(Box::new(row), part));
            }
        }
        let hash = held.blob.short();
        Err(if is_destroyed { Error::ItemDestroyed(hash) } else { Error::NoPartOfItsOwn(hash) })
    }

    /// Octets count, not the number that a part had when it was scanned.
    fn part_with(&self, held: &Held, row: &Message) -> Result<Option<u32>, Error> {
        let octets = self.blob(row)?.octets()?;
        let message = message::read(&octets);
        let mut parts = message.parts.iter().filter(|part| part.size_bytes() == held.size_bytes);
        Ok(parts.find(|part| BlobId::of(&part.octets()) == held.blob).map(|part| part.number))
    }

    fn in_manifest(&self, held: &Held) -> Result<ExportShown, Error> {
        let mut rows = self.catalog.numbered(&self.catalog.occurrences(held.number)?)?;
        rows.reverse();
        Ok(ExportShown {
            file: format!("{}.bin", held.blob),
            hash: held.blob,
            size_bytes: held.size_bytes,
            signature: held.signature.clone(),
            state: held.state,
            since: held.since.to_string(),
            found_in: rows.iter().map(|row| self.found_in(held, row)).collect::<Result<_, _>>()?,
        })
    }
}

fn options(size_bytes: u64) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .unix_permissions(0o600)
        .large_file(size_bytes >= u64::from(u32::MAX))
        .with_aes_encryption(AesMode::Aes256, PASSWORD)
}

/// Why no zip was written.
enum Failed {
    Archive(Error),
    Zip(zip::result::ZipError),
    Disk(io::Error),
}

impl Failed {
    fn about(self, file: &Path) -> Error {
        match self {
            Self::Archive(error) => error,
            Self::Zip(error) => Error::Unwritable(file.to_owned(), error.into()),
            Self::Disk(error) => Error::Unwritable(file.to_owned(), error),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Archive(error)
    }
}

impl From<zip::result::ZipError> for Failed {
    fn from(error: zip::result::ZipError) -> Self {
        Self::Zip(error)
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}
