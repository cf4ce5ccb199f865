use super::*;
use crate::catalog::{Indexed, Stage, Summary, Told};
use crate::mail::event::{AccountAdded, Kept, Listed, MessageRef, Purged, Sighting, Uidl};
use crate::mail::{AccountId, Event, Nonce, Occurrence, Ties};

const NOW: Timestamp = Timestamp::from_millis(0);
const ACCOUNT: AccountId = AccountId::from_bytes([1; 16]);

struct Bench {
    _folder: tempfile::TempDir,
    catalog: Catalog,
}

impl Bench {
    /// With messages `1` to `count`, none of them indexed.
    fn of(count: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { catalog: Catalog::open(folder.path()).unwrap(), _folder: folder };
        let added = AccountAdded { account: ACCOUNT, name: "sales".to_owned(), host: None, user: None };
        bench.tell(Event::AccountAdded(added));
        for number in 1..=count {
            let listed = Listed { uidl: Uidl::new([number]), ordinal: 0, listed_bytes: None };
            let sighting = Sighting { account: ACCOUNT, listed };
            let header = BlobId::of(&[number]);
            bench.tell(Event::Kept(Kept { message: message(number), size_bytes: 4, header, sighting }));
        }
        bench
    }

    fn tell(&self, event: Event) {
        let mut told = Told::new(Occurrence { at: NOW, event }, b"{}".to_vec(), b"{}".to_vec());
        told.place = Some((1, 0));
        self.catalog.commit(&[(1, 64, 1)], &[told]).unwrap();
    }

    fn index(&self, number: u8, documents: &[DocumentPart]) {
        let indexed = Indexed {
            number: number.into(),
            summary: Summary::default(),
            ties: Ties::default(),
            is_collected: false,
            is_destroyed: false,
            documents: documents.to_vec(),
        };
        self.catalog.indexed(&[indexed], NOW).unwrap();
    }

    /// What the index stage would have of a document now.
    fn part(&self, part: u32, content: &[u8]) -> DocumentPart {
        let content = BlobId::of(content);
        let known = self.catalog.extraction(&content).unwrap().map(|(number, _)| number);
        DocumentPart { known, ..DocumentPart::new(part, content) }
    }

    fn extract(&self, content: &[u8], state: DocumentState, text: &str) {
        let extraction = Extraction { content: BlobId::of(content), state, detail: None, text: text.to_owned() };
        self.catalog.extracted(1, &[extraction], NOW).unwrap();
    }

    fn is_due(&self, number: u8) -> bool {
        self.catalog.is_waiting(Stage::Index, number.into()).unwrap()
    }

    fn states(&self, number: u8) -> Vec<DocumentState> {
        self.catalog.document_states(number.into()).unwrap().into_iter().map(|(_, state)| state).collect()
    }
}

fn message(number: u8) -> MessageRef {
    MessageRef { id: BlobId::of(&[number]), nonce: Nonce::from_bytes([1; 32]) }
}

#[test]
fn what_is_read_while_a_message_is_indexed_is_indexed_after_all() {
    let bench = Bench::of(2);
    let before = bench.part(1, b"pdf");
    bench.index(1, &[before]);
    bench.extract(b"pdf", DocumentState::Read, "words");
    assert!(bench.is_due(1), "it was indexed without the words");
    // The second has the same document, and its index entry was made before that was read.
    bench.index(2, &[before]);
    assert!(bench.is_due(2));
    for number in [1, 2] {
        bench.index(number, &[bench.part(1, b"pdf")]);
        assert!(!bench.is_due(number));
        assert_eq!(bench.states(number), [DocumentState::Read]);
    }
    assert_eq!(bench.catalog.documents(1, 3).unwrap()[0].extraction.as_ref().unwrap().text, "wor");
}

#[test]
fn what_was_destroyed_while_it_was_read_is_not_noted() {
    let bench = Bench::of(1);
    bench.index(1, &[bench.part(1, b"pdf")]);
    let [reason, by] = ["no use", "ana"].map(str::to_owned);
    bench.tell(Event::Purged(Purged { message: message(1), pack: 1, ordinal: 0, reason, by }));
    bench.extract(b"pdf", DocumentState::Read, "secret words");
    assert_eq!(bench.catalog.extraction(&BlobId::of(b"pdf")).unwrap(), None);
}

#[test]
fn what_is_to_be_read_again_stays_so_whatever_is_indexed_meanwhile() {
    let bench = Bench::of(2);
    for number in [1, 2] {
        bench.index(number, &[bench.part(1, b"pdf"), bench.part(2, b"doc")]);
    }
    bench.extract(b"pdf", DocumentState::Failed, "");
    bench.extract(b"doc", DocumentState::Read, "words");
    assert_eq!(bench.catalog.unsearchable().unwrap().unextracted, 2);
    assert_eq!(bench.catalog.retry_documents(&[2]).unwrap(), BTreeSet::from([1, 2]), "both have the same octets");
    bench.index(1, &[bench.part(1, b"pdf"), bench.part(2, b"doc")]);
    assert_eq!(bench.states(1), [DocumentState::Waiting, DocumentState::Read]);
    bench.extract(b"pdf", DocumentState::Read, "more words");
    assert!(bench.is_due(1) && bench.is_due(2));
    assert_eq!(bench.catalog.unsearchable().unwrap(), Unsearchable::default());
}

#[test]
fn a_newer_extractor_reads_what_an_older_one_did_not_manage() {
    let bench = Bench::of(1);
    bench.index(1, &[bench.part(1, b"pdf"), bench.part(2, b"doc")]);
    bench.extract(b"pdf", DocumentState::Partial, "some");
    bench.extract(b"doc", DocumentState::Read, "words");
    bench.catalog.extractor_is(1).unwrap();
    assert_eq!(bench.states(1), [DocumentState::Partial, DocumentState::Read]);
    bench.catalog.extractor_is(2).unwrap();
    assert_eq!(bench.states(1), [DocumentState::Waiting, DocumentState::Read]);
    assert!(bench.catalog.what_is_due(NOW).unwrap().extract);
}

#[test]
fn encrypted_and_cut_parts_are_counted_apart() {
    let bench = Bench::of(2);
    bench.index(1, &[DocumentPart { is_encrypted: true, ..bench.part(1, b"cms") }]);
    bench.index(2, &[DocumentPart { is_cut: true, ..bench.part(0, b"large") }]);
    assert_eq!(bench.catalog.unsearchable().unwrap(), Unsearchable { unextracted: 1, encrypted: 1 });
    assert!(bench.catalog.documents_waiting(9).unwrap().is_empty());
}
