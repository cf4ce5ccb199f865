//! The layer table of `src/lib.rs` holds: no edge that is not in it, no module missing from it, no cycle.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

type Layers = BTreeMap<String, BTreeSet<String>>;

#[test]
fn modules_use_only_what_the_layer_table_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed = table(&fs::read_to_string(source.join("lib.rs")).unwrap());
    assert!(allowed.len() >= 12, "the table in src/lib.rs was not found: {allowed:?}");

    let folders: BTreeSet<String> = fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let known: BTreeSet<String> = allowed.keys().cloned().collect();
    assert_eq!(folders, known, "src/ and the table in src/lib.rs name different modules");

    let mut faults = Vec::new();
    for module in &folders {
        for file in rust_files(&source.join(module)) {
            for used in uses(&fs::read_to_string(&file).unwrap()) {
                if used != *module && known.contains(&used) && !allowed[module].contains(&used) {
                    faults.push(format!("{} uses {used}", file.strip_prefix(&source).unwrap().display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "not in the layer table of src/lib.rs:\n{}", faults.join("\n"));
}

#[test]
fn the_layer_table_has_no_cycle() {
    let allowed = table(include_str!("../../src/lib.rs"));
    let mut done = BTreeSet::new();
    while done.len() < allowed.len() {
        let next = allowed.iter().find(|(module, uses)| !done.contains(*module) && uses.is_subset(&done));
        let (module, _) = next.unwrap_or_else(|| panic!("a cycle among the modules beyond {done:?}"));
        done.insert(module.clone());
    }
}

#[test]
fn only_the_owner_of_a_thing_touches_it() {
    let walls: [(&str, &[&str]); 6] = [
        ("rusqlite", &["catalog"]),
        ("tantivy", &["index"]),
        ("session.delete(", &["pipeline/clear.rs"]),
        ("mail_parser", &["mail"]),
        ("tracing::", &["telemetry", "daemon", "cli"]),
        ("TcpListener::bind", &["daemon"]),
    ];
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut faults = Vec::new();
    for file in rust_files(&source) {
        let name = file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let text = without_tests(&fs::read_to_string(&file).unwrap());
        for (word, owners) in walls {
            let mentioned = text.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
            if mentioned && !owners.iter().any(|owner| name.starts_with(owner)) {
                faults.push(format!("{name} touches {word}, which is for {}", owners.join(", ")));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_scan_for_edges_sees_grouped_and_renamed_imports() {
    let source = "use crate::{mail::Id, store::{self, Pack}, net as wire};\nfn f() { crate::catalog::open(); }\n\
                  #[cfg(test)]\nmod tests { use crate::daemon; }\n";
    let expected = ["catalog", "mail", "net", "store"].map(str::to_owned);
    assert_eq!(uses(source), BTreeSet::from(expected));
}

/// `| `a` `b` | `c` `d` |` lines below the header, as "a and b may use c and d".
fn table(lib: &str) -> Layers {
    let mut layers = Layers::new();
    let lines = lib.lines().map(|line| line.trim_start_matches("//!").trim());
    for line in lines.skip_while(|line| !line.starts_with("| module | may use")).skip(2) {
        let Some((left, right)) = line.strip_prefix('|').and_then(|row| row.split_once('|')) else { break };
        for module in names(left) {
            layers.insert(module, names(right).collect());
        }
    }
    layers
}

fn names(cell: &str) -> impl Iterator<Item = String> + '_ {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first path segment behind every `crate::`, groups taken apart.
fn uses(source: &str) -> BTreeSet<String> {
    let source = without_tests(source);
    let mut found = BTreeSet::new();
    for (at, _) in source.match_indices("crate::") {
        let rest = &source[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_members(group)),
            None => found.extend(first_word(rest)),
        }
    }
    found
}

fn group_members(group: &str) -> Vec<String> {
    let mut depth = 0;
    let mut members = Vec::new();
    let mut start = true;
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            _ if start && !letter.is_whitespace() => {
                members.extend(first_word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    members
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Test modules stand at the end of a file here and may use more than the layer.
fn without_tests(source: &str) -> String {
    source.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned()
}
