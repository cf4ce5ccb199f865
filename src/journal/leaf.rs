use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Value, json};

use crate::mail::event::{AccountAdded, MessageRef, Rescanned, Session, Verified};
use crate::mail::{AccountId, BlobId, Event, Hasher, Nonce, Occurrence, Timestamp};

/// C2SP tlog-tiles gives an entry's length 16 bits, so a leaf is shorter than this.
pub const LEAF_LIMIT_BYTES: usize = 65_535;

const RECORD_DOMAIN: &[u8] = b"poplar/record/v1\n";
const BLOB_DOMAIN: &[u8] = b"poplar/blob/v1\n";

/// SHA-256(domain ‖ nonce ‖ hash): binds a leaf to a record or a blob without telling which, until the nonce is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Commitment(BlobId);

impl Commitment {
    pub fn of_record(nonce: &Nonce, record: &BlobId) -> Self {
        Self::new(RECORD_DOMAIN, nonce, record)
    }

    pub fn of_message(message: &MessageRef) -> Self {
        Self::new(BLOB_DOMAIN, &message.nonce, &message.id)
    }

    /// The commitment that a leaf carries to its private record; `None` if these octets are no leaf.
    pub fn in_leaf(leaf: &[u8]) -> Option<Self> {
        let leaf: Value = serde_json::from_slice(leaf).ok()?;
        Some(Self(leaf.get("commit")?.as_str()?.parse().ok()?))
    }

    pub const fn hash(&self) -> BlobId {
        self.0
    }

    fn new(domain: &[u8], nonce: &Nonce, hash: &BlobId) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(domain);
        hasher.update(nonce.as_bytes());
        hasher.update(hash.as_bytes());
        Self(hasher.finish())
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The public half. Keys sorted, no blanks, whole numbers only: canonical as RFC 8785 wants it.
pub fn leaf(occurrence: &Occurrence, record: &Commitment) -> Vec<u8> {
    let mut fields = public_fields(&occurrence.event);
    fields.insert("commit", json!(record.to_string()));
    fields.insert("time", json!(occurrence.at.to_string()));
    fields.insert("v", json!(1));
    #[expect(clippy::expect_used, reason = "a map with string keys is JSON")]
    let leaf = serde_json::to_vec(&fields).expect("a leaf is JSON");
    debug_assert!(leaf.len() < LEAF_LIMIT_BYTES, "a leaf has a bounded number of short fields");
    leaf
}

/// What a leaf says without its private record, as far as other entries rest on it: which archive this is, and that there
/// was an account, whose name is lost, and what became of it.
pub fn told_by_leaf(leaf: &[u8]) -> Option<Occurrence> {
    let leaf: Value = serde_json::from_slice(leaf).ok()?;
    let text = |field: &str| leaf.get(field)?.as_str().map(str::to_owned);
    let event = match leaf.get("kind")?.as_str()? {
        "created" => Event::Created { archive: text("archive")?, version: text("version")? },
        "account_added" => {
            let account: AccountId = text("account")?.parse().ok()?;
            Event::AccountAdded(AccountAdded { account, name: format!("lost {account}"), host: None, user: None })
        }
        "account_paused" => Event::AccountPaused { account: text("account")?.parse().ok()? },
        "account_resumed" => Event::AccountResumed { account: text("account")?.parse().ok()? },
        "account_removed" => Event::AccountRemoved { account: text("account")?.parse().ok()? },
        _ => return None,
    };
    let at: jiff::Timestamp = text("time")?.parse().ok()?;
    Some(Occurrence { at: Timestamp::from_millis(at.as_millisecond()), event })
}

fn public_fields(event: &Event) -> BTreeMap<&'static str, Value> {
    let fields = match event {
        Event::Created { archive, version } => {
            vec![("kind", json!("created")), ("archive", json!(archive)), ("version", json!(version))]
        }
        Event::Started { version } => vec![("kind", json!("started")), ("version", json!(version))],
        Event::Stopped { version } => vec![("kind", json!("stopped")), ("version", json!(version))],
        Event::AccountAdded(added) => of_account("account_added", &added.account),
        Event::AccountPaused { account } => of_account("account_paused", account),
        Event::AccountResumed { account } => of_account("account_resumed", account),
        Event::AccountRenamed { account, .. } => of_account("account_renamed", account),
        Event::AccountRemoved { account } => of_account("account_removed", account),
        Event::AccountMultidrop { account, .. } => of_account("account_multidrop", account),
        Event::Kept(kept) => met("kept", &kept.message, &kept.sighting.account),
        Event::Sighted(sighted) => {
            let mut fields = met("sighted", &sighted.message, &sighted.sighting.account);
            if sighted.by_header {
                fields.push(("by_header", json!(true)));
            }
            fields
        }
        Event::Deleting(deleting) => met("deleting", &deleting.message, &deleting.sighting.account),
        Event::Session(session) => of_session(session),
        Event::Scanned(scanned) => {
            let mut fields = about("scanned", &scanned.message);
            fields.push(("verdict", json!(scanned.verdict)));
            fields
        }
        Event::Quarantined(quarantined) => {
            let mut fields = about("quarantined", &quarantined.message);
            fields.push(("items", json!(quarantined.items.len())));
            fields
        }
        // A part has no commitment of its own, so that nobody can tell from leaves which messages have one in common.
        Event::ReleaseAsked(_) => vec![("kind", json!("release_asked"))],
        Event::Released(_) => vec![("kind", json!("released"))],
        Event::Purged(purged) => about("purged", &purged.message),
        Event::Viewed(reading) => about("viewed", &reading.message),
        Event::Exported(reading) => about("exported", &reading.message),
        Event::Rescanned(rescanned) => of_rescan(rescanned),
        Event::Tagged(tagging) => about("tagged", &tagging.message),
        Event::Untagged(tagging) => about("untagged", &tagging.message),
        Event::Noted(noted) => about("noted", &noted.message),
        Event::SearchSaved(_) => vec![("kind", json!("search_saved"))],
        Event::SearchForgotten(_) => vec![("kind", json!("search_forgotten"))],
        Event::Verified(verified) => of_check(verified),
        Event::Drilled(drilled) => vec![
            ("kind", json!("drilled")),
            ("different", json!(drilled.differences.len())),
            ("entries", json!(drilled.entries)),
        ],
    };
    fields.into_iter().collect()
}

fn of_session(session: &Session) -> Fields {
    vec![
        ("kind", json!("session")),
        ("account", json!(session.account)),
        ("counts", json!(sorted(json!(session.counts)))),
        ("failed", json!(session.error.is_some())),
    ]
}

fn of_check(verified: &Verified) -> Fields {
    vec![
        ("kind", json!("verified")),
        ("bytes", json!(verified.bytes)),
        ("damaged", json!(verified.damage.len())),
        ("messages", json!(verified.messages)),
        ("packs", json!(verified.packs)),
        ("scope", json!(verified.scope)),
    ]
}

fn of_rescan(rescanned: &Rescanned) -> Fields {
    vec![
        ("kind", json!("rescanned")),
        ("changed", json!(rescanned.changed)),
        ("infected", json!(rescanned.infected)),
        ("messages", json!(rescanned.messages)),
    ]
}

type Fields = Vec<(&'static str, Value)>;

fn of_account(kind: &str, account: &AccountId) -> Fields {
    vec![("kind", json!(kind)), ("account", json!(account))]
}

fn about(kind: &str, message: &MessageRef) -> Fields {
    vec![("kind", json!(kind)), ("blob", json!(Commitment::of_message(message).to_string()))]
}

fn met(kind: &str, message: &MessageRef, account: &AccountId) -> Fields {
    let mut fields = about(kind, message);
    fields.push(("account", json!(account)));
    fields
}

/// Whatever order the JSON library keeps keys in, a leaf has them sorted.
fn sorted(object: Value) -> BTreeMap<String, Value> {
    match object {
        Value::Object(fields) => fields.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}
