use std::fs;
use std::path::Path;

use poplar::journal::{Error, Log, LogReader};

use super::{Bench, files, leaves, mark};

/// Puts back the files of `before` that are not in `journal`, but the checkpoint over all: as if the power went
/// after some of a batch had been written.
fn lay(journal: &Path, files: &[(String, Vec<u8>)]) {
    for (name, octets) in files {
        let path = journal.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    }
}

#[test]
fn what_a_crash_leaves_beyond_the_checkpoint_does_not_count() {
    for (before, after) in [(0, 1), (1, 2), (255, 256), (250, 600), (256, 257), (65_535, 65_536)] {
        let bench = Bench::with(before);
        let checkpoint = fs::read(bench.journal().join("checkpoint")).unwrap();
        let old = files(&bench.journal());
        bench.log().append(&leaves(before, after), &[mark(3)]).unwrap();
        let finished = files(&bench.journal());
        let fresh: Vec<_> = finished.iter().filter(|(name, _)| name.starts_with("tile")).cloned().collect();
        for cut in [0, 1, 20, usize::MAX] {
            // The new files are torn, the partial ones of the old checkpoint still there.
            let torn = fresh.iter().map(|(name, octets)| (name.clone(), octets[..octets.len().min(cut)].to_vec()));
            lay(&bench.journal(), &torn.collect::<Vec<_>>());
            lay(&bench.journal(), &old);
            assert_eq!(fs::read(bench.journal().join("checkpoint")).unwrap(), checkpoint);
            assert_eq!(bench.verify(), [], "{before} to {after}, cut at {cut}");
            let mut log = bench.log();
            assert_eq!(log.size(), before);
            log.append(&[], &[mark(3)]).unwrap();
            assert!(files(&bench.journal()) == old, "{before} to {after}: not swept");
            log.append(&leaves(before, after), &[mark(3)]).unwrap();
            assert!(files(&bench.journal()) == finished, "{before} to {after}: not the same");
        }
    }
}

#[test]
fn partial_files_that_a_crash_left_behind_are_swept() {
    for (before, after) in [(1, 2), (255, 256), (250, 600), (300, 66_000)] {
        let bench = Bench::with(before);
        let old = files(&bench.journal());
        bench.log().append(&leaves(before, after), &[mark(3)]).unwrap();
        let finished = files(&bench.journal());
        let partials: Vec<_> = old.into_iter().filter(|(name, _)| name.contains(".p/")).collect();
        lay(&bench.journal(), &partials);
        assert_eq!(bench.verify(), []);
        bench.log().append(&[], &[mark(3)]).unwrap();
        assert!(files(&bench.journal()) == finished, "{before} to {after}: not swept");
    }
}

#[test]
fn a_checkpoint_that_is_gone_is_not_an_empty_log() {
    for size in [0, 1, 300] {
        let bench = Bench::with(size);
        fs::remove_file(bench.journal().join("checkpoint")).unwrap();
        let opened = Log::open(&bench.journal(), bench.signer());
        if size == 0 {
            assert_eq!(opened.unwrap().size(), 0);
        } else {
            assert!(matches!(opened, Err(Error::NotAPrefix { .. })));
            assert!(matches!(LogReader::open(&bench.journal()), Err(Error::NotAPrefix { .. })));
        }
    }
}

/// Whoever put back only the checkpoint must still be able to take that back.
#[test]
fn opening_removes_nothing() {
    let bench = Bench::with(300);
    let checkpoint = fs::read(bench.journal().join("checkpoint")).unwrap();
    bench.log().append(&leaves(300, 700), &[]).unwrap();
    fs::write(bench.journal().join("checkpoint"), checkpoint).unwrap();
    let before = files(&bench.journal());
    assert_eq!(bench.log().size(), 300);
    assert!(files(&bench.journal()) == before);
    assert_eq!(bench.verify(), []);
}

#[test]
fn an_older_checkpoint_or_an_older_tree_is_told_from_the_right_one() {
    let bench = Bench::with(300);
    let old = files(&bench.journal());
    bench.log().append(&leaves(300, 310), &[]).unwrap();
    let checkpoint = fs::read(bench.journal().join("checkpoint")).unwrap();
    fs::remove_dir_all(bench.journal().join("tile")).unwrap();
    lay(&bench.journal(), &old);
    fs::write(bench.journal().join("checkpoint"), checkpoint).unwrap();
    assert!(matches!(Log::open(&bench.journal(), bench.signer()), Err(Error::NotAPrefix { .. })));
    assert!(!bench.verify().is_empty());
}
