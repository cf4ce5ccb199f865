//! Any octets as a sealed pack: what can be read of them is read, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::store::{self, Location, Packed, Reader};

fuzz_target!(|octets: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("00000001.pack"), octets).unwrap();
    let summary = store::read_sealed(folder.path(), 1);
    let reader = Reader::new(folder.path());
    let mut met = Vec::new();
    let _damaged = reader.walk(Packed::Sealed(1), &mut |record| met.push(record.stored.location.ordinal));
    let _damaged = reader.list(&Packed::Sealed(1), &mut |_, _| ());
    let _damaged = reader.parts_used(&Packed::Sealed(1), &mut |_, _| ());
    for ordinal in met.into_iter().take(64) {
        drop(reader.open(Location { pack: 1, ordinal }).and_then(store::Blob::octets));
    }
    drop(summary);
});
