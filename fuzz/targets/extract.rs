//! Any octets as a document of a format, which the first octet chooses: text comes out within its limits. Not PDF: the
//! library that reads it panics, which the worker catches and a fuzzer does not.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use poplar::extract::{Format, ReadLimits, format_of, read};

fuzz_target!(|input: &[u8]| {
    let Some((first, octets)) = input.split_first() else { return };
    // Small limits, so that small documents reach them.
    let limits = ReadLimits {
        text_bytes: 4096,
        unpacked_bytes: 1 << 20,
        members: 20,
        depth: 2,
        patience: Duration::from_secs(5),
    };
    let format = Format::ALL[usize::from(*first) % Format::ALL.len()];
    let name = format!("a.{format}");
    if format == Format::Pdf || memchr::memmem::find(octets, b"%PDF-").is_some() {
        return;
    }
    format_of("", Some(&name), octets);
    let extracted = read(format, octets, &limits);
    assert!(extracted.text.len() <= 4096);
});
