use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList};

use crate::files;

use super::Error;

pub(super) const KEY: &str = "key";
const SECRET: &str = "journal.key";
/// C2SP signed-note: the octet before an Ed25519 key.
const ED25519: u8 = 1;

/// The public half of a signing key, as C2SP signed-note writes it: `NAME+ID+BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierKey(String);

impl VerifierKey {
    fn new(name: &str, public: &[u8]) -> Self {
        let key = [&[ED25519], public].concat();
        Self(format!("{name}+{:08x}+{}", signed_note::key_id(name, &key), BASE64_STANDARD.encode(&key)))
    }

    /// Whose key it is: the origin of the log.
    pub fn name(&self) -> &str {
        self.0.split('+').next().unwrap_or_default()
    }

    pub(super) fn read(journal: &Path) -> Result<Self, Error> {
        let path = journal.join(KEY);
        let octets = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::damaged(&path, "it is not there"));
            }
            read => read.map_err(Error::io("read", &path))?,
        };
        let line = String::from_utf8(octets).ok().and_then(|text| text.strip_suffix('\n').map(str::to_owned));
        let parsed = line
            .ok_or_else(|| "not one line of text".to_owned())
            .and_then(|line| line.parse().map_err(|error: Error| error.to_string()));
        parsed.map_err(|problem| Error::Damaged { path, problem })
    }

    /// Whether `note` carries a good signature of this key.
    pub(super) fn check(&self, note: &Note) -> Result<(), String> {
        let verifier = StandardVerifier::new(&self.0).map_err(|error| error.to_string())?;
        let known = VerifierList::new(vec![Box::new(verifier)]);
        note.verify(&known).map(drop).map_err(|error| error.to_string())
    }
}

impl FromStr for VerifierKey {
    type Err = Error;

    /// Takes the line as it is published and nothing that only means the same.
    fn from_str(text: &str) -> Result<Self, Error> {
        StandardVerifier::new(text).map_err(|error| Error::VerifierKey(error.to_string()))?;
        let mut parts = text.splitn(3, '+');
        let (name, _, key) = (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
        let key = BASE64_STANDARD.decode(key).map_err(|error| Error::VerifierKey(error.to_string()))?;
        let canonical = Self::new(name, &key[1..]);
        let plain = !name.chars().any(char::is_control);
        (canonical.0 == text && plain)
            .then_some(canonical)
            .ok_or_else(|| Error::VerifierKey("not written as the format wants it".to_owned()))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key that signs checkpoints. Whoever has it can sign any history.
pub struct Signer {
    signer: StandardSigner,
    key: VerifierKey,
}

impl Signer {
    /// Reads `journal.key` in the folder `secrets`, or makes it where no journal exists yet; sees to it that `key` in the folder
    /// `journal` is its public half. `origin` is the name of key and log.
    ///
    /// # Errors
    ///
    /// A journal whose secret is gone gets no new one: [`Error::SecretMissing`].
    pub fn load_or_create(secrets: &Path, journal: &Path, origin: &str) -> Result<Self, Error> {
        for folder in [secrets, journal] {
            files::create_private_dir(folder).map_err(Error::io("use the folder", folder))?;
        }
        let path = secrets.join(SECRET);
        let signer = match fs::read_to_string(&path) {
            Ok(line) => {
                files::check_private(&path).map_err(Error::io("use", &path))?;
                Self::parse(line.trim_end()).map_err(|problem| Error::Key { path: path.clone(), problem })?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::create(&path, journal, origin)?,
            Err(error) => return Err(Error::io("read", &path)(error)),
        };
        if signer.key.name() != origin {
            let problem = format!("it is for {}, and this is {origin}", signer.key.name());
            return Err(Error::Key { path, problem });
        }
        signer.publish_key(journal)?;
        Ok(signer)
    }

    /// The public half, which others need to check what this one signs.
    pub const fn key(&self) -> &VerifierKey {
        &self.key
    }

    pub(super) fn sign(&self, text: &str) -> Result<String, String> {
        let mut note = Note::new(text.as_bytes(), &[]).map_err(|error| error.to_string())?;
        note.add_sigs(&[&self.signer]).map_err(|error| error.to_string())?;
        String::from_utf8(note.to_bytes()).map_err(|error| error.to_string())
    }

    fn create(path: &Path, journal: &Path, origin: &str) -> Result<Self, Error> {
        if ["checkpoint", KEY, "tile"].iter().any(|name| journal.join(name).exists()) {
            return Err(Error::SecretMissing(path.to_owned()));
        }
        let mut seed = [0; 32];
        let random = SystemRandom::new().fill(&mut seed);
        random.map_err(|_| Error::io("draw random numbers for", path)(io::Error::other("the system gives none")))?;
        let line = secret_line(origin, &seed).map_err(|problem| Error::Key { path: path.to_owned(), problem })?;
        files::publish(path, format!("{line}\n").as_bytes()).map_err(Error::io("write", path))?;
        Self::parse(&line).map_err(|problem| Error::Key { path: path.to_owned(), problem })
    }

    fn parse(line: &str) -> Result<Self, String> {
        let signer = StandardSigner::new(line).map_err(|error| error.to_string())?;
        // PRIVATE+KEY+NAME+ID+BASE64, and base64 may have a plus too.
        let parts: Vec<&str> = line.splitn(5, '+').collect();
        let [_, _, name, _, seed] = parts[..] else { return Err("not a signing key".to_owned()) };
        let seed = BASE64_STANDARD.decode(seed).map_err(|error| error.to_string())?;
        Ok(Self { signer, key: VerifierKey::new(name, &public_half(&seed[1..])?) })
    }

    fn publish_key(&self, journal: &Path) -> Result<(), Error> {
        let path = journal.join(KEY);
        if path.exists() {
            let published = VerifierKey::read(journal)?;
            let problem = || format!("it is {published}, and the secret's is {}", self.key);
            return if published == self.key { Ok(()) } else { Err(Error::Key { path, problem: problem() }) };
        }
        files::publish(&path, format!("{}\n", self.key).as_bytes()).map_err(Error::io("write", &path))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.key)
    }
}

fn secret_line(name: &str, seed: &[u8]) -> Result<String, String> {
    let public = [&[ED25519], &public_half(seed)?[..]].concat();
    let secret = BASE64_STANDARD.encode([&[ED25519], seed].concat());
    Ok(format!("PRIVATE+KEY+{name}+{:08x}+{secret}", signed_note::key_id(name, &public)))
}

fn public_half(seed: &[u8]) -> Result<Vec<u8>, String> {
    let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|error| error.to_string())?;
    Ok(pair.public_key().as_ref().to_vec())
}
