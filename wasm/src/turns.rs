//! Bytes that JavaScript asks for piece by piece, one at a time.

use std::{cell::RefCell, rc::Rc};

use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use crate::failure::Failure;

/// What makes the pieces.
pub(crate) trait Giver {
    /// The next piece; `None` at the end, as often as it is asked then. After a temporary failure it is asked again.
    async fn next(&mut self) -> Result<Option<Uint8Array>, Failure>;
}

/// A giver and whether it can be asked. Shared with the promise of a piece, so that JavaScript may free its object while
/// one is under way.
#[derive(Debug)]
pub(crate) struct Turns<G>(Rc<RefCell<State<G>>>);

#[derive(Debug)]
enum State<G> {
    Ready(Box<G>),
    /// A piece is being made.
    Busy,
    Failed,
}

impl<G: Giver + 'static> Turns<G> {
    pub(crate) fn new(giver: G) -> Self {
        Self(Rc::new(RefCell::new(State::Ready(Box::new(giver)))))
    }

    /// A promise of the next piece, or of `undefined` at the end.
    pub(crate) fn next(&self) -> Promise {
        let state = self.0.clone();
        future_to_promise(async move {
            let mut giver = match state.replace(State::Busy) {
                State::Ready(giver) => giver,
                State::Busy => return Err(Failure::busy().into()),
                State::Failed => {
                    state.replace(State::Failed);
                    return Err(Failure::ended().into());
                }
            };
            let piece = giver.next().await;
            let goes_on = match &piece {
                Ok(_) => true,
                Err(failure) => failure.is_temporary(),
            };
            state.replace(if goes_on {
                State::Ready(giver)
            } else {
                State::Failed
            });
            Ok(piece?.map_or(JsValue::UNDEFINED, Into::into))
        })
    }
}
