use std::path::Path;
use std::time::Duration;

use serde_json::json;
use toml::{Table, Value};

use super::read::{AUTH, DELETE_WHEN, GRANT, PRESET, TLS, account_path};
use super::units::{show_period, show_size};
use super::{Account, AfterArchive, Clamd, Config, Loaded, Oauth, SecretSource};

/// One table of the file as it is in force: a heading, the path of its origins, and a row for each key; no value where
/// nothing is set.
struct Section {
    heading: &'static str,
    path: String,
    rows: Vec<(&'static str, Option<Value>)>,
}

impl Loaded {
    /// The settings in force as a file that can be read again, each with its origin behind it. Passwords are not in
    /// it, only where they come from.
    pub fn show(&self) -> String {
        let file = self.file.as_ref().map_or("no file".to_owned(), |file| file.display().to_string());
        let mut lines = vec![format!("# {file}")];
        for section in sections(&self.config) {
            if !section.heading.is_empty() {
                lines.extend([String::new(), section.heading.to_owned()]);
            }
            lines.extend(section.rows.iter().map(|(key, value)| {
                let not_set = || format!("# {key} is not set");
                let setting = value.as_ref().map_or_else(not_set, |value| format!("{key} = {value}"));
                format!("{setting:<48} # {}", self.origin(&format!("{}{key}", section.path)))
            }));
        }
        lines.join("\n") + "\n"
    }

    /// The same as JSON: `{file, data_dir: {value, origin}, account: [{name: {value, origin}, …}], scan: {…}, …}`.
    pub fn show_json(&self) -> serde_json::Value {
        let mut shown = json!({ "file": self.file, "account": [] });
        for section in sections(&self.config) {
            let mut rows = serde_json::Map::new();
            for (key, value) in section.rows {
                let origin = self.origin(&format!("{}{key}", section.path)).to_string();
                rows.insert(key.to_owned(), json!({ "value": value, "origin": origin }));
            }
            match (section.path.trim_end_matches('.'), shown["account"].as_array_mut()) {
                ("", _) => rows.into_iter().for_each(|(key, row)| shown[key] = row),
                (path, Some(accounts)) if path.starts_with("account.") => accounts.push(rows.into()),
                (path, _) => shown[path] = rows.into(),
            }
        }
        shown
    }
}

fn sections(config: &Config) -> Vec<Section> {
    let Config { data_dir, accounts, polling, storage, verify, scan, search, quarantine, web, import } = config;
    let mut sections =
        vec![Section { heading: "", path: String::new(), rows: vec![("data_dir", Some(path(data_dir)))] }];
    sections.extend(accounts.iter().enumerate().map(|(number, account)| Section {
        heading: "[[account]]",
        path: account_path(number),
        rows: account_rows(account),
    }));
    let period = |period: Option<Duration>| Some(period.map_or_else(|| "never".to_owned(), show_period).into());
    let verify = vec![
        ("every", period(verify.every)),
        ("rate", Some(show_size(verify.rate).into())),
        ("drill_every", period(verify.drill_every)),
    ];
    let count = |number: usize| Some(i64::try_from(number).unwrap_or(i64::MAX).into());
    let polling = vec![
        ("max_sessions", count(polling.max_sessions)),
        ("max_sessions_per_host", count(polling.max_sessions_per_host)),
        ("alarm_after", period(polling.alarm_after)),
    ];
    let storage = vec![("reserve", Some(show_size(storage.reserve).into()))];
    let clamd = match &scan.clamd {
        Clamd::Managed => "managed".into(),
        Clamd::Addresses(addresses) if addresses.len() == 1 => addresses[0].clone().into(),
        Clamd::Addresses(addresses) => addresses.clone().into(),
    };
    let families: Table =
        scan.families.iter().map(|(beginning, verdict)| (beginning.to_owned(), verdict.as_str().into())).collect();
    let scan = vec![
        ("clamd", Some(clamd)),
        ("database_dir", Some(path(&scan.database_dir))),
        ("families", Some(Value::Table(families))),
    ];
    let languages = search.stemming.codes().iter().map(|code| (*code).into()).collect();
    let search = vec![("stemming", Some(Value::Array(languages)))];
    let quarantine = vec![("four_eyes", Some(quarantine.four_eyes.into()))];
    let web = vec![("listen", Some(web.listen.to_string().into()))];
    let import = vec![("drop_folder", import.drop_folder.as_deref().map(path))];
    for (heading, name, rows) in [
        ("[polling]", "polling.", polling),
        ("[storage]", "storage.", storage),
        ("[verify]", "verify.", verify),
        ("[scan]", "scan.", scan),
        ("[search]", "search.", search),
        ("[quarantine]", "quarantine.", quarantine),
        ("[web]", "web.", web),
        ("[import]", "import.", import),
    ] {
        sections.push(Section { heading, path: name.to_owned(), rows });
    }
    sections
}

fn account_rows(account: &Account) -> Vec<(&'static str, Option<Value>)> {
    let pins = account.pin_sha256.iter().cloned().map(Value::String).collect();
    vec![
        ("name", Some(account.name.clone().into())),
        ("host", Some(account.host.clone().into())),
        ("port", Some(i64::from(account.port).into())),
        ("tls", word(&TLS, &account.tls)),
        ("allow_cleartext", Some(account.allow_cleartext.into())),
        ("user", Some(account.user.clone().into())),
        ("password", account.password.as_ref().map(secret)),
        ("oauth", account.oauth.as_ref().map(oauth)),
        ("auth", word(&AUTH, &account.auth)),
        ("ca_file", account.ca_file.as_deref().map(path)),
        ("pin_sha256", Some(Value::Array(pins))),
        ("pin_only", Some(account.pin_only.into())),
        ("client_cert", account.client_cert.as_deref().map(path)),
        ("client_key", account.client_key.as_deref().map(path)),
        ("tls_server_name", account.tls_server_name.clone().map(Value::String)),
        ("poll_every", Some(show_period(account.poll_every).into())),
        ("timeout", Some(show_period(account.timeout).into())),
        ("after_archive", Some(after_archive(account.after_archive))),
        ("delete_when", word(&DELETE_WHEN, &account.delete_when)),
        ("max_message_bytes", Some(show_size(account.max_message_bytes).into())),
        ("multidrop", Some(account.multidrop.into())),
    ]
}

fn word<T: PartialEq>(words: &[(&str, T)], meaning: &T) -> Option<Value> {
    words.iter().find(|(_, known)| known == meaning).map(|(word, _)| Value::from(*word))
}

fn after_archive(what: AfterArchive) -> Value {
    match what {
        AfterArchive::Keep => "keep".into(),
        AfterArchive::Delete => "delete".into(),
        AfterArchive::DeleteAfter(period) => one("delete_after", show_period(period).into()),
    }
}

fn secret(source: &SecretSource) -> Value {
    match source {
        SecretSource::File(file) => one("file", path(file)),
        SecretSource::Env(name) => one("env", name.clone().into()),
        SecretSource::Command(words) => one("command", words.clone().into()),
        SecretSource::Credential(name) => one("credential", name.clone().into()),
    }
}

fn oauth(oauth: &Oauth) -> Value {
    let provider = match oauth {
        Oauth::Command(command) => return one("token_command", command.token_command.clone().into()),
        Oauth::Provider(provider) => provider,
    };
    let rows = [
        ("preset", provider.preset.as_ref().and_then(|preset| word(&PRESET, preset))),
        ("token_url", Some(provider.token_url.clone().into())),
        ("device_url", provider.device_url.clone().map(Value::String)),
        ("client_id", Some(provider.client_id.clone().into())),
        ("client_secret", provider.client_secret.as_ref().map(secret)),
        ("refresh_token", provider.refresh_token.as_ref().map(|token| one("file", path(&token.file)))),
        ("scope", provider.scope.clone().map(Value::String)),
        ("grant", word(&GRANT, &provider.grant)),
    ];
    Value::Table(rows.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

fn one(key: &str, value: Value) -> Value {
    Value::Table(Table::from_iter([(key.to_owned(), value)]))
}

fn path(path: &Path) -> Value {
    path.display().to_string().into()
}
