use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

/// Why a stage cannot do its work, or not as it should, as the outside sees it: a full disk, most likely. Nothing while all
/// is well.
#[derive(Clone, Debug, Default)]
pub struct StageTrouble(Arc<Mutex<Option<String>>>);

impl StageTrouble {
    pub fn why(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is(&self, why: Option<impl Display>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = why.map(|why| why.to_string());
    }
}
