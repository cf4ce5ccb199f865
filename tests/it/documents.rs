//! What the documents tell people to type is understood, and what they point at is there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn every_command_of_the_readme_is_understood() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let blocks = readme.split("```").skip(1).step_by(2).flat_map(str::lines).map(str::trim);
    let inline = readme.split('`').skip(1).step_by(2);
    let commands: Vec<&str> = blocks.chain(inline).filter(|line| line.starts_with("poplar ")).collect();
    assert!(commands.len() > 10, "{commands:?}");
    for command in commands {
        let (command, _) = command.split_once(" #").unwrap_or((command, ""));
        // Asking for help, a command is read up to there and not carried out.
        let read =
            Command::new(env!("CARGO_BIN_EXE_poplar")).args(command.split_whitespace().skip(1)).arg("--help").output();
        let read = read.unwrap();
        assert!(read.status.success(), "{command}: {}", String::from_utf8_lossy(&read.stderr));
    }
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut links = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            if file.contains("://") {
                continue;
            }
            links += 1;
            let target = if file.is_empty() { document.clone() } else { document.with_file_name("").join(file) };
            assert!(target.exists(), "{}: {link} is not there", document.display());
            let found =
                heading.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(&heading.to_owned());
            assert!(found, "{}: no heading for {link}", document.display());
        }
    }
    assert!(links > 20, "{links} links");
}

/// What a document points at without a link: code, tests and dialogs by their names.
#[test]
fn every_file_that_the_page_about_pop3_names_is_there() {
    let page = fs::read_to_string(root().join("docs/pop3.md")).unwrap();
    let is_file = |word: &&str| word.ends_with(".rs") || word.ends_with(".txt");
    let names: Vec<&str> = page.split('`').skip(1).step_by(2).filter(is_file).filter(|word| word.len() > 4).collect();
    assert!(names.len() > 100, "{names:?}");
    for name in names {
        let places = ["src", "tests/it", "tests/pop3"].map(|folder| root().join(folder).join(name));
        assert!(places.iter().any(|place| place.exists()), "{name} is not there");
    }
}

/// Headings as the places that links name: lower case, blanks as hyphens, only letters, digits and those.
fn anchors(document: &str) -> Vec<String> {
    let headings = document.lines().filter(|line| line.starts_with('#'));
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_');
    headings
        .map(|heading| {
            heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-").chars().filter(kept).collect()
        })
        .collect()
}

fn documents() -> Vec<PathBuf> {
    ["", "config", "docs", "schemas"]
        .map(|folder| root().join(folder))
        .iter()
        .flat_map(|folder| markdown(folder))
        .collect()
}

fn markdown(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
