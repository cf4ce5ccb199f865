//! What a scan does that finds something, without a scanner.

use std::path::Path;

use poplar::catalog::{Catalog, Committed, Told};
use poplar::journal::Entry;
use poplar::mail::event::{Item, MessageRef, Quarantined};
use poplar::mail::{BlobId, Event, Occurrence, Timestamp};

/// From now on `blob`, in which `Test.Virus` was found, is sealed off in these messages. While nobody owns the archive.
pub(crate) fn seal_off(archive: &Path, blob: BlobId, messages: &[BlobId]) {
    let catalog = Catalog::open(archive).unwrap();
    for id in messages {
        let message = MessageRef { id: *id, nonce: catalog.nonces([id]).unwrap()[0].unwrap() };
        let items = vec![Item { blob, size_bytes: 1, signature: "Test.Virus".to_owned() }];
        let event = Event::Quarantined(Quarantined { message, items });
        let occurrence = Occurrence { at: Timestamp::from_millis(7), event };
        let Entry { leaf, record } = Entry::new(&occurrence);
        let outcomes = catalog.commit(&[], &[Told::new(occurrence, leaf, record)]).unwrap();
        assert!(matches!(outcomes[..], [Committed::Other]), "{outcomes:?}");
    }
}
