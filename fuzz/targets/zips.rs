//! Any octets as an archive: it is taken apart within bounds, and what is said of it can be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::mail::views::Limits;
use poplar::mail::views::zip::inspect;

fuzz_target!(|octets: &[u8]| {
    // Small limits, so that small archives reach them.
    let limits = Limits { file_bytes: 4096, total_bytes: 16_384, levels: 3, members: 20, ..Limits::default() };
    for doubt in inspect(octets, &limits) {
        assert!(!doubt.to_string().is_empty());
    }
    inspect(octets, &Limits::default());
});
