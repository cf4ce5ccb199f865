//! Changes accounts in the text of the configuration file and leaves all else as a person wrote it, comments too.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use super::{Preset, Provider, SecretSource, TlsMode};
use crate::files::Draft;

/// What `account add` knows of a new account; all else has its default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    pub name: String,
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    pub user: String,
    pub login: NewLogin,
    pub ca_file: Option<PathBuf>,
}

/// What lets a new account in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewLogin {
    Password(SecretSource),
    /// What is set as the provider's preset has it is not written.
    Tokens(Provider),
}

/// Why the file stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    #[error("the configuration cannot be changed, it is not TOML: {0}")]
    Unreadable(String),
    #[error("no account in the configuration file is called {0:?}")]
    NoAccount(String),
    #[error(
        "the accounts in the configuration file are written as one list; write them under [[account]], each, first"
    )]
    OneList,
    #[error("cannot write the configuration file {}: {source}; nothing in it has changed", .file.display())]
    Unwritable { file: PathBuf, source: io::Error },
}

impl EditError {
    /// Whether the same may work later without a person changing anything.
    pub const fn is_transient(&self) -> bool {
        false
    }
}

/// The text with another name for an account.
pub fn rename_account(text: &str, from: &str, to: &str) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let at = position(&document, from).ok_or_else(|| EditError::NoAccount(from.to_owned()))?;
    let name = document["account"][at]["name"].as_value_mut();
    if let Some(name) = name {
        let decor = name.decor().clone();
        *name = Value::from(to);
        *name.decor_mut() = decor;
    }
    Ok(document.to_string())
}

/// The text without an account, and without the comment right above it.
pub fn remove_account(text: &str, name: &str) -> Result<String, EditError> {
    let mut document = parse(text)?;
    let at = position(&document, name).ok_or_else(|| EditError::NoAccount(name.to_owned()))?;
    let Some(accounts) = document["account"].as_array_of_tables_mut() else { return Err(EditError::OneList) };
    let above = accounts.get(at).and_then(|table| table.decor().prefix()?.as_str()).unwrap_or_default();
    // What a blank line parts from it is about more than this account.
    let kept = above.rfind("\n\n").map_or("", |end| &above[..=end]).to_owned();
    accounts.remove(at);
    if let Some(next) = accounts.get_mut(at) {
        let own = next.decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default().to_owned();
        next.decor_mut().set_prefix(format!("{kept}{own}"));
    } else {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{kept}{trailing}"));
    }
    if document["account"].as_array_of_tables().is_some_and(ArrayOfTables::is_empty) {
        document.remove("account");
    }
    Ok(document.to_string())
}

/// The text with one more account behind the others, and the lines that are new.
pub fn add_account(text: &str, account: &NewAccount) -> Result<(String, String), EditError> {
    let mut document = parse(text)?;
    let table = table(account);
    let mut alone = DocumentMut::new();
    alone.insert("account", Item::ArrayOfTables(ArrayOfTables::from_iter([table.clone()])));
    let lines = alone.to_string();
    let accounts = document.entry("account").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
    accounts.as_array_of_tables_mut().ok_or(EditError::OneList)?.push(table);
    Ok((document.to_string(), lines))
}

/// Puts the text in the place of the file, whose mode and owner it keeps; a new file is readable by its owner only.
pub fn save(file: &Path, text: &str) -> Result<(), EditError> {
    // A link stays one: what it leads to is changed.
    let target = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    write(&target, text).map_err(|source| EditError::Unwritable { file: file.to_owned(), source })
}

fn write(target: &Path, text: &str) -> io::Result<()> {
    let before = match fs::metadata(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        found => Some(found?),
    };
    let draft = Draft::create(target)?;
    if let Some(before) = before {
        let made = draft.file().metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            fchown(draft.file(), Some(before.uid()), Some(before.gid()))?;
        }
        draft.file().set_permissions(Permissions::from_mode(before.mode() & 0o7777))?;
    }
    io::Write::write_all(&mut draft.file(), text.as_bytes())?;
    draft.publish()
}

fn parse(text: &str) -> Result<DocumentMut, EditError> {
    text.parse().map_err(|error: toml_edit::TomlError| EditError::Unreadable(error.message().to_owned()))
}

fn position(document: &DocumentMut, name: &str) -> Option<usize> {
    let accounts = document.get("account")?;
    let count =
        accounts.as_array_of_tables().map(ArrayOfTables::len).or(accounts.as_array().map(toml_edit::Array::len))?;
    (0..count).find(|at| accounts[*at].get("name").and_then(Item::as_str) == Some(name))
}

fn table(account: &NewAccount) -> Table {
    let NewAccount { name, host, port, tls, user, login, ca_file } = account;
    let mut table = Table::new();
    let mut put = |key: &str, what: Item| drop(table.insert(key, what));
    put("name", value(name));
    put("host", value(host));
    if *port != if *tls == TlsMode::Implicit { 995 } else { 110 } {
        put("port", value(i64::from(*port)));
    }
    match tls {
        TlsMode::Implicit => {}
        TlsMode::StartTls => put("tls", value("starttls")),
        TlsMode::None => {
            put("tls", value("none"));
            put("allow_cleartext", value(true));
        }
    }
    put("user", value(user));
    if let NewLogin::Password(password) = login {
        put("password", value(source(password)));
    }
    if let Some(ca_file) = ca_file {
        put("ca_file", value(ca_file.display().to_string()));
    }
    if let NewLogin::Tokens(provider) = login {
        put("oauth", Item::Table(oauth(provider)));
    }
    table
}

fn oauth(provider: &Provider) -> Table {
    let Provider { preset, token_url, device_url, client_id, client_secret, refresh_token, scope, grant } = provider;
    let mut table = Table::new();
    let mut put = |key: &str, what: Value| drop(table.insert(key, value(what)));
    match preset {
        Some(Preset::Google) => put("preset", "google".into()),
        Some(Preset::Microsoft) => put("preset", "microsoft".into()),
        None => put("token_url", token_url.into()),
    }
    if let Some(device_url) = device_url.as_ref().filter(|url| preset.is_none_or(|preset| preset.device_url() != *url))
    {
        put("device_url", device_url.into());
    }
    put("client_id", client_id.into());
    if let Some(client_secret) = client_secret {
        put("client_secret", source(client_secret).into());
    }
    if let Some(scope) = scope.as_ref().filter(|scope| preset.is_none_or(|preset| preset.scope(*grant) != *scope)) {
        put("scope", scope.into());
    }
    if let Some(refresh_token) = refresh_token {
        put("refresh_token", source(&SecretSource::File(refresh_token.file.clone())).into());
    }
    table
}

fn source(password: &SecretSource) -> InlineTable {
    let (key, from) = match password {
        SecretSource::File(file) => ("file", Value::from(file.display().to_string())),
        SecretSource::Env(name) => ("env", Value::from(name)),
        SecretSource::Command(words) => ("command", words.iter().collect()),
        SecretSource::Credential(name) => ("credential", Value::from(name)),
    };
    InlineTable::from_iter([(key, from)])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::config::Issuer;

    const TEXT: &str = "# about the file\n\ndata_dir = \"/srv\" # here\n\n# both of us\n\n# the first\n[[account]]\nname = \
                        \"sales\" # ours\nhost = \"a\"\n\n# the second\n[[account]]\nname = \"office\"\n\n[scan] # theirs\n\
                        clamd = \"managed\"\n";

    #[test]
    fn a_new_name_changes_nothing_else() {
        let renamed = rename_account(TEXT, "sales", "verkauf").unwrap();
        assert_eq!(renamed, TEXT.replace("\"sales\"", "\"verkauf\""));
        assert!(matches!(rename_account(TEXT, "nobody", "x"), Err(EditError::NoAccount(_))));
        let listed = "account = [{ name = \"a\", host = \"h\" }] # all\n";
        assert_eq!(rename_account(listed, "a", "b").unwrap(), listed.replace("\"a\"", "\"b\""));
    }

    #[test]
    fn a_removed_account_takes_its_own_comment_along_only() {
        let first = TEXT.replace("# the first\n[[account]]\nname = \"sales\" # ours\nhost = \"a\"\n\n", "");
        assert_eq!(remove_account(TEXT, "sales").unwrap(), first);
        let second = remove_account(TEXT, "office").unwrap();
        assert!(!second.contains("office") && !second.contains("# the second") && second.contains("[scan] # theirs"));
        let none = remove_account(&second, "sales").unwrap();
        assert!(
            !none.contains("account") && none.contains("# both of us") && none.contains("# about the file"),
            "{none}"
        );
    }

    fn office() -> NewAccount {
        NewAccount {
            name: "verkauf".to_owned(),
            host: "pop.example.org".to_owned(),
            port: 1110,
            tls: TlsMode::StartTls,
            user: "a \"b\"".to_owned(),
            login: NewLogin::Password(SecretSource::Command(vec!["pass".to_owned(), "show".to_owned()])),
            ca_file: None,
        }
    }

    #[test]
    fn a_new_account_stands_behind_the_others() {
        let (text, lines) = add_account(TEXT, &office()).unwrap();
        assert!(text.contains("# the second") && text.contains("# ours") && text.contains("# theirs"), "{text}");
        assert!(text.contains(lines.trim_end()), "{text}\nlacks\n{lines}");
        assert!(lines.contains("port = 1110\ntls = \"starttls\"\n"), "{lines}");
        assert!(lines.contains("password = { command = [\"pass\", \"show\"] }"), "{lines}");
        let (alone, _) = add_account("", &office()).unwrap();
        assert!(alone.starts_with("[[account]]\nname = \"verkauf\"\n"), "{alone}");
        assert_eq!(remove_account(&alone, "verkauf").unwrap().trim(), "");
    }

    #[test]
    fn tokens_stand_in_a_table_of_their_own() {
        let issuer = Issuer::Preset(Preset::Microsoft);
        let provider = Provider::of_person(issuer, "id".to_owned(), PathBuf::from("verkauf.token"));
        let tokens = NewAccount { login: NewLogin::Tokens(provider.clone()), ..office() };
        let (text, lines) = add_account(TEXT, &tokens).unwrap();
        let table = "\n[account.oauth]\npreset = \"microsoft\"\nclient_id = \"id\"\nrefresh_token = { file = \"verkauf.token\" }\n";
        assert!(lines.ends_with(table), "{lines}");
        assert!(text.contains(lines.trim_end()) && text.contains("# theirs"), "{text}\nlacks\n{lines}");
        let (twice, _) = add_account(&text, &NewAccount { name: "b".to_owned(), ..tokens.clone() }).unwrap();
        assert_eq!(twice.matches("[account.oauth]").count(), 2, "{twice}");
        assert_eq!(remove_account(&twice, "b").unwrap().matches("[account.oauth]").count(), 1);
        let elsewhere = Provider {
            scope: Some("mail".to_owned()),
            client_secret: Some(SecretSource::Env("S".to_owned())),
            ..provider
        };
        let (_, lines) = add_account("", &NewAccount { login: NewLogin::Tokens(elsewhere), ..office() }).unwrap();
        assert!(lines.contains("client_secret = { env = \"S\" }\nscope = \"mail\"\n"), "{lines}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(\\[\\[account\\]\\]|name = |\"a\"|\n|#|=|\\[|\\{| |a)*") {
            drop((rename_account(&text, "a", "b"), remove_account(&text, "a"), add_account(&text, &office())));
        }
    }
}
