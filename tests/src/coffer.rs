//! The built `coffer` program, run as a user would run it.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::Read,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
};

use crate::planned::{self, Uncompared};

/// The program's path: `COFFER_BIN`, else where `cargo build --release` puts it.
#[must_use]
pub fn program() -> PathBuf {
    env::var_os("COFFER_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release/coffer"),
        PathBuf::from,
    )
}

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// Its exit code, -1 if a signal ended it.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// Its peak resident memory in bytes.
    pub peak_memory: u64,
}

impl Run {
    /// The standard output as JSON.
    ///
    /// # Panics
    /// If it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// This run, once it is known to have gone well.
    ///
    /// # Panics
    /// If it has not.
    #[must_use]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }
}

/// Runs `coffer` with arguments and further environment variables, without a terminal. Safety backups go with the end of
/// the run, unless the environment names a folder for them. A restore is planned before, and what it does compared with
/// its plan.
///
/// # Panics
/// If it can't be started: run `cargo build --release` first. If a restore does anything else than planned.
pub fn coffer<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, &str)],
) -> Run {
    let arguments: Vec<S> = arguments.into_iter().collect();
    let plain = |arguments: &[OsString]| run(Command::new(program()).args(arguments), environment);
    match planned::Command::of(&arguments) {
        Some(restore) => planned::restored(&restore, environment, plain),
        None => run(Command::new(program()).args(arguments), environment),
    }
}

/// As [`coffer`], for a restore that no plan made before it can be compared with. It is the caller who shows what was done.
///
/// # Panics
/// As [`coffer`]; if it is no restore.
pub fn coffer_uncompared<S: AsRef<OsStr>>(
    why: Uncompared,
    arguments: impl IntoIterator<Item = S>,
    environment: &[(&str, &str)],
) -> Run {
    let arguments: Vec<S> = arguments.into_iter().collect();
    let restore = planned::Command::of(&arguments);
    assert!(restore.is_some(), "not compared anyway: {why:?}");
    run(Command::new(program()).args(arguments), environment)
}

/// As [`coffer`], but no file can get larger than `bytes`, as if there were no room for more.
pub fn coffer_with_small_files(
    arguments: &[String],
    environment: &[(&str, &str)],
    bytes: u64,
) -> Run {
    // The shell counts blocks of 512 bytes. The program is not to be ended by the signal, but to get an error.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", bytes / 512);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script, "sh"]).arg(program());
    run(command.args(arguments), environment)
}

#[allow(clippy::zombie_processes)] // It is waited for, by wait4, which tells its memory too.
fn run(command: &mut Command, environment: &[(&str, &str)]) -> Run {
    let safety = tempfile::tempdir().unwrap();
    let mut child = command
        .env("COFFER_SAFETY_FOLDER", safety.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("coffer is built with `cargo build --release`");
    let mut stderr = child.stderr.take().unwrap();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut stdout = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut stdout)
        .unwrap();
    let stderr = reading.join().unwrap();

    let mut status = 0;
    // SAFETY: a zeroed rusage is a valid one, and both pointers outlive the call.
    let (waited, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        (libc::wait4(pid, &raw mut status, 0, &raw mut usage), usage)
    };
    assert!(waited > 0, "coffer could not be waited for");
    Run {
        code: ExitStatus::from_raw(status).code().unwrap_or(-1),
        stdout,
        stderr,
        // Linux counts in KiB.
        peak_memory: u64::try_from(usage.ru_maxrss).unwrap() * 1024,
    }
}
