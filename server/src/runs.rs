//! Work in the background: started by a request, followed by others, recorded when it ends.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::{
    catalog::{Catalog, CatalogError, Id, RunKind, RunRecord, RunState},
    clock,
    hooks::HookRun,
    progress::{Progress, ProgressSnapshot},
};

mod backup;
mod failure;
mod rehearsal;
mod restore;
mod source;
mod undo;

pub use backup::BackupRun;
pub(crate) use backup::{prepare, prove, remove_unfinished, slug};
pub use failure::RunFailure;
pub use rehearsal::RehearsalRun;
pub use restore::RestoreRun;
pub(crate) use source::target_name;
pub use source::{SourceFault, source_config};
pub use undo::UndoRun;

/// Most runs at once: each holds some hundred megabytes at most, and all share the machine.
const MAX_RUNNING: usize = 4;

/// The runs of this process.
#[derive(Clone, Debug)]
pub struct Runs(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    running: Mutex<HashMap<Id, Arc<Running>>>,
    targets: Mutex<HashSet<String>>,
    tasks: TaskTracker,
    stopping: AtomicBool,
}

/// A run that is at work.
#[derive(Debug)]
struct Running {
    id: Id,
    kind: RunKind,
    /// What is backed up or restored into.
    source: Id,
    started_at: String,
    progress: Progress,
    /// Set once, when it has ended.
    end: watch::Sender<Option<RunView>>,
}

/// A run as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: Id,
    /// What it does.
    pub kind: RunKind,
    /// How it stands.
    pub state: RunState,
    /// How far it is.
    pub progress: ProgressSnapshot,
    /// What became of the hooks around it so far.
    pub hooks: Vec<HookRun>,
    /// What it made, once it is done.
    pub result: Option<Value>,
    /// Why it failed.
    pub error: Option<RunFailure>,
}

/// A run that is at work, with what it works on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActiveRun {
    /// The source that is backed up or restored into.
    pub source: Id,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// The run as it stands.
    pub run: RunView,
}

/// Why a run can't be started or shown.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// There is no such run.
    #[error("there is no such run, or it ended long ago")]
    NoRun,
    /// Enough is going on.
    #[error(
        "{limit} runs are running, which is the most at once; nothing was started; wait until one ends"
    )]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// The server is about to end.
    #[error("Coffer is being stopped; nothing was started")]
    Stopping,
    /// Something restores into the same database.
    #[error("another restore into {target} is going on; nothing was changed; wait until it ends")]
    Busy {
        /// The database.
        target: String,
    },
    /// The catalog.
    #[error("{0}")]
    Catalog(#[from] CatalogError),
    /// The system has no random bytes to give.
    #[error("the system gave no random bytes: {0}; nothing was started")]
    Random(#[from] getrandom::Error),
}

/// Sole right to restore into a database; ends when dropped.
#[derive(Debug)]
pub struct TargetLock {
    shared: Arc<Shared>,
    target: String,
}

impl Runs {
    /// Runs that are recorded in `catalog`.
    #[must_use]
    pub fn new(catalog: Catalog) -> Self {
        Self(Arc::new(Shared {
            catalog,
            running: Mutex::default(),
            targets: Mutex::default(),
            tasks: TaskTracker::new(),
            stopping: AtomicBool::new(false),
        }))
    }

    /// Starts a run on a source: `work` is given a progress that it must heed when it is cancelled.
    ///
    /// # Errors
    /// [`RunError`]; nothing was started then, and `work` was dropped.
    pub async fn start<F>(
        &self,
        kind: RunKind,
        source: &Id,
        work: impl FnOnce(Progress) -> F + Send,
    ) -> Result<Id, RunError>
    where
        F: Future<Output = Result<Value, RunFailure>> + Send + 'static,
    {
        let running = Arc::new(Running {
            id: Id::random()?,
            kind,
            source: source.clone(),
            started_at: clock::text(clock::now()),
            progress: Progress::default(),
            end: watch::Sender::new(None),
        });
        let id = running.id.clone();
        // Taken before the look at `stopping`, so that `stop` waits for every run that gets past it.
        let token = self.0.tasks.token();
        self.enter(&running)?;
        let written = self
            .0
            .catalog
            .write_run(&running.record(&running.view()))
            .await;
        if let Err(error) = written {
            self.0.running().remove(&id);
            return Err(error.into());
        }
        let shared = self.0.clone();
        let work = work(running.progress.clone());
        tokio::spawn(async move {
            let _token = token;
            let outcome = AssertUnwindSafe(work).catch_unwind().await;
            let outcome = outcome.unwrap_or_else(|_| Err(RunFailure::defect()));
            shared.end(&running, outcome).await;
        });
        Ok(id)
    }

    fn enter(&self, run: &Arc<Running>) -> Result<(), RunError> {
        let mut running = self.0.running();
        // Looked at under the same lock that `stop` takes after setting it, so that no run slips in behind.
        if self.0.stopping.load(Ordering::SeqCst) {
            return Err(RunError::Stopping);
        }
        if running.len() >= MAX_RUNNING {
            return Err(RunError::TooMany { limit: MAX_RUNNING });
        }
        running.insert(run.id.clone(), run.clone());
        Ok(())
    }

    /// All runs that are at work, the one that began first in front: for who comes back and wants to see them.
    #[must_use]
    pub fn all_running(&self) -> Vec<ActiveRun> {
        let mut runs: Vec<ActiveRun> = self
            .0
            .running()
            .values()
            .map(|running| ActiveRun {
                source: running.source.clone(),
                started_at: running.started_at.clone(),
                run: running.view(),
            })
            .collect();
        runs.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        runs
    }

    /// A run as it stands.
    ///
    /// # Errors
    /// [`RunError::NoRun`] or [`RunError::Catalog`].
    pub async fn view(&self, id: &Id) -> Result<RunView, RunError> {
        if let Some(run) = self.running(id) {
            return Ok(run.view());
        }
        let record = self.0.catalog.run(id).await?.ok_or(RunError::NoRun)?;
        Ok(record.into())
    }

    /// What a run does, and the source that it does it with; nothing for one from before that was written down.
    ///
    /// # Errors
    /// [`RunError::NoRun`] or [`RunError::Catalog`].
    pub async fn about(&self, id: &Id) -> Result<(RunKind, Option<Id>), RunError> {
        if let Some(run) = self.running(id) {
            return Ok((run.kind, Some(run.source.clone())));
        }
        let record = self.0.catalog.run(id).await?.ok_or(RunError::NoRun)?;
        Ok((record.kind, Id::parse(&record.source).ok()))
    }

    /// A run to be followed to its end.
    ///
    /// # Errors
    /// [`RunError::NoRun`] or [`RunError::Catalog`].
    pub async fn follow(&self, id: &Id) -> Result<Followed, RunError> {
        match self.running(id) {
            Some(run) => Ok(Followed::Running(Follow {
                ended: run.end.subscribe(),
                run,
            })),
            None => Ok(Followed::Ended(Box::new(self.view(id).await?))),
        }
    }

    /// Asks a run to stop. One that has ended stays as it is.
    ///
    /// # Errors
    /// [`RunError::NoRun`] or [`RunError::Catalog`].
    pub async fn cancel(&self, id: &Id) -> Result<(), RunError> {
        match self.running(id) {
            Some(run) => run.progress.cancel(),
            None => drop(self.view(id).await?),
        }
        Ok(())
    }

    /// Takes the sole right to restore into a database, by a name that is the same for all ways to it.
    ///
    /// # Errors
    /// [`RunError::Busy`].
    pub fn lock_target(&self, target: &str) -> Result<TargetLock, RunError> {
        if self.0.targets().insert(target.to_owned()) {
            Ok(TargetLock {
                shared: self.0.clone(),
                target: target.to_owned(),
            })
        } else {
            Err(RunError::Busy {
                target: target.to_owned(),
            })
        }
    }

    /// Starts no further run, cancels the running ones, and waits for their end. Says whether all ended within
    /// `limit`.
    pub async fn stop(&self, limit: Duration) -> bool {
        self.0.stopping.store(true, Ordering::SeqCst);
        for run in self.0.running().values() {
            run.progress.cancel();
        }
        self.0.tasks.close();
        tokio::time::timeout(limit, self.0.tasks.wait())
            .await
            .is_ok()
    }

    /// Whether no further run is started, since the process is about to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stopping.load(Ordering::SeqCst)
    }

    fn running(&self, id: &Id) -> Option<Arc<Running>> {
        self.0.running().get(id).cloned()
    }
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, HashMap<Id, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn targets(&self) -> MutexGuard<'_, HashSet<String>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn end(&self, run: &Running, outcome: Result<Value, RunFailure>) {
        let mut view = run.view();
        match outcome {
            Ok(result) => {
                view.state = RunState::Done;
                view.result = Some(result);
                tracing::info!(run = %run.id, kind = ?run.kind, "done");
            }
            Err(failure) if failure.is_cancelled() => {
                view.state = RunState::Cancelled;
                tracing::info!(run = %run.id, kind = ?run.kind, "cancelled");
            }
            Err(failure) => {
                tracing::warn!(run = %run.id, kind = ?run.kind, code = failure.code, detail = failure.detail, "failed");
                view.state = RunState::Failed;
                view.error = Some(failure);
            }
        }
        let mut record = run.record(&view);
        record.ended_at = Some(clock::text(clock::now()));
        if let Err(error) = self.catalog.write_run(&record).await {
            tracing::error!(run = %run.id, %error, "the run's end could not be recorded");
        }
        run.end.send_replace(Some(view));
        self.running().remove(&run.id);
    }
}

impl Running {
    fn view(&self) -> RunView {
        self.end.borrow().clone().unwrap_or_else(|| RunView {
            id: self.id.clone(),
            kind: self.kind,
            state: RunState::Running,
            progress: self.progress.snapshot(),
            hooks: self.progress.hooks(),
            result: None,
            error: None,
        })
    }

    fn record(&self, view: &RunView) -> RunRecord {
        let (error_code, error_detail) = view
            .error
            .clone()
            .map(|failure| (failure.code, failure.detail))
            .unzip();
        RunRecord {
            id: self.id.clone(),
            source: self.source.to_string(),
            kind: self.kind,
            state: view.state,
            progress: serde_json::json!(view.progress).to_string(),
            result: view.result.as_ref().map(Value::to_string),
            error_code,
            error_detail,
            hooks: serde_json::json!(view.hooks).to_string(),
            started_at: self.started_at.clone(),
            ended_at: None,
        }
    }
}

impl From<RunRecord> for RunView {
    fn from(record: RunRecord) -> Self {
        Self {
            id: record.id,
            kind: record.kind,
            state: record.state,
            // Both were written by this program; what another hand made of them is not worth failing for.
            progress: serde_json::from_str(&record.progress).unwrap_or_default(),
            hooks: serde_json::from_str(&record.hooks).unwrap_or_default(),
            result: record
                .result
                .and_then(|result| serde_json::from_str(&result).ok()),
            error: record
                .error_code
                .zip(record.error_detail)
                .map(|(code, detail)| RunFailure { code, detail }),
        }
    }
}

impl Drop for TargetLock {
    fn drop(&mut self) {
        self.shared.targets().remove(&self.target);
    }
}

/// A run that somebody follows.
#[derive(Debug)]
pub enum Followed {
    /// It has ended already.
    Ended(Box<RunView>),
    /// It is at work.
    Running(Follow),
}

/// Follows a run at work.
#[derive(Debug)]
pub struct Follow {
    run: Arc<Running>,
    ended: watch::Receiver<Option<RunView>>,
}

impl Follow {
    /// The run as it stands.
    #[must_use]
    pub fn view(&self) -> RunView {
        self.run.view()
    }

    /// Waits for its end, at most for `limit`. Says whether it has ended.
    pub async fn wait(&mut self, limit: Duration) -> bool {
        let ended = self.ended.wait_for(Option::is_some);
        tokio::time::timeout(limit, ended).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::temporary;

    async fn ended(runs: &Runs, id: &Id) -> RunView {
        match runs.follow(id).await.unwrap() {
            Followed::Ended(view) => *view,
            Followed::Running(mut follow) => {
                assert!(follow.wait(Duration::from_secs(10)).await);
                follow.view()
            }
        }
    }

    async fn until_cancelled(progress: Progress) -> Result<Value, RunFailure> {
        while !progress.cancelled() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(RunFailure::new("cancelled", "cancelled"))
    }

    #[tokio::test]
    async fn a_run_is_followed_and_recorded() {
        let (_folder, catalog) = temporary().await;
        let runs = Runs::new(catalog.clone());
        let id = runs
            .start(
                RunKind::Backup,
                &Id::random().unwrap(),
                |progress| async move {
                    progress.add_rows(3);
                    Ok(serde_json::json!({ "rows": 3 }))
                },
            )
            .await
            .unwrap();
        let view = ended(&runs, &id).await;
        assert_eq!(view.state, RunState::Done);
        assert_eq!(view.progress.rows, 3);
        // Another process would find the same.
        assert_eq!(Runs::new(catalog).view(&id).await.unwrap(), view);
        let nobody = Id::random().unwrap();
        assert!(matches!(runs.view(&nobody).await, Err(RunError::NoRun)));
        assert!(matches!(runs.cancel(&nobody).await, Err(RunError::NoRun)));
    }

    #[tokio::test]
    async fn a_cancelled_run_is_no_failure_and_a_panic_is_one() {
        let (_folder, catalog) = temporary().await;
        let runs = Runs::new(catalog);
        let id = runs
            .start(RunKind::Restore, &Id::random().unwrap(), until_cancelled)
            .await
            .unwrap();
        assert_eq!(runs.view(&id).await.unwrap().state, RunState::Running);
        runs.cancel(&id).await.unwrap();
        let view = ended(&runs, &id).await;
        assert_eq!((view.state, view.error), (RunState::Cancelled, None));

        let id = runs
            .start(RunKind::Restore, &Id::random().unwrap(), |_| async {
                panic!("on purpose")
            })
            .await
            .unwrap();
        let view = ended(&runs, &id).await;
        assert_eq!(view.error.unwrap().code, "defect");
    }

    #[tokio::test]
    async fn there_is_an_end_to_the_number_of_runs_and_to_all_of_them() {
        let (_folder, catalog) = temporary().await;
        let runs = Runs::new(catalog);
        for _ in 0..MAX_RUNNING {
            runs.start(RunKind::Restore, &Id::random().unwrap(), until_cancelled)
                .await
                .unwrap();
        }
        assert!(matches!(
            runs.start(RunKind::Restore, &Id::random().unwrap(), until_cancelled)
                .await,
            Err(RunError::TooMany { .. })
        ));
        assert!(runs.stop(Duration::from_secs(10)).await);
        assert!(matches!(
            runs.start(RunKind::Restore, &Id::random().unwrap(), until_cancelled)
                .await,
            Err(RunError::Stopping)
        ));
    }

    #[tokio::test]
    async fn a_target_takes_one_restore_at_a_time() {
        let (_folder, catalog) = temporary().await;
        let runs = Runs::new(catalog);
        let lock = runs.lock_target("shop").unwrap();
        assert!(matches!(
            runs.lock_target("shop"),
            Err(RunError::Busy { .. })
        ));
        runs.lock_target("other").unwrap();
        drop(lock);
        runs.lock_target("shop").unwrap();
    }
}
