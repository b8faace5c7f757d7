//! Other people's programs: run without a shell, bounded in time, and in what is kept of their output.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io::{self, PipeReader, Read},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Mutex,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    process::{Pid, PidfdFlags, Resource, Rlimit, Signal, kill_process_group, pidfd_open, prlimit},
};

use crate::progress::Progress;

/// Bytes of output that are kept: the last ones, which mostly say what went wrong.
pub const KEPT_OUTPUT: usize = 16 << 10;
/// How often a running program looks whether its run was cancelled.
const TICK: Duration = Duration::from_millis(100);
/// Pieces of output that are still read after a program's end, if another process that it started goes on writing.
const PIECES_AFTER_END: usize = 64;
const PIECE: usize = 4 << 10;

/// A program that is about to be run.
#[derive(Debug)]
pub struct Program {
    /// The program's name or path, and its arguments.
    pub argv: Vec<OsString>,
    /// How long it may take.
    pub time_limit: Duration,
    /// Bytes that each file it writes may have.
    pub file_limit: Option<u64>,
    /// Where it runs; where Coffer does by default.
    pub folder: Option<PathBuf>,
    /// Its environment.
    pub environment: Environment,
}

/// What a program finds in its environment.
#[derive(Debug)]
pub enum Environment {
    /// All that Coffer has but what was [withheld](withhold), and these besides.
    Inherited(Vec<(&'static str, String)>),
    /// Only what most programs need to work at all: it works on data of strangers, and has no business with secrets.
    Bare,
}

/// Variables of [`Environment::Bare`].
const BARE: [&str; 6] = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/// The variables that [`withhold`] was told of. The environment itself is the process's, so this is too.
static WITHHELD: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Keeps an environment variable from every program that is run from now on: it holds a password that opens archives.
///
/// That spares a program that prints or sends its environment from telling it. A program that looks for it on purpose
/// runs as the same user, and can read whatever this process can.
pub fn withhold(variable: &str) {
    withheld().insert(variable.to_owned());
}

fn withheld() -> std::sync::MutexGuard<'static, BTreeSet<String>> {
    WITHHELD
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself, with this exit code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It took longer than it may, and was killed.
    OutOfTime,
    /// Its run was cancelled, and it was killed.
    Cancelled,
}

/// What a program left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it ended.
    pub end: End,
    /// The end of what it wrote to standard output and standard error.
    pub output: String,
}

impl Ended {
    /// Why it counts as failed; `None` if it doesn't.
    #[must_use]
    pub fn fault(&self, time_limit: Duration) -> Option<String> {
        match self.end {
            End::Exited(0) => None,
            End::Exited(code) => Some(format!("it ended with exit code {code}")),
            End::Killed(signal) => Some(format!("it was ended by signal {signal}")),
            End::OutOfTime => Some(format!(
                "it took longer than {} s and was ended",
                time_limit.as_secs()
            )),
            End::Cancelled => Some("it was ended, since the run was cancelled".to_owned()),
        }
    }

    /// The last line that isn't empty, shortened: what a program says when it fails.
    #[must_use]
    pub fn last_line(&self) -> Option<String> {
        const LONGEST: usize = 200;
        let line = self.output.lines().rev().map(str::trim);
        let line = line.into_iter().find(|line| !line.is_empty())?;
        Some(line.chars().take(LONGEST).collect())
    }
}

impl Program {
    /// Runs it to its end. It reads nothing on its standard input.
    ///
    /// # Errors
    /// What the system says if it can't be started or waited for.
    pub fn run(&self, progress: Option<&Progress>) -> io::Result<Ended> {
        let (output, child) = self.start()?;
        let mut running = Running {
            group: Pid::from_child(&child),
            child,
            output: Some(output),
            kept: Vec::new(),
            reaped: false,
        };
        running.limit(self.file_limit)?;
        let end = running.wait(Instant::now() + self.time_limit, progress)?;
        Ok(Ended {
            end,
            output: running.text(),
        })
    }

    fn start(&self) -> io::Result<(PipeReader, Child)> {
        let (name, arguments) = self.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let (reader, writer) = io::pipe()?;
        let mut command = Command::new(name);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            // A group of its own, so that what it starts can be ended with it, and Ctrl-C is for Coffer to answer.
            .process_group(0);
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        match &self.environment {
            Environment::Inherited(more) => {
                for name in withheld().iter() {
                    command.env_remove(name);
                }
                command.envs(more.iter().map(|(name, value)| (*name, value)));
            }
            Environment::Bare => {
                let kept = BARE.map(|name| (name, std::env::var_os(name)));
                command.env_clear();
                command.envs(
                    kept.into_iter()
                        .filter_map(|(name, value)| Some((name, value?))),
                );
            }
        }
        Ok((reader, command.spawn()?))
    }
}

/// A program that runs. Dropped before its end, it is killed.
struct Running {
    child: Child,
    group: Pid,
    output: Option<PipeReader>,
    kept: Vec<u8>,
    reaped: bool,
}

impl Running {
    fn limit(&self, bytes: Option<u64>) -> io::Result<()> {
        let limit = Rlimit {
            current: bytes,
            maximum: bytes,
        };
        match bytes.map(|_| prlimit(Some(self.group), Resource::Fsize, limit)) {
            // It may have ended already.
            None | Some(Ok(_) | Err(Errno::SRCH)) => Ok(()),
            Some(Err(error)) => Err(error.into()),
        }
    }

    fn wait(&mut self, deadline: Instant, progress: Option<&Progress>) -> io::Result<End> {
        let process = pidfd_open(self.group, PidfdFlags::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if progress.is_some_and(Progress::cancelled) {
                return self.kill(End::Cancelled);
            }
            if left.is_zero() {
                return self.kill(End::OutOfTime);
            }
            let mut waited = vec![PollFd::new(&process, PollFlags::IN)];
            if let Some(output) = &self.output {
                waited.push(PollFd::new(output, PollFlags::IN));
            }
            let timeout = Timespec::try_from(left.min(TICK)).map_err(io::Error::other)?;
            match poll(&mut waited, Some(&timeout)) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            let has = |index: usize| waited.get(index).is_some_and(|fd| !fd.revents().is_empty());
            let (ended, written) = (has(0), has(1));
            if written {
                self.read()?;
            }
            if ended {
                for _ in 0..PIECES_AFTER_END {
                    if !self.has_output()? {
                        break;
                    }
                    self.read()?;
                }
                return self.reap().map(|status| match status.code() {
                    Some(code) => End::Exited(code),
                    None => End::Killed(status.signal().unwrap_or_default()),
                });
            }
        }
    }

    fn has_output(&self) -> io::Result<bool> {
        let Some(output) = &self.output else {
            return Ok(false);
        };
        let mut waited = [PollFd::new(output, PollFlags::IN)];
        Ok(poll(&mut waited, Some(&Timespec::default()))? > 0)
    }

    /// Reads what is there, which poll has said is not nothing.
    fn read(&mut self) -> io::Result<()> {
        let mut piece = [0; PIECE];
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let len = output.read(&mut piece)?;
        if len == 0 {
            self.output = None;
        }
        self.kept.extend(piece.iter().take(len));
        if let over @ 1.. = self.kept.len().saturating_sub(KEPT_OUTPUT) {
            self.kept.drain(..over);
        }
        Ok(())
    }

    fn kill(&mut self, end: End) -> io::Result<End> {
        self.reap_killed()?;
        Ok(end)
    }

    fn reap_killed(&mut self) -> io::Result<()> {
        // It isn't waited for yet, so that its number is still its own.
        match kill_process_group(self.group, Signal::KILL) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
        self.reap().map(drop)
    }

    fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait()?;
        self.reaped = true;
        Ok(status)
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped
            && let Err(error) = self.reap_killed()
        {
            tracing::warn!(%error, "a program that was started could not be ended");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(script: &str) -> Program {
        Program {
            argv: ["sh", "-c", script].map(OsString::from).to_vec(),
            time_limit: Duration::from_secs(60),
            file_limit: None,
            folder: None,
            environment: Environment::Inherited(vec![("GIVEN", "a b".to_owned())]),
        }
    }

    #[test]
    fn output_and_exit_code_are_told() {
        let ended = program("echo \"$GIVEN\"; cat; echo wrong >&2; exit 3")
            .run(None)
            .unwrap();
        assert_eq!(ended.end, End::Exited(3));
        assert_eq!(ended.output, "a b\nwrong\n");
        assert_eq!(ended.last_line().as_deref(), Some("wrong"));
        let limit = Duration::from_secs(1);
        assert_eq!(
            ended.fault(limit).as_deref(),
            Some("it ended with exit code 3")
        );
        assert_eq!(program("true").run(None).unwrap().fault(limit), None);
        let killed = program("kill -9 $$").run(None).unwrap();
        assert_eq!(killed.end, End::Killed(9));
    }

    #[test]
    fn a_variable_that_is_withheld_does_not_get_there() {
        // Cargo sets both for every test that it runs.
        withhold("CARGO_PKG_NAME");
        let ended = program("echo \"${CARGO_PKG_NAME-none} ${CARGO_PKG_VERSION:+there}\"")
            .run(None)
            .unwrap();
        assert_eq!(ended.output, "none there\n");
    }

    #[test]
    fn only_the_last_of_much_output_is_kept() {
        let ended = program("i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done")
            .run(None)
            .unwrap();
        assert_eq!(ended.end, End::Exited(0));
        assert_eq!(ended.output.len(), KEPT_OUTPUT);
        assert!(ended.output.ends_with("line 29998\nline 29999\n"));
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let alive = folder.path().join("alive");
        let script = format!(
            "(sleep 600; touch '{0}') & sleep 600; touch '{0}'",
            alive.display()
        );
        let started = Instant::now();
        let ended = Program {
            time_limit: Duration::from_millis(300),
            ..program(&script)
        }
        .run(None)
        .unwrap();
        assert_eq!(ended.end, End::OutOfTime);
        assert!(started.elapsed() < Duration::from_secs(300));
        assert!(!alive.exists());
    }

    #[test]
    fn a_cancelled_run_ends_its_program() {
        let progress = Progress::default();
        progress.cancel();
        let ended = program("sleep 600").run(Some(&progress)).unwrap();
        assert_eq!(ended.end, End::Cancelled);
    }

    #[test]
    fn who_goes_on_writing_in_the_background_keeps_nobody_waiting() {
        let ended = program("(while :; do echo more; sleep 0.01; done) & echo $!")
            .run(None)
            .unwrap();
        assert_eq!(ended.end, End::Exited(0));
        let pid: i32 = ended
            .output
            .lines()
            .find_map(|line| line.parse().ok())
            .unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn files_have_their_limit_and_secrets_are_not_handed_on() {
        let folder = tempfile::tempdir().unwrap();
        let ended = Program {
            file_limit: Some(5000),
            folder: Some(folder.path().to_owned()),
            environment: Environment::Bare,
            // The limit is set a moment after the start.
            ..program("sleep 0.2; env; head -c 100000 /dev/zero > big")
        }
        .run(None)
        .unwrap();
        assert_ne!(ended.end, End::Exited(0), "{ended:?}");
        assert_eq!(
            std::fs::metadata(folder.path().join("big")).unwrap().len(),
            5000
        );
        assert!(ended.output.contains("PATH="), "{ended:?}");
        assert!(!ended.output.contains("CARGO"), "{ended:?}");
    }

    #[test]
    fn what_is_not_there_can_not_be_started() {
        let mut missing = program("");
        missing.argv = vec![OsString::from("/nonexistent/program")];
        assert_eq!(
            missing.run(None).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
