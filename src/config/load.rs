use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::page::{Page, line_of, nearest};
use super::read::{self, Written};
use super::{Account, Config, Environment, Error, Fault, SecretError, SecretSource};

const FILE_VARIABLE: &str = "POPLAR_CONFIG";
const DATA_DIR_VARIABLE: &str = "POPLAR_DATA_DIR";

/// What the command line says about the settings.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// `-c FILE`
    pub file: Option<PathBuf>,
    /// `--data-dir DIR`, relative to the working folder.
    pub data_dir: Option<PathBuf>,
}

/// The settings in force, and where each comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The file that was read; none where there is none in the default places.
    pub file: Option<PathBuf>,
    pub(super) origins: BTreeMap<String, Origin>,
    searched: Vec<PathBuf>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File {
        /// Counted from 1.
        line: usize,
    },
    Environment(&'static str),
    Flag(&'static str),
}

impl Config {
    /// Reads the settings of this process: the file that `options` or the environment name, else the first one in the
    /// default places, else defaults. Neither a secret nor the network is touched.
    ///
    /// # Errors
    /// All faults of the file at once, each with its line and what to do.
    pub fn load(options: &LoadOptions) -> Result<Loaded, Error> {
        Self::load_in(options, &Environment::process())
    }

    /// The same, in a given environment.
    pub fn load_in(options: &LoadOptions, environment: &Environment) -> Result<Loaded, Error> {
        let (file, text, searched) = find(options, environment)?;
        let folder = file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        let (written, mut origins) = parse(file.as_deref(), &text, &folder)?;
        let (data_dir, origin) = data_dir(options, environment, written.data_dir)?;
        origins.extend(origin.map(|origin| ("data_dir".to_owned(), origin)));
        let Written { accounts, polling, storage, verify, scan, search, quarantine, web, import, .. } = written;
        let config = Self { data_dir, accounts, polling, storage, verify, scan, search, quarantine, web, import };
        Ok(Loaded { config, file, origins, searched })
    }
}

/// The accounts that a piece of a configuration file holds, checked as in the file. Relative paths start at `folder`.
///
/// # Errors
/// All faults at once.
pub fn read_accounts(text: &str, folder: &Path) -> Result<Vec<Account>, Error> {
    Ok(parse(None, text, folder)?.0.accounts)
}

impl Loaded {
    /// Where the settings are, or are to be written where there are none yet.
    pub fn place(&self) -> Option<&Path> {
        self.file.as_deref().or(self.searched.first().map(PathBuf::as_path))
    }

    /// The accounts of these names, in the file's order; all of them where no name is given.
    ///
    /// # Errors
    /// A name that no account has, or no account at all, with how to write one.
    pub fn accounts(&self, names: &[String]) -> Result<Vec<&Account>, Error> {
        let known = || self.config.accounts.iter().map(|account| account.name.as_str());
        if self.config.accounts.is_empty() {
            return Err(Error::NoAccounts { file: self.file.clone(), searched: self.searched.clone() });
        }
        if let Some(name) = names.iter().find(|name| known().all(|known| known != name.as_str())) {
            let hint = match nearest(name, known()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
            };
            return Err(Error::UnknownAccount { name: name.clone(), hint });
        }
        let wanted = |account: &&Account| names.is_empty() || names.contains(&account.name);
        Ok(self.config.accounts.iter().filter(wanted).collect())
    }

    /// The account of this name.
    ///
    /// # Errors
    /// As those of [`Loaded::accounts`].
    pub fn account(&self, name: &str) -> Result<&Account, Error> {
        let found = self.accounts(&[name.to_owned()])?.into_iter().next();
        found.ok_or_else(|| Error::NoAccounts { file: self.file.clone(), searched: self.searched.clone() })
    }

    /// Looks at the modes of all files of secrets, without reading them. A missing one is no fault here: only its own
    /// account needs it.
    ///
    /// # Errors
    /// One fault for each file that others may read.
    pub fn check_secrets(&self) -> Result<(), Error> {
        let mut faults = Vec::new();
        for (number, account) in self.config.accounts.iter().enumerate() {
            for (key, source) in account.secrets() {
                let error = source.check_mode().err().filter(|error| !error.is_missing());
                if let (Some(error), Some(file)) = (error, self.file.clone()) {
                    let sentence = format!("account {:?}: {error}", account.name);
                    faults.push(Fault { file, line: self.line_of(number, key), sentence });
                }
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(Error::Refused(faults)) }
    }

    /// What `config check` should mention though nothing is wrong with the file.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for account in &self.config.accounts {
            let missing = |(_, source): (_, SecretSource)| source.check_mode().err().filter(SecretError::is_missing);
            notes.extend(
                account
                    .secrets()
                    .into_iter()
                    .filter_map(missing)
                    .map(|error| format!("account {:?} cannot log in yet: {error}", account.name)),
            );
        }
        if self.origins.contains_key("web.listen") {
            notes.push("web.listen is not used yet: this version has no web pages".to_owned());
        }
        if self.config.accounts.is_empty() {
            notes.push("no account is configured: nothing will be fetched; import and search work".to_owned());
        }
        notes
    }

    pub(super) fn origin(&self, path: &str) -> &Origin {
        self.origins.get(path).unwrap_or(&Origin::Default)
    }

    fn line_of(&self, number: usize, key: &str) -> usize {
        match self.origin(&format!("{}{key}", read::account_path(number))) {
            Origin::File { line } => *line,
            _ => 1,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "line {line}"),
            Self::Environment(variable) => write!(f, "${variable}"),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The file to read with its text, and the default places where none was found.
fn find(options: &LoadOptions, environment: &Environment) -> Result<(Option<PathBuf>, String, Vec<PathBuf>), Error> {
    let named = options.file.clone().or_else(|| environment.variable(FILE_VARIABLE).map(PathBuf::from));
    if let Some(named) = named {
        let file = std::path::absolute(&named).map_err(|source| Error::Unreadable { file: named, source })?;
        let text = read_text(&file)?;
        return Ok((Some(file), text, Vec::new()));
    }
    let personal = environment.xdg("XDG_CONFIG_HOME", ".config");
    let places: Vec<PathBuf> =
        personal.into_iter().chain([environment.etc.clone()]).map(|folder| folder.join("poplar/poplar.toml")).collect();
    for place in &places {
        match read_text(place) {
            Err(Error::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            text => return Ok((Some(place.clone()), text?, Vec::new())),
        }
    }
    Ok((None, String::new(), places))
}

fn read_text(file: &Path) -> Result<String, Error> {
    let octets = fs::read(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })?;
    String::from_utf8(octets).map_err(|error| {
        let line = line_of(error.as_bytes(), error.utf8_error().valid_up_to());
        let sentence = "this line is not UTF-8; save the file as UTF-8".to_owned();
        Error::Refused(vec![Fault { file: file.to_owned(), line, sentence }])
    })
}

fn parse(file: Option<&Path>, text: &str, folder: &Path) -> Result<(Written, BTreeMap<String, Origin>), Error> {
    let mut page = Page::new(file.unwrap_or(Path::new("")).to_owned(), text);
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let sentence = format!("not TOML: {}; correct this line", error.message().replace('\n', ", "));
            page.fault(error.span().map_or(0, |span| span.start), sentence);
            return Err(Error::Refused(page.faults));
        }
    };
    let written = read::document(&mut page, document.get_ref(), folder);
    page.faults.sort_by_key(|fault| fault.line);
    if page.faults.is_empty() { Ok((written, page.origins)) } else { Err(Error::Refused(page.faults)) }
}

/// The folder of the archive: flag before environment before file before default. No origin where the one from the
/// file, or none, holds.
fn data_dir(
    options: &LoadOptions,
    environment: &Environment,
    written: Option<PathBuf>,
) -> Result<(PathBuf, Option<Origin>), Error> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(|_| Error::NoDataDir);
    if let Some(flag) = &options.data_dir {
        return Ok((absolute(flag)?, Some(Origin::Flag("--data-dir"))));
    }
    if let Some(variable) = environment.variable(DATA_DIR_VARIABLE) {
        return Ok((absolute(Path::new(variable))?, Some(Origin::Environment(DATA_DIR_VARIABLE))));
    }
    let default = || match environment.superuser {
        true => Some(PathBuf::from("/var/lib/poplar")),
        false => environment.xdg("XDG_DATA_HOME", ".local/share").map(|folder| folder.join("poplar")),
    };
    Ok((written.or_else(default).ok_or(Error::NoDataDir)?, None))
}
