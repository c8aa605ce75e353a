//! [`Permit`]: leave to walk over a whole store. It is withdrawn when the store closes or reopens, because the engine lets go of its
//! files only when nobody reads them any more.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use session_core::Result;

use crate::failure;

/// Whoever walks holds a clone, and drops it last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Permit {
    withdrawn: Arc<AtomicBool>,
}

impl Permit {
    /// Asked before each entry.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        if self.withdrawn.load(Ordering::Relaxed) {
            return Err(failure::walk_ended(path));
        }
        Ok(())
    }

    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Relaxed);
    }

    /// Whether anybody else has it still. If not, what they did before they dropped it has happened.
    pub(crate) fn is_out(&mut self) -> bool {
        Arc::get_mut(&mut self.withdrawn).is_none()
    }
}
