//! What is run before and after a backup or a restore: stop the application, start it again, build an index anew.
//!
//! A hook before that fails refuses what it stands before. Hooks after run when that went well, or in any case if they are
//! declared so. What becomes of them is noted in the run's [`Progress`].

use std::{
    fmt,
    panic::{AssertUnwindSafe, resume_unwind},
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

use crate::{
    program::{Environment, Program},
    progress::{Phase, Progress},
};

mod call;

pub use call::{Call, Header, HeaderValue, Method};

/// Something that is run before or after a backup or a restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// How people call it.
    pub name: String,
    /// When it is run.
    pub when: When,
    /// What is run.
    pub action: Action,
    /// Whether it is run after something that failed, too.
    pub even_if_failed: bool,
    /// How long it may take.
    pub time_limit: Duration,
}

/// When a hook is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Before anything of the database is read.
    BeforeBackup,
    /// After the archive was verified and has its name.
    AfterBackup,
    /// After the plan was confirmed, before anything is changed.
    BeforeRestore,
    /// After rows and files are in place.
    AfterRestore,
}

impl When {
    /// Whether it stands before something.
    #[must_use]
    pub const fn is_before(self) -> bool {
        matches!(self, Self::BeforeBackup | Self::BeforeRestore)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::BeforeBackup => "before_backup",
            Self::AfterBackup => "after_backup",
            Self::BeforeRestore => "before_restore",
            Self::AfterRestore => "after_restore",
        }
    }
}

/// What a hook runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A program and its arguments, without a shell.
    Command(Vec<String>),
    /// A request.
    Http(Call),
}

/// What hooks stand around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A backup.
    Backup,
    /// A restore.
    Restore,
}

impl Occasion {
    const fn before(self) -> When {
        match self {
            Self::Backup => When::BeforeBackup,
            Self::Restore => When::BeforeRestore,
        }
    }

    const fn after(self) -> When {
        match self {
            Self::Backup => When::AfterBackup,
            Self::Restore => When::AfterRestore,
        }
    }
}

/// What became of a hook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    /// The hook.
    pub name: String,
    /// When it was run.
    pub when: When,
    /// Why it failed; `None` if it didn't.
    pub failure: Option<String>,
    /// The end of what it wrote, or of what was answered.
    pub output: String,
    /// How long it took.
    pub milliseconds: u64,
}

impl fmt::Display for HookRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.failure {
            Some(failure) => write!(f, "the hook {:?} failed: {failure}", self.name),
            None => write!(f, "the hook {:?} is done", self.name),
        }
    }
}

/// Why something with hooks around it gave nothing.
#[derive(Debug)]
pub enum Hooked<E> {
    /// A hook before it failed, so it was not begun.
    Refused(Refusal),
    /// Its own error.
    Inside(E),
}

/// A hook that failed, before anything was begun.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the hook {name:?} failed: {failure}; nothing was begun, and the database and its files are as they were; see to the hook, or take it out of the source's file"
)]
pub struct Refusal {
    /// The hook.
    pub name: String,
    /// Why.
    pub failure: String,
}

impl Refusal {
    /// A stable name for programs, in snake case.
    pub const CODE: &'static str = "hook_failed";
}

/// Does `work` with the hooks of an occasion around it. Those that fail afterwards don't take back what was done:
/// [`Progress::hooks`] has them.
///
/// # Errors
/// [`Hooked`].
pub async fn around<T, E>(
    hooks: &[Hook],
    occasion: Occasion,
    progress: &Progress,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Hooked<E>> {
    let guarded = async {
        before(hooks, occasion, progress).await?;
        work.await.map_err(Hooked::Inside)
    };
    // Whatever happens: what was stopped is to be started again.
    let outcome = AssertUnwindSafe(guarded).catch_unwind().await;
    let done = matches!(outcome, Ok(Ok(_)));
    for hook in of(hooks, occasion.after()) {
        if done || hook.even_if_failed {
            progress.begin(Phase::Hooks, 0);
            // Cancelling was for the work, which has ended.
            progress.hook_ran(run(hook, Some(done), None).await);
        }
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

async fn before<E>(
    hooks: &[Hook],
    occasion: Occasion,
    progress: &Progress,
) -> Result<(), Hooked<E>> {
    for hook in of(hooks, occasion.before()) {
        progress.begin(Phase::Hooks, 0);
        let ran = run(hook, None, Some(progress.clone())).await;
        let failure = ran.failure.clone();
        progress.hook_ran(ran);
        if let Some(failure) = failure {
            let name = hook.name.clone();
            return Err(Hooked::Refused(Refusal { name, failure }));
        }
    }
    Ok(())
}

fn of(hooks: &[Hook], when: When) -> impl Iterator<Item = &Hook> {
    hooks.iter().filter(move |hook| hook.when == when)
}

/// Runs one hook. `done` is what became of what it stands behind.
async fn run(hook: &Hook, done: Option<bool>, progress: Option<Progress>) -> HookRun {
    let started = Instant::now();
    let ran = {
        let hook = hook.clone();
        tokio::task::spawn_blocking(move || hook.act(done, progress.as_ref()))
            .await
            .unwrap_or_else(|_| {
                (
                    Some("it stopped because of a defect of Coffer".to_owned()),
                    String::new(),
                )
            })
    };
    let (failure, output) = ran;
    let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    match &failure {
        Some(failure) => tracing::warn!(hook = hook.name, failure, "a hook failed"),
        None => tracing::info!(hook = hook.name, milliseconds, "a hook is done"),
    }
    HookRun {
        name: hook.name.clone(),
        when: hook.when,
        failure,
        output,
        milliseconds,
    }
}

impl Hook {
    /// Why it failed, if it did, and what it said.
    fn act(&self, done: Option<bool>, progress: Option<&Progress>) -> (Option<String>, String) {
        let argv = match &self.action {
            Action::Http(call) => return call.make(self.time_limit),
            Action::Command(argv) => argv,
        };
        let mut environment = vec![("COFFER_HOOK", self.when.name().to_owned())];
        if let Some(done) = done {
            let outcome = if done { "done" } else { "failed" };
            environment.push(("COFFER_OUTCOME", outcome.to_owned()));
        }
        let program = Program {
            argv: argv.iter().map(Into::into).collect(),
            time_limit: self.time_limit,
            file_limit: None,
            folder: None,
            environment: Environment::Inherited(environment),
        };
        match program.run(progress) {
            Ok(ended) => (ended.fault(self.time_limit), ended.output),
            Err(error) => (Some(format!("it could not be run: {error}")), String::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    fn hook(when: When, even_if_failed: bool, script: &str) -> Hook {
        Hook {
            name: script.to_owned(),
            when,
            action: Action::Command(["sh", "-c", script].map(str::to_owned).to_vec()),
            even_if_failed,
            time_limit: Duration::from_secs(60),
        }
    }

    /// Hooks that note in a file that they ran, one of each kind.
    fn noting(file: &Path) -> Vec<Hook> {
        let note = |what: &str| {
            format!(
                "echo {what} $COFFER_HOOK $COFFER_OUTCOME >> '{}'",
                file.display()
            )
        };
        vec![
            hook(When::BeforeRestore, false, &note("other")),
            hook(When::BeforeBackup, false, &note("first")),
            hook(When::AfterBackup, false, &note("if_done")),
            hook(When::AfterBackup, true, &note("always")),
        ]
    }

    async fn begun(message: &str) -> Result<(), ()> {
        panic!("{message}")
    }

    #[tokio::test]
    async fn hooks_run_in_their_order_with_what_they_need_to_know() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes");
        let hooks = noting(&file);
        let progress = Progress::default();
        let work = async {
            assert_eq!(fs::read_to_string(&file).unwrap(), "first before_backup\n");
            Ok::<_, ()>(5)
        };
        let done = around(&hooks, Occasion::Backup, &progress, work).await;
        assert!(matches!(done, Ok(5)));
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "first before_backup\nif_done after_backup done\nalways after_backup done\n"
        );
        assert_eq!(progress.hooks().len(), 3);

        fs::remove_file(&file).unwrap();
        // What is cancelled has failed, and its hooks run all the same.
        progress.cancel();
        let hooks = &hooks[2..];
        let failed = around(hooks, Occasion::Backup, &progress, async {
            Err::<(), _>("no")
        })
        .await;
        assert!(matches!(failed, Err(Hooked::Inside("no"))));
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "always after_backup failed\n"
        );
    }

    #[tokio::test]
    async fn a_hook_that_fails_refuses_and_what_was_stopped_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes");
        let mut hooks = noting(&file);
        hooks.insert(2, hook(When::BeforeBackup, false, "echo no way; exit 7"));
        hooks.insert(3, hook(When::BeforeBackup, false, "echo never"));
        let progress = Progress::default();
        let work = begun("the work was begun");
        let refused = around(&hooks, Occasion::Backup, &progress, work).await;
        assert!(
            matches!(&refused, Err(Hooked::Refused(refusal)) if refusal.failure == "it ended with exit code 7"),
            "{refused:?}"
        );
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "first before_backup\nalways after_backup failed\n"
        );
        let ran = progress.hooks();
        assert_eq!(ran.len(), 3);
        assert_eq!(
            (ran[1].output.as_str(), ran[1].failure.is_some()),
            ("no way\n", true)
        );
    }

    #[tokio::test]
    async fn a_panic_goes_on_after_the_hooks() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("notes");
        let hooks = noting(&file);
        let progress = Progress::default();
        let work = begun("on purpose");
        let outcome = AssertUnwindSafe(around(&hooks, Occasion::Backup, &progress, work))
            .catch_unwind()
            .await;
        assert!(outcome.is_err());
        assert!(
            fs::read_to_string(&file)
                .unwrap()
                .ends_with("always after_backup failed\n")
        );
    }
}
