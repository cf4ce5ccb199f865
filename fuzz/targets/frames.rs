//! Any octets as an open pack: what can be read of them is read, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::store::{self, Extent, Location, Reader};

fuzz_target!(|octets: &[u8]| {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("00000001.open"), octets).unwrap();
    let whole = store::whole_extent(folder.path(), 1, None);
    let reader = Reader::new(folder.path());
    let all = Extent { pack: 1, bytes: octets.len() as u64, records: u32::MAX };
    let mut met = Vec::new();
    let _damaged = reader.walk(&all, &mut |record| met.push((record.stored, record.intact)));
    for (stored, intact) in met.iter().take(64) {
        let read = reader.open(Location { pack: 1, ordinal: stored.location.ordinal }).and_then(store::Blob::octets);
        assert!(!intact || read.is_ok(), "walked over, and not readable: {stored:?} {read:?}");
    }
    if let Ok(whole) = whole {
        assert!(whole.bytes <= octets.len().max(64) as u64);
        assert!(reader.walk(&whole, &mut |_| ()).is_ok(), "whole, and not to be walked over: {whole:?}");
    }
});
