use super::reading::{Reading, Trouble};

pub(super) fn read(_octets: &[u8], _reading: &mut Reading<'_>) -> Result<(), Trouble> {
    Err(Trouble::Unsupported)
}
