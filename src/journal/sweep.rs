use std::fs;
use std::path::Path;

use super::Error;
use super::log::partials;
use super::tile::{Kind, TILE, TILE_WIDTH, Tile, names};

/// Removes what a tree of `size` leaves does not have: partial files that a wider one replaced, and whatever a crash left
/// beyond the checkpoint. Nothing under a checkpoint is touched.
pub fn sweep(journal: &Path, size: u64) -> Result<(), Error> {
    let needed = partials(size);
    for name in names(&journal.join(TILE))? {
        let Some(kind) = Kind::named(&name) else { continue };
        let folder = journal.join(TILE).join(&name);
        walk(&folder, 0, &mut |number, width| {
            let tile = Tile { kind, number, width };
            if !needed.contains(&tile) && (!tile.is_full() || Tile::of(kind, number, size) != Some(tile)) {
                remove(journal, tile);
            }
        })?;
    }
    Ok(())
}

/// Removes a file and the folder of partial ones that it leaves empty. What cannot be removed now is at the next start.
pub(super) fn remove(journal: &Path, tile: Tile) {
    drop(fs::remove_file(journal.join(tile.path())));
    if !tile.is_full() {
        drop(fs::remove_dir(journal.join(tile.partials())));
    }
}

/// Calls `found` with number and width of every file below `folder`, whose numbers begin with `above`.
fn walk(folder: &Path, above: u64, found: &mut dyn FnMut(u64, usize)) -> Result<(), Error> {
    for name in names(folder)? {
        let number = |digits: &str| above.checked_mul(1000)?.checked_add(group(digits)?);
        if let Some(number) = name.strip_prefix('x').and_then(number) {
            walk(&folder.join(&name), number, found)?;
        } else if let Some(number) = name.strip_suffix(".p").and_then(number) {
            let partials = names(&folder.join(&name))?;
            partials.iter().filter_map(|width| width.parse().ok()).for_each(|width| found(number, width));
        } else if let Some(number) = number(&name) {
            found(number, TILE_WIDTH);
        }
    }
    Ok(())
}

fn group(digits: &str) -> Option<u64> {
    (digits.len() == 3 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
}
