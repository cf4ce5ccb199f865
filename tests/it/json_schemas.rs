//! What `--json` prints: `schemas/json/*.json` are made from the very types that are printed. `UPDATE=1` rewrites them.

use std::fs;
use std::path::{Path, PathBuf};

use poplar::{archive, daemon};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

#[test]
fn the_schemas_are_those_of_the_program() {
    let made = schemas();
    for (verb, schema) in &made {
        let text = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
        let path = folder().join(format!("{}.json", verb.replace(' ', "-")));
        if std::env::var_os("UPDATE").is_some() {
            fs::create_dir_all(folder()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let kept = fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == text, "{} is not what {verb} --json prints now; UPDATE=1 rewrites it", path.display());
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, made.len(), "a schema of a verb that does not print JSON");
}

/// What outsiders rely on may grow and must not shrink.
#[test]
fn what_was_promised_is_always_there() {
    const PROMISED: [(&str, &str, &str); 33] = [
        ("backup", "", "messages entries checkpoint packs unchanged linked copied copied_bytes catalog_bytes damage"),
        ("backup", "damage", "object problem"),
        ("journal check", "", "origin index size leaf message"),
        ("journal head", "", "origin size root waiting key checkpoint"),
        ("journal prove", "", "index message proof"),
        ("ledger", "", "account lines sessions"),
        ("ledger", "lines", "uidl ordinal listed_bytes fate seen at reason attempts id deleting delete_reason gone"),
        ("ledger", "sessions", "listed known kept duplicates oversize failed deferred vanished deleted adds_up error"),
        ("plan", "", "account listed known fetch fetch_bytes delete delete_later leave"),
        ("quarantine purge", "", "destroyed destroyed_before failed index interrupted"),
        ("rebuild", "", "packs entries adopted messages indexed damage interrupted"),
        ("rebuild", "damage", "object problem"),
        ("seal", "", "packs messages recipes raw_bytes before_bytes after_bytes failed interrupted"),
        ("seal", "failed", "pack error"),
        ("restore", "", "messages indexed packs bytes entries checkpoint damage"),
        ("fetch", "", "accounts"),
        (
            "fetch",
            "accounts",
            "account listed known new kept duplicates oversize failed deferred vanished deleted bytes adds_up seconds error",
        ),
        ("import", "", "read kept duplicates failed"),
        ("import", "failed", "path error"),
        ("search", "", "total hits skipped"),
        ("search", "hits", "id date from to subject accounts size_bytes verdict tags thread attachments snippet"),
        ("search", "skipped", "unindexed unextracted"),
        ("status", "", "messages destroyed raw_bytes stored_bytes accounts stages scanner warnings"),
        ("show", "", "headers parts sightings journal thread tags notes readings destroyed"),
        ("show", "parts", "verdict hash withheld sealed"),
        ("show", "thread", "id messages"),
        ("show", "notes", "at by text"),
        ("tag", "", "tag messages changed notes"),
        ("status", "accounts", "account last_poll last_error next_poll listed kept"),
        ("status", "stages.scan", "waiting stuck"),
        ("status", "stages.index", "waiting stuck"),
        ("status", "scanner", "state engine signatures"),
        ("verify", "damage", "object problem"),
    ];
    let schemas = schemas();
    for (verb, path, names) in PROMISED {
        let (_, schema) = schemas.iter().find(|(name, _)| *name == verb).unwrap();
        let at = path.split('.').filter(|name| !name.is_empty()).fold(schema, |at, name| step(schema, at, name));
        let required = at["required"].as_array().unwrap_or_else(|| panic!("{verb}: {path} is no object"));
        for name in names.split(' ') {
            assert!(required.iter().any(|known| known == name), "{verb}: {path} may lack {name}");
            assert!(at["properties"][name].is_object(), "{verb}: {path} does not describe {name}");
        }
    }
}

/// The schema of a property, or of its items.
fn step<'a>(schema: &'a Value, at: &'a Value, name: &str) -> &'a Value {
    let property = &at["properties"][name];
    let property = property.get("items").unwrap_or(property);
    match property.get("$ref").and_then(Value::as_str) {
        Some(link) => schema.pointer(link.trim_start_matches('#')).unwrap(),
        None => property,
    }
}

fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        of::<daemon::account::Outcome>("account-change"),
        of::<Vec<daemon::account::Listed>>("account-list"),
        of::<daemon::account_test::Tested>("account-test"),
        of::<daemon::backup::Outcome>("backup"),
        of::<daemon::fetch::Outcome>("fetch"),
        of::<daemon::import::Outcome>("import"),
        of::<archive::ProvenShown>("journal check"),
        of::<archive::Head>("journal head"),
        of::<Vec<archive::EntryShown>>("journal list"),
        of::<Vec<archive::NoteShown>>("note"),
        of::<Vec<archive::SavedShown>>("saved"),
        of::<archive::Tagged>("tag"),
        of::<Vec<archive::TagShown>>("tag list"),
        of::<archive::ProofShown>("journal prove"),
        of::<archive::LedgerShown>("ledger"),
        of::<daemon::plan::Forecast>("plan"),
        of::<archive::Exported>("quarantine export"),
        of::<Vec<archive::ItemShown>>("quarantine list"),
        of::<daemon::purge::Outcome>("quarantine purge"),
        of::<Vec<archive::Decided>>("quarantine release"),
        of::<Vec<archive::ItemTold>>("quarantine show"),
        of::<daemon::rebuild::Outcome>("rebuild"),
        of::<daemon::restore::Outcome>("restore"),
        of::<daemon::rescan::Outcome>("rescan"),
        of::<daemon::seal::Outcome>("seal"),
        of::<archive::Results>("search"),
        of::<archive::Shown>("show"),
        of::<archive::Status>("status"),
        of::<archive::Report>("verify"),
    ]
}

/// As it is printed: a field that is always there is required, also where it may be null.
fn of<T: JsonSchema>(verb: &'static str) -> (&'static str, Value) {
    let mut schema = SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), format!("poplar {verb} --json").into());
    (verb, schema.to_value())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/json")
}
