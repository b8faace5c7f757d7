//! Work that goes on while nobody waits for it.

use std::{cell::RefCell, fmt, rc::Rc};

use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, future_to_promise};

use crate::failure::Failure;

/// Work that was begun and whose outcome is taken later. Dropping it doesn't end it.
pub(crate) struct Task<T> {
    outcome: Rc<RefCell<Option<Result<T, Failure>>>>,
    ended: Promise,
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

impl<T: 'static> Task<T> {
    /// Begins at once.
    pub(crate) fn begin(work: impl Future<Output = Result<T, Failure>> + 'static) -> Self {
        let outcome = Rc::new(RefCell::new(None));
        let place = outcome.clone();
        let ended = future_to_promise(async move {
            let result = work.await;
            place.replace(Some(result));
            Ok(JsValue::UNDEFINED)
        });
        Self { outcome, ended }
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Result<T, Failure> {
        // It resolves whatever the outcome is, which the place holds then.
        let _ = JsFuture::from(self.ended).await;
        self.outcome
            .take()
            .unwrap_or_else(|| Err(Failure::crashed("a piece of work has no outcome")))
    }
}
