//! Settings as a person writes them: samples, refusals, origins, and what an account logs in with.
//! Knows nothing about what is done with them.

mod login;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use poplar::config::{
    AfterArchive, Auth, Clamd, Config, DeleteWhen, Environment, Error, LoadOptions, Loaded, SecretSource, TlsMode,
};
use serde_json::Value;

const ACCOUNT: &str = "[[account]]\nname = \"sales\"\nhost = \"pop.example.org\"\nuser = \"s\"\n";

#[test]
fn every_sample_is_accepted() {
    for file in toml_files("config") {
        let loaded = load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert!(!loaded.config.accounts.is_empty(), "{} shows no account", file.display());
    }
}

#[test]
fn every_bad_sample_is_refused_with_its_sentence() {
    let files = toml_files("tests/config/bad");
    assert!(files.len() > 20, "the bad samples are gone");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let sentence = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        let line = 1 + text.lines().position(|line| line.ends_with("# here")).expect("a line marked # here");
        let error = load(&file).expect_err(&format!("{} was accepted", file.display())).to_string();
        let place = format!("{}:{line}: ", file.display());
        let fault = error.lines().find(|fault| fault.starts_with(&place) && fault.contains(sentence));
        assert!(fault.is_some(), "{place}{sentence}\nbut it says\n{error}");
    }
}

#[test]
fn all_faults_are_told_at_once_from_top_to_end() {
    let house = House::new();
    let text = format!("data-dir = \"x\"\n{ACCOUNT}colour = 1\nport = 0\npassword = \"x\"\n[scan]\nclamd = 1\n");
    let Err(Error::Refused(faults)) = load(&house.write("poplar.toml", &text)) else { panic!("accepted") };
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 6, 7, 8, 10]);
}

#[test]
fn a_file_that_is_not_utf8_is_refused_at_its_line() {
    let house = House::new();
    let file = house.path("poplar.toml");
    fs::write(&file, b"# one\ndata_dir = \"/srv/f\xfcr\"\n").unwrap();
    let error = load(&file).unwrap_err().to_string();
    assert!(error.contains("poplar.toml:2: this line is not UTF-8"), "{error}");
}

#[test]
fn what_is_left_out_has_its_default() {
    let loaded = load(&sample("minimal.toml")).unwrap();
    let account = &loaded.config.accounts[0];
    assert_eq!((account.port, account.tls, account.auth), (995, TlsMode::Implicit, Auth::Auto));
    assert_eq!(account.poll_every, Duration::from_secs(300));
    assert_eq!((account.after_archive, account.delete_when), (AfterArchive::Keep, DeleteWhen::Scanned));
    assert_eq!(account.max_message_bytes, 256 * 1024 * 1024);
    assert!(!account.allow_cleartext && account.ca_file.is_none() && account.tls_server_name.is_none());
    assert_eq!(loaded.config.scan.clamd, Clamd::Managed);
    assert_eq!(loaded.config.data_dir, Path::new("/home/ana/.local/share/poplar"));
}

#[test]
fn what_is_written_is_what_holds() {
    let loaded = load(&sample("poplar.toml")).unwrap();
    let account = &loaded.config.accounts[1];
    assert_eq!(
        (account.name.as_str(), account.host.as_str(), account.user.as_str()),
        ("invoices", "pop.example.net", "invoices")
    );
    assert_eq!((account.tls, account.port), (TlsMode::StartTls, 110), "the port follows tls");
    assert_eq!(account.after_archive, AfterArchive::DeleteAfter(Duration::from_secs(30 * 86_400)));
    assert_eq!((account.delete_when, account.poll_every), (DeleteWhen::Indexed, Duration::from_secs(3_600)));
    let loaded = load(&sample("dovecot.toml")).unwrap();
    assert_eq!(loaded.config.scan.clamd, Clamd::Addresses(vec!["unix:/run/clamav/clamd.ctl".to_owned()]));
    assert_eq!(loaded.config.accounts[0].tls_server_name.as_deref(), Some("mail.office.example"));
}

#[test]
fn relative_paths_start_at_the_folder_of_the_file() {
    let house = House::new();
    house.write("ca.pem", "");
    let text = format!("data_dir = \"mail\"\n{ACCOUNT}password = {{ file = \"s.secret\" }}\nca_file = \"ca.pem\"\n");
    let config = load(&house.write("poplar.toml", &text)).unwrap().config;
    assert_eq!(config.data_dir, house.path("mail"));
    assert_eq!(config.accounts[0].password, Some(SecretSource::File(house.path("s.secret"))));
    assert_eq!(config.accounts[0].ca_file, Some(house.path("ca.pem")));
}

#[test]
fn the_first_file_in_the_order_of_places_is_read() {
    let house = House::new();
    let places = ["flag.toml", "variable.toml", "xdg/poplar/poplar.toml", "etc/poplar/poplar.toml"];
    for place in places {
        house.write(place, &format!("data_dir = \"/{}\"\n", place.split(['/', '.']).next().unwrap()));
    }
    let mut options = LoadOptions { file: Some(house.path("flag.toml")), data_dir: None };
    let (variable, xdg) = (house.path("variable.toml"), house.path("xdg"));
    let mut environment = house.environment(&[("POPLAR_CONFIG", &variable), ("XDG_CONFIG_HOME", &xdg)]);
    let read = |options: &LoadOptions, environment: &Environment| {
        Config::load_in(options, environment).unwrap().config.data_dir.display().to_string()
    };
    assert_eq!(read(&options, &environment), "/flag");
    options.file = None;
    assert_eq!(read(&options, &environment), "/variable");
    environment.variables.insert("POPLAR_CONFIG".into(), "".into());
    assert_eq!(read(&options, &environment), "/xdg", "an empty variable is none");
    environment.variables.remove(std::ffi::OsStr::new("XDG_CONFIG_HOME"));
    assert_eq!(read(&options, &environment), "/etc");
    house.write("home/.config/poplar/poplar.toml", "data_dir = \"/personal\"\n");
    assert_eq!(read(&options, &environment), "/personal");
}

#[test]
fn a_file_that_was_named_has_to_be_there() {
    let house = House::new();
    let missing = house.path("missing.toml");
    let error = load(&missing).unwrap_err().to_string();
    assert!(error.contains("missing.toml") && error.contains("check the path"), "{error}");
    let environment = house.environment(&[("POPLAR_CONFIG", &missing)]);
    assert!(matches!(Config::load_in(&LoadOptions::default(), &environment), Err(Error::Unreadable { .. })));
}

#[test]
fn without_any_file_there_are_defaults_and_advice() {
    let house = House::new();
    let mut environment = house.environment(&[]);
    let loaded = Config::load_in(&LoadOptions::default(), &environment).unwrap();
    assert_eq!((loaded.file.as_ref(), loaded.config.accounts.len()), (None, 0));
    assert_eq!(loaded.config.data_dir, house.path("home/.local/share/poplar"));
    let advice = loaded.accounts(&[]).unwrap_err().to_string();
    assert!(advice.contains("[[account]]") && advice.contains("home/.config/poplar/poplar.toml"), "{advice}");

    environment.superuser = true;
    let loaded = Config::load_in(&LoadOptions::default(), &environment).unwrap();
    assert_eq!(loaded.config.data_dir, Path::new("/var/lib/poplar"));

    let nobody = Environment { etc: house.path("etc"), ..Environment::default() };
    let error = Config::load_in(&LoadOptions::default(), &nobody).unwrap_err().to_string();
    assert!(error.contains("--data-dir"), "{error}");
}

#[test]
fn the_advice_about_accounts_is_itself_accepted() {
    let house = House::new();
    let error = load(&house.write("poplar.toml", "")).unwrap().accounts(&[]).unwrap_err().to_string();
    let (_, advice) = error.split_once("\n\n").unwrap();
    assert_eq!(load(&house.write("advice.toml", advice)).unwrap().config.accounts.len(), 1);
}

#[test]
fn the_data_folder_comes_from_flag_then_environment_then_file() {
    let house = House::new();
    let file = house.write("poplar.toml", "data_dir = \"/from-file\"\n");
    let mut options = LoadOptions { file: Some(file), data_dir: Some("/from-flag".into()) };
    let environment = house.environment(&[("POPLAR_DATA_DIR", Path::new("/from-environment"))]);
    let row = |options: &LoadOptions, environment: &Environment| {
        let shown = Config::load_in(options, environment).unwrap().show();
        let row = shown.lines().find(|line| line.starts_with("data_dir")).unwrap();
        row.split_whitespace().skip(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row(&options, &environment), "\"/from-flag\" # --data-dir");
    options.data_dir = None;
    assert_eq!(row(&options, &environment), "\"/from-environment\" # $POPLAR_DATA_DIR");
    assert_eq!(row(&options, &house.environment(&[])), "\"/from-file\" # line 1");
}

#[test]
fn accounts_are_chosen_by_name() {
    let loaded = load(&sample("poplar.toml")).unwrap();
    let names = |wanted: &[&str]| {
        let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
        let accounts = loaded.accounts(&wanted);
        accounts.map(|found| found.iter().map(|account| account.name.clone()).collect::<Vec<_>>())
    };
    assert_eq!(names(&[]).unwrap(), ["sales", "invoices", "office"]);
    assert_eq!(names(&["invoices"]).unwrap(), ["invoices"]);
    let error = names(&["sale"]).unwrap_err().to_string();
    assert!(error.contains("did you mean \"sales\"?"), "{error}");
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let house = House::new();
    for file in toml_files("config") {
        let loaded = load(&file).unwrap();
        let again = load(&house.write("shown.toml", &loaded.show())).unwrap();
        assert_eq!(again.config, loaded.config, "{}", file.display());
    }
}

#[test]
fn every_value_is_shown_with_its_origin() {
    let house = House::new();
    let text = format!("{ACCOUNT}poll_every = \"120s\"\npassword = {{ env = \"SALES\" }}\n");
    let file = house.write("poplar.toml", &text);
    let mut environment = house.environment(&[("SALES", Path::new("sekrit"))]);
    environment.superuser = true;
    let loaded = Config::load_in(&LoadOptions { file: Some(file.clone()), data_dir: None }, &environment).unwrap();
    let rows: Vec<String> =
        loaded.show().lines().map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for row in [
        &format!("# {}", file.display()),
        "data_dir = \"/var/lib/poplar\" # default",
        "name = \"sales\" # line 2",
        "port = 995 # default",
        "poll_every = \"2m\" # line 5",
        "password = { env = \"SALES\" } # line 6",
        "# ca_file is not set # default",
    ] {
        assert!(rows.iter().any(|shown| shown == row), "{row}\nis not in\n{}", rows.join("\n"));
    }
    assert!(!loaded.show().contains("sekrit"));
    let json = loaded.show_json();
    assert_eq!(json["account"][0]["poll_every"], serde_json::json!({ "value": "2m", "origin": "line 5" }));
    assert_eq!(json["scan"]["clamd"]["origin"], "default");
}

#[test]
fn the_schema_is_the_one_in_schemas() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/config.schema.json");
    let schema = format!("{}\n", serde_json::to_string_pretty(&poplar::config::schema()).unwrap());
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&file, &schema).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == schema, "schemas/config.schema.json is not what the types say; rewrite it with UPDATE=1");
}

#[test]
fn the_defaults_of_the_schema_are_the_ones_in_force() {
    let schema = poplar::config::schema();
    let shown = load(&sample("minimal.toml")).unwrap().show_json();
    let mut seen = 0;
    for (table, key, rules) in keys(&schema) {
        let Some(default) = rules.get("default") else { continue };
        let table = if table == "account" { &shown["account"][0] } else { &shown[&table] };
        assert_eq!(&table[&key]["value"], default, "{key}");
        seen += 1;
    }
    assert!(seen > 10, "only {seen} defaults in the schema");
}

#[test]
fn the_schema_the_file_and_the_readme_know_the_same_keys() {
    let schema: BTreeSet<String> =
        keys(&poplar::config::schema()).iter().map(|(table, key, _)| format!("{table}.{key}")).collect();
    let shown = load(&sample("poplar.toml")).unwrap().show_json();
    let mut in_file = BTreeSet::from([".data_dir".to_owned()]);
    for table in ["account", "polling", "storage", "verify", "scan", "search", "quarantine", "web", "import"] {
        let rows = if table == "account" { &shown["account"][0] } else { &shown[table] };
        in_file.extend(rows.as_object().unwrap().keys().map(|key| format!("{table}.{key}")));
    }
    assert_eq!(in_file, schema);
    assert_eq!(readme_keys(), schema, "config/README.md");
}

/// Table, key and rules of every key in the schema.
fn keys(schema: &Value) -> Vec<(String, String, Value)> {
    let mut keys = Vec::new();
    for (name, rules) in schema["properties"].as_object().unwrap() {
        let reference = rules["$ref"].as_str().or_else(|| rules["items"]["$ref"].as_str());
        let Some(table) = reference.map(|path| &schema["$defs"][path.rsplit('/').next().unwrap()]) else {
            keys.push((String::new(), name.clone(), rules.clone()));
            continue;
        };
        for (key, rules) in table["properties"].as_object().unwrap() {
            keys.push((name.clone(), key.clone(), rules.clone()));
        }
    }
    keys
}

/// Rows that begin with "| `key` |", under headings like "## `[[account]]`".
fn readme_keys() -> BTreeSet<String> {
    let mut table = String::new();
    let mut keys = BTreeSet::new();
    for line in include_str!("../../../config/README.md").lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            table = heading.chars().filter(char::is_ascii_lowercase).collect();
            table = if heading.contains('[') { table } else { String::new() };
        } else if let Some((key, _)) = line.strip_prefix("| `").and_then(|row| row.split_once("` |")) {
            keys.insert(format!("{table}.{key}"));
        }
    }
    keys
}

/// A folder of its own for each test.
struct House(tempfile::TempDir);

impl House {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.path(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
        file
    }

    fn environment(&self, variables: &[(&str, &Path)]) -> Environment {
        let mut all = BTreeMap::from([("HOME".into(), self.path("home").into())]);
        all.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
        Environment { variables: all, superuser: false, etc: self.path("etc") }
    }
}

fn load(file: &Path) -> Result<Loaded, Error> {
    let variables = BTreeMap::from([("HOME".into(), "/home/ana".into())]);
    let environment = Environment { variables, superuser: false, etc: PathBuf::from("/nowhere") };
    Config::load_in(&LoadOptions { file: Some(file.to_owned()), data_dir: None }, &environment)
}

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name)
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "toml")).collect();
    files.sort();
    files
}

#[test]
fn a_reserve_is_a_size_of_some_use_or_nothing() {
    let house = House::new();
    for (written, octets) in [("0", 0), ("0MiB", 0), ("1MiB", 1 << 20), ("2GB", 2_000_000_000)] {
        let config = load(&house.write("poplar.toml", &format!("[storage]\nreserve = {written:?}\n"))).unwrap().config;
        assert_eq!(config.storage.reserve, octets, "{written}");
    }
}
