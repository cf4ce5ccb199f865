//! Any text as a query: it prints as what it was read as, and a snippet for it keeps its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::mail::query::{Field, parse, snippet};

fuzz_target!(|octets: &[u8]| {
    let typed = String::from_utf8_lossy(octets);
    let query = parse(&typed).query;
    let printed = query.to_string();
    assert_eq!(parse(&printed).query, query, "{typed:?} prints as {printed:?}");
    query.meaning();
    let shown = snippet(&typed, &query, Field::Body, 40);
    for range in shown.highlights {
        assert!(!shown.text[range].is_empty());
    }
});
