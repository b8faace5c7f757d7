//! What became of hooks, in a command's words.

use std::fmt;

use serde::Serialize;

use super::{Failure, Output};
use crate::{
    hooks::{HookRun, Hooked, Refusal},
    progress::Progress,
};

/// A result with the hooks that ran around it.
#[derive(Serialize)]
struct WithHooks<'a, T> {
    #[serde(flatten)]
    done: &'a T,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hooks: Vec<HookRun>,
}

impl From<Hooked<Failure>> for Failure {
    fn from(error: Hooked<Self>) -> Self {
        match error {
            Hooked::Inside(failure) => failure,
            Hooked::Refused(refusal) => Self::refused(Refusal::CODE, refusal),
        }
    }
}

/// Ends a command that had hooks around it: with its result, or its failure. What was done stays done if a hook failed
/// afterwards; the exit code says that something is left to do.
pub(super) fn end<T: Serialize + fmt::Display>(
    output: Output,
    progress: &Progress,
    outcome: Result<T, Hooked<Failure>>,
) -> Result<(), Failure> {
    let hooks = progress.hooks();
    for failed in hooks.iter().filter(|hook| hook.failure.is_some()) {
        output.note(Shown(failed));
    }
    let done = match outcome {
        Ok(done) => done,
        Err(error) if hooks.is_empty() => return Err(error.into()),
        Err(error) => return Err(Failure::from(error).with_details("hooks", &hooks)),
    };
    let failed = hooks.iter().find(|hook| hook.failure.is_some()).cloned();
    let result = WithHooks { done: &done, hooks };
    let Some(failed) = failed else {
        output.result(&result, &done);
        return Ok(());
    };
    if !output.is_json() {
        output.result(&result, &done);
    }
    Err(Failure::failed(
        "hook_failed_afterwards",
        format!("{failed}; what it stands behind is done, and stays so; see to the hook, and do by hand what it was for"),
    )
    .with_details("result", &result))
}

/// A hook that failed, with what it said.
struct Shown<'a>(&'a HookRun);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::output::safe;
        write!(f, "{}", safe(&self.0.to_string()))?;
        self.0
            .output
            .lines()
            .try_for_each(|line| write!(f, "\n  {}", safe(line)))
    }
}
