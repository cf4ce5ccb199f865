#![expect(unsafe_code, reason = "the C library has no other way to be told how to keep memory")]
//! Has memory that is not used any more given back to the system.

/// Larger pieces are taken from the system and given back one by one, …
#[cfg(target_env = "gnu")]
const PIECE_BYTES: i32 = 256 << 10;
/// … and of small ones no more than this is kept in store.
#[cfg(target_env = "gnu")]
const STORE_BYTES: i32 = 512 << 10;

/// For the beginning of a program. Left to itself, glibc keeps what a check of a large pack took for as long as the daemon
/// runs: of a million messages more than 100 MB.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: two numbers for the allocator's own settings (mallopt(3)), before there is a second thread.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, PIECE_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, STORE_BYTES);
    }
}
