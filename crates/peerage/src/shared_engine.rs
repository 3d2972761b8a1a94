//! The engine's configuration, shared by connections.

use std::sync::{Arc, Mutex, PoisonError};

use peerage_peer::Config;

/// What connections hold of an engine's configuration: one value for all that were made with the
/// same.
#[derive(Clone, Default)]
pub(crate) struct SharedEngine(Arc<Mutex<Arc<Config>>>);

impl SharedEngine {
    pub(crate) fn get(&self, engine: &Config) -> Arc<Config> {
        let mut shared = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if **shared != *engine {
            *shared = Arc::new(engine.clone());
        }
        Arc::clone(&shared)
    }
}
