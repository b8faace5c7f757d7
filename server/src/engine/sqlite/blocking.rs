//! Work that blocks, kept off the threads that must not.

use tokio::task::spawn_blocking;

use crate::engine::EngineError;

/// A value that lives on blocking threads while it is worked with.
///
/// A call that is cancelled runs to its end there, and the value is dropped with it: every later call says that the
/// session has ended.
pub(super) struct Blocking<T> {
    value: Option<T>,
    target: String,
}

impl<T: Send + 'static> Blocking<T> {
    /// Makes the value on a blocking thread.
    pub(super) async fn new(
        target: String,
        make: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
    ) -> Result<Self, EngineError> {
        match spawn_blocking(make).await {
            Ok(value) => Ok(Self {
                value: Some(value?),
                target,
            }),
            Err(_) => Err(ended(&target)),
        }
    }

    /// Works with the value on a blocking thread.
    pub(super) async fn call<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut T) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, EngineError> {
        let mut value = self.value.take().ok_or_else(|| ended(&self.target))?;
        let done = spawn_blocking(move || {
            let result = work(&mut value);
            (value, result)
        });
        match done.await {
            Ok((value, result)) => {
                self.value = Some(value);
                result
            }
            Err(_) => Err(ended(&self.target)),
        }
    }

    /// Works with the value for the last time and drops it, on a blocking thread too: closing a file may take long.
    pub(super) async fn finish<R: Send + 'static>(
        mut self,
        work: impl FnOnce(T) -> Result<R, EngineError> + Send + 'static,
    ) -> Result<R, EngineError> {
        let value = self.value.take().ok_or_else(|| ended(&self.target))?;
        match spawn_blocking(move || work(value)).await {
            Ok(result) => result,
            Err(_) => Err(ended(&self.target)),
        }
    }
}

fn ended(target: &str) -> EngineError {
    EngineError::Ended {
        target: target.to_owned(),
        why: "an earlier step was cancelled or failed",
    }
}
