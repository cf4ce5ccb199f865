//! Any octets as a pack that a start finds, behind an extent that the catalog names: what is committed stays as it is,
//! and what is appended can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use poplar::mail::{BlobId, Timestamp};
use poplar::store::{Append, Blob, Extent, Reader, Writer};

fuzz_target!(|input: (u16, u8, &[u8])| {
    let (bytes, records, octets) = input;
    let folder = tempfile::tempdir().unwrap();
    // Private, as a folder of packs is.
    let packs = folder.path().join("packs");
    poplar::files::create_private_dir(&packs).unwrap();
    let path = packs.join("00000001.open");
    std::fs::write(&path, octets).unwrap();
    let mut archive = [0; 16];
    if let Some(found) = octets.get(24..40) {
        archive.copy_from_slice(found);
    }
    let bytes = u64::from(bytes);
    let extent = Extent { pack: 1, bytes, records: records.into() };
    let Ok(mut writer) = Writer::open(&packs, archive, &[extent], &[]) else { return };
    let committed = usize::try_from(bytes).unwrap().min(octets.len());
    assert_eq!(std::fs::read(&path).unwrap()[..committed], octets[..committed], "what counts was changed");
    let (durable, _) = writer.append(&[Append::Private(b"fresh")], Timestamp::from_millis(1)).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..committed], octets[..committed], "what counts was changed");
    assert_eq!(durable[0].id(), BlobId::of(b"fresh"));
    let read = Reader::new(&packs).open(durable[0].location()).and_then(Blob::octets);
    // In a pack whose committed part is not what its extent says nothing need be found behind it.
    if durable[0].location().pack != 1 {
        assert_eq!(read.unwrap(), b"fresh");
    }
});
