//! Following a run on the server to its end.

use std::{thread, time::Duration};

use serde_json::Value;

use super::{
    super::Failure,
    client::{Client, patiently},
    failure::{self, RequestError},
    views::Run,
};
use crate::progress::Progress;

/// How often a run is asked for.
const EVERY: Duration = Duration::from_millis(300);

/// Shows a run's progress as this command's own until it ends, and gives its result. Whoever cancels this command cancels
/// the run; its end is waited for, since only then it is known what became of it.
pub(super) fn follow(client: &Client, run: &str, progress: &Progress) -> Result<Value, Failure> {
    let lost = |error: RequestError| {
        let failure = Failure::from(error);
        Failure {
            message: format!(
                "{}; the run {run} goes on at the server, or is undone there if that has stopped",
                failure.message
            ),
            ..failure
        }
    };
    let mut asked = false;
    loop {
        if progress.cancelled() && !asked {
            patiently(&Progress::default(), || client.cancel(run)).map_err(lost)?;
            asked = true;
        }
        let view: Run = client
            .get_patiently(&format!("api/runs/{run}"))
            .map_err(lost)?;
        progress.show(view.progress);
        match (view.state.as_str(), view.error) {
            ("running", _) => thread::sleep(EVERY),
            ("done", _) => return Ok(view.result.unwrap_or_default()),
            ("cancelled", None) => {
                return Err(Failure::cancelled(
                    "the run was cancelled; nothing was changed",
                ));
            }
            (_, Some(error)) => return Err(failure::of_run(&error.code, &error.detail)),
            (state, None) => {
                return Err(RequestError::Strange(format!("a run that is {state}")).into());
            }
        }
    }
}
