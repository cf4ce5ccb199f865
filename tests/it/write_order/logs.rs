//! The laws themselves are tested, on logs that were never written.

use std::path::Path;

use super::{laws, trace};

/// What the laws say of a log, in which `A` stands for the archive.
fn broken(log: &[&str]) -> Vec<String> {
    let log: String = log.iter().map(|line| format!("7 {} = 0\n", line.replace('A', "/archive"))).collect();
    let steps = trace::parse(&log);
    laws::observe(Path::new("/archive"), &["uid-1".to_owned()], &steps).broken
}

const SEAL: [&str; 3] =
    ["fdatasync(5<A/packs/1.pack.tmp>)", "rename(\"A/packs/1.pack.tmp\", \"A/packs/1.pack\")", "fsync(6<A/packs>)"];
const COMMIT: [&str; 2] = ["pwrite64(8<A/catalog.db-wal>, \"uid-1\", 5, 0)", "fdatasync(8<A/catalog.db-wal>)"];
const REMOVE: &str = "unlink(\"A/packs/1.open\")";

#[test]
fn an_open_pack_goes_last() {
    assert_eq!(broken(&[&SEAL[..], &COMMIT, &[REMOVE]].concat()), Vec::<String>::new());
    for early in [[&SEAL[..], &[REMOVE], &COMMIT].concat(), [&SEAL[..], &COMMIT[..1], &[REMOVE]].concat()] {
        let broken = broken(&early);
        assert!(broken[0].contains("before the catalog knew"), "{broken:?}");
    }
    let unsynced = broken(&[&["pwrite64(5<A/packs/1.pack.tmp>, \"\", 9, 0)"], &SEAL[1..]].concat());
    assert!(unsynced[0].contains("before it was durable"), "{unsynced:?}");
}

#[test]
fn a_sealed_pack_is_read_back_first() {
    let write = ["pwrite64(5<A/packs/1.pack.tmp>, \"\", 9, 0)"];
    let read = |bytes: u64, from: u64| format!("pread64(5<A/packs/1.pack.tmp>, \"\", {bytes}, {from})");
    let (front, end, behind) = (read(5, 0), read(4, 5), read(3, 6));
    let sealed = |early: &[&str], late: &[&str]| broken(&[&write, early, &SEAL[..1], late, &SEAL[1..]].concat());
    assert_eq!(sealed(&[], &[&end, &front]), Vec::<String>::new());
    for (early, late, from) in
        [(vec![], vec![&*front], 5), (vec![], vec![&*front, &*behind], 5), (vec![&*end, &*front], vec![], 0)]
    {
        let broken = sealed(&early, &late);
        assert!(broken[0].contains(&format!("not read back from octet {from} on")), "{broken:?}");
    }
}

const TILE: [&str; 3] =
    ["pwrite64(5<A/journal/tile/0>, \"\", 9, 0)", "fsync(5<A/journal/tile/0>)", "fsync(5<A/journal/tile>)"];
const SIGN: [&str; 2] = ["rename(\"A/journal/checkpoint.tmp\", \"A/journal/checkpoint\")", "fsync(6<A/journal>)"];
const DELE: &str = "sendto(9<socket:[1]>, \"DELE 1\\r\\n\", 8, 0, NULL, 0)";

#[test]
fn a_checkpoint_comes_after_its_tiles_and_before_a_deletion() {
    let decided = COMMIT.map(|line| line.replace("\"uid-1\"", "\"{\\\"v\\\":1 \\\"deleting\\\" \\\"uid-1\\\"\""));
    let decided = [&*decided[0], &*decided[1]];
    assert_eq!(broken(&[&COMMIT[..], &TILE, &SIGN, &decided, &[DELE]].concat()), Vec::<String>::new());
    let early = broken(&[&TILE[..], &SIGN, &COMMIT, &decided, &[DELE]].concat());
    assert!(early[0].contains("before a checkpoint that covers it"), "{early:?}");
    let untrue = broken(&[&COMMIT[..], &TILE[..1], &SIGN].concat());
    assert!(untrue[0].contains("a checkpoint was published"), "{untrue:?}");
}
