//! Readers of single values. What they have against a value is the rest of a sentence that begins with the key.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

use super::page::{kind, nearest};
use super::units::{parse_period, parse_size};

pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) if text.is_empty() => Err("must not be empty".to_owned()),
        DeValue::String(text) if text.chars().any(char::is_control) => {
            Err("must not hold line ends or other control characters".to_owned())
        }
        DeValue::String(text) => Ok(text.clone().into_owned()),
        other => Err(format!("must be a text in quotes, not {}", kind(other))),
    }
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    match value {
        DeValue::Boolean(flag) => Ok(*flag),
        other => Err(format!("must be true or false, not {}", kind(other))),
    }
}

pub(super) fn port(value: &DeValue<'_>) -> Result<u16, String> {
    let DeValue::Integer(number) = value else {
        return Err(format!("must be a whole number from 1 to 65535, not {}", kind(value)));
    };
    let port = u16::from_str_radix(number.as_str(), number.radix()).ok().filter(|port| *port > 0);
    port.ok_or_else(|| format!("must be a whole number from 1 to 65535, not {number}"))
}

pub(super) fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    match value {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect(),
        other => Err(format!("must be a list of texts, not {}", kind(other))),
    }
}

/// One of a few words.
pub(super) fn word<T: Copy>(words: &[(&'static str, T)]) -> impl Fn(&DeValue<'_>) -> Result<T, String> {
    move |value| {
        let written = text(value)?;
        let found = words.iter().find(|(word, _)| *word == written);
        found.map(|(_, meaning)| *meaning).ok_or_else(|| no_such_word(&written, words))
    }
}

fn no_such_word<T>(written: &str, words: &[(&'static str, T)]) -> String {
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let meant = nearest(written, known.iter().copied()).map(|near| format!("; did you mean {near:?}?"));
    format!("must be {}, not {written:?}{}", known.join(" or "), meant.unwrap_or_default())
}

/// A path; a relative one starts at `folder`.
pub(super) fn path(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<PathBuf, String> {
    move |value| {
        let written = text(value)?;
        if written == "~" || written.starts_with("~/") {
            return Err(format!("= {written:?} begins with ~, which only a shell replaces; write the whole path"));
        }
        Ok(folder.join(written))
    }
}

/// The path of a file that has to be there.
pub(super) fn existing_file(folder: &Path) -> impl Fn(&DeValue<'_>) -> Result<PathBuf, String> {
    let path = path(folder);
    move |value| {
        let file = path(value)?;
        match file.metadata() {
            Ok(found) if found.is_file() => Ok(file),
            Ok(_) => Err(format!("names {}, which is not a file", file.display())),
            Err(error) => Err(format!("names {}, which cannot be opened: {error}; correct the path", file.display())),
        }
    }
}

pub(super) fn period(value: &DeValue<'_>) -> Result<Duration, String> {
    let DeValue::String(written) = value else {
        return Err(format!("must be a duration like \"90s\", \"5m\", \"1h\" or \"30d\", not {}", kind(value)));
    };
    parse_period(written).ok_or_else(|| {
        format!("= {written:?} is no duration; write a number and a unit, \"90s\", \"5m\", \"1h\", \"30d\"")
    })
}

/// How many of something at one time.
pub(super) fn count(value: &DeValue<'_>) -> Result<usize, String> {
    const SENTENCE: &str = "must be a whole number from 1 to 1000";
    match value {
        DeValue::Integer(written) => match usize::from_str_radix(written.as_str(), written.radix()) {
            Ok(number @ 1..=1000) => Ok(number),
            _ => Err(SENTENCE.to_owned()),
        },
        other => Err(format!("{SENTENCE}, not {}", kind(other))),
    }
}

pub(super) fn size(value: &DeValue<'_>) -> Result<u64, String> {
    let DeValue::String(written) = value else {
        return Err(format!("must be a size like \"256MiB\" or \"10MB\", not {}", kind(value)));
    };
    let octets = parse_size(written)
        .ok_or_else(|| format!("= {written:?} is no size; write a number and a unit, \"256MiB\" or \"10MB\""))?;
    if octets == 0 { Err("must be more than nothing; write \"256MiB\" or \"10MB\"".to_owned()) } else { Ok(octets) }
}

/// A host name or an IP address, and nothing around it.
pub(super) fn host(value: &DeValue<'_>) -> Result<String, String> {
    let written = text(value)?;
    if written.parse::<IpAddr>().is_ok() {
        return Ok(written);
    }
    if written.contains("://") || written.contains('/') {
        return Err(format!("= {written:?} is an address of the web; write the server's name alone"));
    }
    if let Some((name, port)) = written.rsplit_once(':') {
        return Err(format!("= {written:?} has a port in it; write {name:?}, and port = {port}"));
    }
    if written.contains(char::is_whitespace) {
        return Err(format!("= {written:?} has blanks in it; write the server's name alone"));
    }
    Ok(written)
}
