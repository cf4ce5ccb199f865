use super::reading::{Reading, Trouble};

pub(super) fn zipped(_octets: &[u8], _reading: &mut Reading<'_>) -> Result<(), Trouble> {
    Err(Trouble::Unsupported)
}

pub(super) fn gzipped(_octets: &[u8], _reading: &mut Reading<'_>) -> Result<(), Trouble> {
    Err(Trouble::Unsupported)
}

pub(super) fn tarred(_octets: &[u8], _reading: &mut Reading<'_>) -> Result<(), Trouble> {
    Err(Trouble::Unsupported)
}
