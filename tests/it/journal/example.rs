use std::fs;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

use super::{Bench, leaves, mark};
use crate::support::document::between;

/// The example in `schemas/journal.md` is what the program writes, signature and all.
#[test]
fn the_example_is_what_is_written() {
    let bench = Bench::new();
    fs::DirBuilder::new().mode(0o700).create(bench.secrets()).unwrap();
    let secret = bench.secrets().join("journal.key");
    fs::write(&secret, block("secret")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    bench.log().append(&leaves(0, 3), &[mark(3)]).unwrap();
    let written = |name: &str| fs::read_to_string(bench.journal().join(name)).unwrap();
    assert_eq!(written("key"), block("key"));
    assert_eq!(written("checkpoint"), block("checkpoint"));
    let proof = bench.reader().prove(1).unwrap().to_text();
    assert_eq!(proof, block("proof"), "this is what the example should be:\n{proof}");
}

fn block(mark: &str) -> String {
    let document = include_str!("../../../schemas/journal.md");
    let fenced = between(document, &format!("<!-- {mark} -->"));
    fenced.trim_start_matches("```\n").trim_end_matches("```").to_owned()
}
