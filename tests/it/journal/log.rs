use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use poplar::journal::{Error, Log, LogReader, Signer};
use proptest::prelude::*;

use super::{Bench, ORIGIN, files, leaf, leaves, mark, root};

#[test]
fn the_root_is_the_one_of_the_rfc_at_every_size() {
    let bench = Bench::new();
    let mut log = bench.log();
    assert!(log.checkpoint().is_none());
    for size in (0..=260).chain([511, 512, 513]) {
        let more = leaves(log.size(), size);
        let checkpoint = log.append(&more, &[]).unwrap();
        assert_eq!(checkpoint.size(), size);
        assert_eq!(checkpoint.root().as_bytes(), &root(&leaves(0, size)), "{size}");
    }
}

#[test]
fn what_went_in_comes_out() {
    for size in [0, 1, 2, 255, 256, 257, 700, 65_536, 65_537 + 256] {
        let bench = Bench::with(size);
        let reader = bench.reader();
        assert_eq!(reader.checkpoint().root().as_bytes(), &root(&leaves(0, size)));
        assert_eq!(reader.checkpoint().packs(), [mark(3)]);
        let from = size / 3;
        let mut next = from;
        let mut visit = |index: u64, octets: &[u8]| {
            assert_eq!((index, octets), (next, &leaf(next)[..]));
            next += 1;
            Ok::<_, Error>(())
        };
        reader.leaves(from, &mut visit).unwrap();
        assert_eq!(next, size);
        let log = bench.log();
        for index in [0, from, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
            assert_eq!(log.leaf(index).unwrap(), leaf(index));
            assert_eq!(reader.leaf(index).unwrap(), leaf(index));
        }
        assert!(matches!(log.leaf(size), Err(Error::NoEntry { .. })));
        assert_eq!(bench.verify(), []);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_division_into_batches_gives_the_same_files(batches in prop::collection::vec((0_u64..400, any::<bool>()), 1..8)) {
        let bench = Bench::new();
        let mut log = bench.log();
        for (count, reopen) in batches {
            if reopen {
                drop(log);
                log = bench.log();
            }
            let size = log.size();
            log.append(&leaves(size, size + count), &[mark(3)]).unwrap();
        }
        let whole = Bench::with(log.size());
        let but_keys = |bench: &Bench| {
            let mut files = files(&bench.journal());
            files.retain(|(name, _)| name.starts_with("tile"));
            files
        };
        prop_assert_eq!(but_keys(&bench), but_keys(&whole));
        prop_assert_eq!(log.checkpoint().unwrap().root(), whole.reader().checkpoint().root());
    }
}

#[test]
fn a_batch_writes_the_right_edge_only() {
    let bench = Bench::with(70_000);
    let mut names: Vec<String> = files(&bench.journal()).into_iter().map(|(name, _)| name).collect();
    names.retain(|name| name.contains(".p/"));
    assert_eq!(names, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1", "tile/entries/273.p/112"]);
    let full = bench.journal().join("tile/entries/272");
    fs::set_permissions(&full, fs::Permissions::from_mode(0o400)).unwrap();
    let before = fs::metadata(&full).unwrap().modified().unwrap();
    bench.log().append(&leaves(70_000, 71_000), &[]).unwrap();
    assert_eq!(fs::metadata(&full).unwrap().modified().unwrap(), before);
    assert_eq!(bench.verify(), []);
}

#[test]
fn nobody_else_may_read_it() {
    let bench = Bench::with(300);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    for (name, _) in files(bench.data.path()) {
        let path = bench.data.path().join(name);
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap()), 0o700, "{}", path.display());
    }
}

#[test]
fn marks_are_signed_alone_and_only_when_they_are_new() {
    let bench = Bench::with(5);
    let mut log = bench.log();
    let text = log.append(&[], &[mark(9), mark(4)]).unwrap().text().to_owned();
    assert!(text.contains("\npack 4 1004 7\npack 9 1009 7\n\n"), "{text}");
    let path = bench.journal().join("checkpoint");
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    log.append(&[], &[mark(4), mark(9)]).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
}

#[test]
fn a_leaf_has_a_limit() {
    let bench = Bench::with(1);
    let mut log = bench.log();
    let longest = vec![b'a'; 65_534];
    assert!(matches!(log.append(&[longest.clone(), vec![b'a'; 65_535]], &[]), Err(Error::TooLong(65_535))));
    assert_eq!(log.size(), 1);
    log.append(&[longest.clone(), vec![]], &[]).unwrap();
    assert_eq!((log.leaf(1).unwrap(), log.leaf(2).unwrap()), (longest, vec![]));
    assert_eq!(bench.verify(), []);
}

#[test]
fn a_lost_secret_is_never_replaced() {
    let bench = Bench::with(1);
    let secret = bench.secrets().join("journal.key");
    let kept = fs::read(&secret).unwrap();
    let again = || Signer::load_or_create(&bench.secrets(), &bench.journal(), ORIGIN);
    fs::remove_file(&secret).unwrap();
    for _ in 0..2 {
        assert!(matches!(again(), Err(Error::SecretMissing(path)) if path == secret));
    }
    fs::write(&secret, &kept).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(again(), Err(Error::Io { .. })));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    again().unwrap();
    let other = Signer::load_or_create(&bench.secrets(), &bench.journal(), "poplar/ff");
    assert!(matches!(other, Err(Error::Key { .. })));
    fs::copy(Bench::with(1).journal().join("key"), bench.journal().join("key")).unwrap();
    assert!(matches!(again(), Err(Error::Key { .. })));
}

#[test]
fn a_log_of_another_key_is_refused() {
    let (bench, other) = (Bench::with(3), Bench::with(3));
    assert!(matches!(Log::open(&bench.journal(), other.signer()), Err(Error::Signature { .. })));
    fs::copy(other.journal().join("key"), bench.journal().join("key")).unwrap();
    assert!(matches!(LogReader::open(&bench.journal()), Err(Error::Signature { .. })));
}

#[test]
fn an_earlier_checkpoint_is_a_prefix_unless_history_was_written_anew() {
    let bench = Bench::new();
    let mut log = bench.log();
    let mut earlier = Vec::new();
    for size in [0, 1, 255, 256, 300, 1000, 66_000] {
        let more = leaves(log.size(), size);
        earlier.push(log.append(&more, &[]).unwrap().clone());
    }
    let reader = bench.reader();
    assert!(earlier.iter().all(|checkpoint| reader.continues(checkpoint).unwrap()));
    fs::remove_dir_all(bench.journal()).unwrap();
    let mut anew = leaves(0, 66_000);
    anew[999] = b"something else".to_vec();
    bench.log().append(&anew, &[]).unwrap();
    let continues: Vec<_> = earlier.iter().map(|checkpoint| bench.reader().continues(checkpoint).unwrap()).collect();
    assert_eq!(continues, [true, true, true, true, true, false, false]);
}

/// Partial files are replaced by wider ones and full ones under the eyes of readers.
#[test]
fn readers_beside_the_owner_always_see_a_whole_log() {
    let bench = Bench::with(1);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let owner = scope.spawn(|| {
            let mut log = bench.log();
            for _ in 0..150 {
                let size = log.size();
                log.append(&leaves(size, size + 7), &[]).unwrap();
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) && !owner.is_finished() {
            let reader = bench.reader();
            let size = reader.checkpoint().size();
            assert_eq!(reader.leaf(size - 1).unwrap(), leaf(size - 1));
            assert_eq!(reader.leaf(size / 2).unwrap(), leaf(size / 2));
            assert_eq!(reader.verify(&mut |_, _| {}).unwrap(), []);
        }
    });
    assert_eq!(bench.reader().checkpoint().size(), 1051);
}
