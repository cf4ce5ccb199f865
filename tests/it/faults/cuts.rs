//! The line drops at every octet of a session with fifty messages. `CUT_ALL=1` cuts at each of them, which takes long
//! (`--profile all`); else some are taken.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Scene, numbered};
use crate::support::maildrop::{Fault, Mail, Maildrop};

const MAILS: usize = 50;
/// A prime number of octets apart, so that the cuts fall on every part of a reply.
const SOME_APART: usize = 211;
const AT_ONCE: usize = 4;

fn fifty() -> Vec<Mail> {
    (0..MAILS).map(|n| numbered(&n.to_string(), n % 3)).collect()
}

fn scene(pipelining: bool) -> Scene {
    let capabilities = &["UIDL", "TOP", "USER", "PIPELINING"][..3 + usize::from(pipelining)];
    Scene::deleting(Maildrop::offering(capabilities, fifty()))
}

#[test]
fn wherever_the_line_drops_nothing_is_lost_doubled_or_deleted_too_early() {
    for pipelining in [true, false] {
        let whole = scene(pipelining);
        whole.fetch_well().assert_counts([("kept", 50), ("deleted", 50)]);
        let octets = whole.maildrop.sent_octets();
        assert!(octets > 10_000, "{octets}");
        let apart = if std::env::var_os("CUT_ALL").is_some() { 1 } else { SOME_APART };
        let next = AtomicUsize::new(if pipelining { 0 } else { apart / 2 });
        std::thread::scope(|threads| {
            for _ in 0..AT_ONCE {
                threads.spawn(|| {
                    loop {
                        let upto = next.fetch_add(apart, Ordering::Relaxed);
                        if upto >= octets {
                            break;
                        }
                        cut_at(upto, pipelining);
                    }
                });
            }
        });
    }
}

fn cut_at(upto: usize, pipelining: bool) {
    let scene = scene(pipelining);
    scene.maildrop.misbehave_once(Fault::CutAfterOctets(upto));
    let broken = scene.fetch();
    let code = broken.ended.code;
    assert!(code == 0 || code == 1, "cut at {upto}: {}", broken.ended);
    let first = scene.maildrop.heard().swap_remove(0);
    let whole_at = |command: &str| first.iter().any(|said| said.starts_with(command));
    assert!(whole_at("QUIT") || code == 0 || scene.maildrop.deleted().is_empty(), "cut at {upto}: {first:?}");
    scene.assert_nothing_lost();

    scene.fetch_well();
    assert!(scene.maildrop.mails().is_empty(), "cut at {upto}");
    scene.assert_whole();
}
