//! Packed corpora that lie beside the checkout on some machines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::poplar::skipped;

/// Where the files of a packed corpus lie once those that the pattern of `tar` names are unpacked; `None` where there is
/// no such corpus.
pub(crate) fn unpacked(name: &str, pattern: &str, folder: &Path) -> Option<PathBuf> {
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora").join(name);
    if !packed.exists() {
        skipped(&format!("there is no {}", packed.display()));
        return None;
    }
    let corpus = folder.join("corpus");
    fs::create_dir(&corpus).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("x").arg("-C").arg(&corpus).args(["--wildcards", pattern]);
    let mut tar = tar.stdin(Stdio::piped()).spawn().unwrap();
    let mut plain = zstd::Decoder::new(fs::File::open(packed).unwrap()).unwrap();
    plain.window_log_max(27).unwrap();
    std::io::copy(&mut plain, &mut tar.stdin.take().unwrap()).unwrap();
    assert!(tar.wait().unwrap().success());
    Some(corpus)
}
