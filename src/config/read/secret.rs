use std::path::Path;

use toml::de::DeValue;

use crate::config::page::{kind, nearest};
use crate::config::{SecretSource, value};

pub(super) const PASSWORD: &str = "password = { file = \"/path\" }, { env = \"NAME\" }, { command = [\"program\", \"argument\"] } \
                        or { credential = \"name\" }";

/// A table with exactly one of the four keys.
pub(super) fn secret(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<SecretSource, String> {
    move |value| {
        let table = match value {
            DeValue::Table(table) => table,
            DeValue::String(_) => return Err(format!("must not stand in this file itself; write {PASSWORD}")),
            other => return Err(format!("must be a table, not {}; write {PASSWORD}", kind(other))),
        };
        let mut entries = table.iter();
        let (Some((key, entry)), None) = (entries.next(), entries.next()) else {
            return Err(format!("must come from exactly one place; write {PASSWORD}"));
        };
        let (key, entry) = (key.get_ref().as_ref(), entry.get_ref());
        secret_source(key, entry, folder).map_err(|sentence| format!("{key} {sentence}"))
    }
}

fn secret_source(key: &str, entry: &DeValue<'_>, folder: &Path) -> Result<SecretSource, String> {
    match key {
        "file" => value::path(folder)(entry).map(SecretSource::File),
        "env" => match value::text(entry)? {
            name if name.contains('=') => Err(format!("= {name:?} is no name of a variable")),
            name => Ok(SecretSource::Env(name)),
        },
        "command" => match value::texts(entry) {
            Ok(words) if !words.is_empty() => Ok(SecretSource::Command(words)),
            _ => Err("must be a list of the program and its arguments, [\"pass\", \"show\", \"sales\"]".to_owned()),
        },
        "credential" => match value::text(entry)? {
            name if name.contains('/') || name == "." || name == ".." => {
                Err(format!("= {name:?} is no name of a systemd credential; write the name in LoadCredential="))
            }
            name => Ok(SecretSource::Credential(name)),
        },
        other => {
            let meant = nearest(other, ["file", "env", "command", "credential"].into_iter());
            let hint = meant.map_or_else(|| format!("write {PASSWORD}"), |near| format!("did you mean {near:?}?"));
            Err(format!("is not a place for a password; {hint}"))
        }
    }
}
