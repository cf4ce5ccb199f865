//! What the benchmarks share: the mail of the corpora folder, and what the disk can do at best.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// Unpacks a corpus into the folder `corpus`: its mails, sorted by their paths.
pub(crate) fn unpack(archive: &Path, folder: &Path) -> Vec<PathBuf> {
    let corpus = folder.join("corpus");
    fs::create_dir(&corpus).unwrap();
    let command = format!("zstd -dc --long=27 '{}' | tar x -C '{}'", archive.display(), corpus.display());
    assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "cannot unpack the corpus");
    let mut files = Vec::new();
    collect(&corpus, &mut files);
    files.sort();
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "eml") {
            files.push(path);
        }
    }
}

/// The median of 200 fdatasyncs behind 4 KiB each: what this disk asks for one commit.
pub(crate) fn bare_fdatasync(folder: &Path) -> f64 {
    let mut file = fs::File::create(folder.join("fsync")).unwrap();
    let mut took: Vec<f64> = (0..200)
        .map(|_| {
            file.write_all(&[1; 4096]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    took.sort_by(f64::total_cmp);
    took[100]
}
