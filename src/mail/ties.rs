//! What a message says of the conversation it belongs to: the ids it names, and its subject without `Re:`.
//! Knows nothing about other messages: which of them belong together, the catalog finds out.

use super::Hasher;
use super::message::Envelope;
use super::text;

/// What ties a message to others. Of ids and subjects only hashes are kept (the first 8 octets of SHA-256): they are
/// compared, never shown, and anybody may claim to answer anything, so that a collision gains nobody more than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// Hashes of the message's own id, the first, and of those it refers to; each once. All messages that name one of
    /// them belong to one thread.
    pub ids: Vec<i64>,
    /// Hash of the subject without reply marks. None without a date, or where nothing is left of it.
    pub subject: Option<i64>,
    /// It answers something and does not say what: its subject has a reply mark, and it refers to no id.
    pub is_stray_reply: bool,
}

/// Of a long list of references, the first, which began the thread, and so many of the last count: a hostile one has
/// thousands, an honest one is complete in the messages between.
const LAST_REFERENCES: usize = 20;

/// More reply marks and list names than this before a subject are part of it.
const MOST_MARKS: usize = 32;

/// What mail programs of the world put before a subject when they answer or forward; as folded.
const MARKS: [&str; 37] = [
    "re",
    "ref",
    "aw",
    "antw",
    "antwort",
    "sv",
    "vs",
    "vl",
    "vb",
    "fw",
    "fwd",
    "wg",
    "tr",
    "rv",
    "res",
    "enc",
    "rif",
    "odp",
    "pd",
    "ynt",
    "ilt",
    "atb",
    "doorst",
    "bls",
    "απ",
    "σχετ",
    "πρθ",
    "отв",
    "השב",
    "תשובה",
    "הועבר",
    "回复",
    "答复",
    "回覆",
    "转发",
    "轉寄",
    "답장",
];

impl Ties {
    /// `References` tells all that `In-Reply-To` does, where it is there (RFC 5322, section 3.6.4).
    pub fn of(envelope: &Envelope) -> Self {
        let told = if envelope.references.is_empty() { &envelope.in_reply_to } else { &envelope.references };
        let references: Vec<&String> = told.iter().filter(|id| is_id(id)).collect();
        let last = references.len().saturating_sub(LAST_REFERENCES).max(1);
        let counted = references.iter().take(1).chain(references.iter().skip(last)).copied();
        let own = envelope.message_id.iter().filter(|id| is_id(id));
        let mut ids = Vec::new();
        for id in own.chain(counted).map(|id| hash(id)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        let (base, is_reply) = base_subject(envelope.subject.as_deref().unwrap_or_default());
        let subject = (envelope.date.is_some() && !base.is_empty()).then(|| hash(&base));
        Self { ids, is_stray_reply: subject.is_some() && is_reply && references.is_empty(), subject }
    }
}

/// Not the words that old programs wrote into `In-Reply-To`.
fn is_id(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

fn hash(text: &str) -> i64 {
    let mut hasher = Hasher::new();
    hasher.update(text.as_bytes());
    let id = hasher.finish();
    let [a, b, c, d, e, f, g, h, ..] = *id.as_bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// A subject as it was before anybody answered, folded and with single blanks, and whether somebody did. Names of lists
/// (`[sailing]`) stay, each once, wherever programs put their marks (RFC 5256, section 2.1, drops them).
fn base_subject(subject: &str) -> (String, bool) {
    let folded = text::folded(subject);
    let mut rest = folded.trim();
    let mut names: Vec<&str> = Vec::new();
    let mut is_reply = false;
    for _ in 0..MOST_MARKS {
        if let Some(behind) = without_mark(rest) {
            is_reply = true;
            rest = behind.trim_start();
        } else if let Some((name, behind)) = list_name(rest) {
            if !names.contains(&name) {
                names.push(name);
            }
            rest = behind.trim_start();
        } else {
            break;
        }
    }
    while let Some(before) = rest.strip_suffix("(fwd)") {
        is_reply = true;
        rest = before.trim_end();
    }
    let words = names.into_iter().chain(rest.split_whitespace());
    (words.collect::<Vec<_>>().join(" "), is_reply)
}

/// What follows `Re:`, `Re[2]:`, `Re(2):`, `Re^2:` or `Re :`.
fn without_mark(text: &str) -> Option<&str> {
    let end = text.find(|letter: char| !letter.is_alphabetic())?;
    let (mark, rest) = text.split_at(end);
    if !MARKS.contains(&mark) {
        return None;
    }
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix(['[', '(', '^']) {
        Some(count) => count.trim_start_matches(|letter: char| letter.is_ascii_digit()).trim_start_matches([']', ')']),
        None => rest,
    };
    rest.trim_start().strip_prefix(':')
}

fn list_name(text: &str) -> Option<(&str, &str)> {
    let end = text.strip_prefix('[')?.find([']', '['])? + 1;
    text[end..].starts_with(']').then(|| text.split_at(end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Timestamp;
    use crate::mail::message;

    #[test]
    fn answers_and_forwards_have_the_subject_they_began_with() {
        for (subject, base, is_reply) in [
            ("Regatta", "regatta", false),
            ("Re: Regatta", "regatta", true),
            ("RE: AW: Fwd:  SV :regatta", "regatta", true),
            ("Re[2]: Re^3: Re(4): Régatta", "regatta", true),
            ("Regatta (fwd) (FWD)", "regatta", true),
            ("[sailing] Re: [sailing] Regatta", "[sailing] regatta", true),
            ("Re: [sailing] Regatta", "[sailing] regatta", true),
            ("[sailing] Regatta", "[sailing] regatta", false),
            ("回复：会议", "会议", true),
            ("Απ: Regatta", "regatta", true),
            ("Ответ: нет", "ответ: нет", false),
            ("Regatta: re: boats", "regatta: re: boats", false),
            ("Red: a colour", "red: a colour", false),
            ("Re", "re", false),
            ("Re:", "", true),
            ("[", "[", false),
            ("[] []x", "[] x", false),
            ("Re[: x", "x", true),
            ("", "", false),
        ] {
            assert_eq!(base_subject(subject), (base.to_owned(), is_reply), "{subject}");
        }
        let endless = "Re: ".repeat(10_000);
        assert!(base_subject(&endless).1);
    }

    fn ties(headers: &str) -> Ties {
        Ties::of(&message::read(format!("{headers}\r\n\r\nbody").as_bytes()).envelope)
    }

    #[test]
    fn references_count_before_in_reply_to_and_of_many_the_first_and_the_last() {
        let own = ties("Message-ID: <own@x>\r\nReferences: <a@x> <b@x>\r\nIn-Reply-To: <c@x>");
        assert_eq!(own.ids, ["own@x", "a@x", "b@x"].map(hash));
        assert_eq!(ties("Message-ID: <own@x>\r\nIn-Reply-To: <c@x>").ids, ["own@x", "c@x"].map(hash));
        assert_eq!(ties("Message-ID: <own@x>\r\nReferences: <own@x> <own@x>").ids, [hash("own@x")]);
        let many: String = (0..10_000).map(|number| format!(" <{number}@x>\r\n")).collect();
        let expected = [0].into_iter().chain(9_980..10_000).map(|number| hash(&format!("{number}@x")));
        assert_eq!(ties(&format!("References:{}", many.trim_end())).ids, expected.collect::<Vec<_>>());
    }

    #[test]
    fn only_a_dated_reply_that_refers_to_nothing_goes_by_its_subject() {
        let dated = |headers: &str| ties(&format!("Date: Sun, 22 Nov 2026 10:00:00 +0000\r\n{headers}"));
        assert!(dated("Subject: Re: boats").is_stray_reply);
        assert!(dated("Subject: Re: boats\r\nIn-Reply-To: Your message of Monday").is_stray_reply);
        assert!(!dated("Subject: Re: boats\r\nIn-Reply-To: <a@x>").is_stray_reply);
        assert!(!dated("Subject: boats").is_stray_reply);
        assert_eq!(dated("Subject: Re: boats").subject, dated("Subject: BOATS").subject);
        assert!(dated("Subject: boats").subject.is_some());
        assert_eq!(dated("Subject: Re: ").subject, None);
        assert!(!dated("Subject: Re: ").is_stray_reply);
        assert_eq!(ties("Subject: boats").subject, None);
        assert_eq!(
            Ties::of(&Envelope { date: Some(Timestamp::from_millis(1)), ..Envelope::default() }),
            Ties::default()
        );
    }
}
