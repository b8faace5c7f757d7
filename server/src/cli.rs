//! The `coffer` command line: a file a command.
//!
//! Exit codes: 0 done; 1 failed; 2 wrong usage; 3 wrong password or key; 4 the archive is damaged or is none;
//! 5 refused, nothing was changed; 130 cancelled.

use std::{env, process::ExitCode};

use clap::{Parser, Subcommand};

mod backup;
mod bucket;
mod config;
mod convert;
mod decisions;
mod destination;
mod extract;
mod failure;
mod foreign;
mod hooked;
mod inspect;
mod interrupt;
mod job;
mod key;
mod key_file;
mod ordinary;
mod output;
mod place;
mod plan;
mod preset;
mod publish;
mod records;
mod recover;
mod redact;
mod rekey;
mod remote;
mod restore;
mod safety;
mod salvage;
mod scrub;
mod seal;
mod secret;
mod secret_key;
mod sender;
mod sender_file;
mod serve;
mod signing;
mod source;
mod system;
mod undo;
mod unseal;
mod user;
mod verify;
mod wanted;

use failure::Failure;
use output::Output;

/// Backups of self-hosted applications that can be looked into before they are trusted.
#[derive(Debug, Parser)]
#[command(
    name = "coffer",
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 wrong password or key, 4 the archive is damaged \
                  or is none, 5 refused and nothing was changed, 130 cancelled.\n\
                  Database URLs: postgres://user@host/database (the password from PGPASSWORD or ~/.pgpass), \
                  sqlite:PATH.\n\
                  A server elsewhere: `coffer --server URL` lists, takes and fetches its backups, and restores into its \
                  sources (`coffer --server URL --help`)."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print one JSON document for programs, and no progress.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Back up a live database and its files into one archive.
    Backup(backup::Args),
    /// Show what an archive holds.
    Inspect(inspect::Args),
    /// Make an archive of Coffer's of one of Nosdesk, Nojoin or DBackup.
    Convert(convert::Args),
    /// Check every byte of an archive.
    Verify(verify::Args),
    /// Compare a sealed archive's stored bytes with its scrub table, without any key.
    Scrub(scrub::Args),
    /// Save what is left of a damaged archive into a new ZIP.
    Salvage(salvage::Args),
    /// Take one table or one file out of an archive, reading no more of it than that.
    Extract(extract::Args),
    /// Make a standard archive, to share, of one that holds credentials.
    Redact(redact::Args),
    /// Seal a plain archive with a password, or to public keys.
    Seal(seal::Args),
    /// Turn a sealed archive into a plain one.
    Unseal(unseal::Args),
    /// Change who can open a sealed archive: passwords and public keys.
    Rekey(rekey::Args),
    /// Check, draft and show presets: what an application's credentials and identities are.
    Preset(preset::Args),
    /// Make and show keys to seal archives to.
    Key(key::Args),
    /// Make and show keys to sign archives with.
    Sender(sender::Args),
    /// Say what a restore would do, and keep that plan to carry it out later.
    Plan(plan::Args),
    /// Restore an archive into a database, all or nothing.
    Restore(restore::Args),
    /// Bring back what the last restore replaced, from the safety backup that it took.
    Undo(undo::Args),
    /// Finish or undo a restore that was interrupted between its commit and the last of its files.
    Recover(recover::Args),
    /// Look at a server's jobs and set them off.
    Job(job::Args),
    /// Add and try out where a server's jobs store, and take backups that are there into its catalog.
    Destination(destination::Args),
    /// Change the key that the server's own secrets are wrapped under.
    Secret(secret_key::Args),
    /// Back up and restore the server's own configuration, on its own machine.
    System(system::Args),
    /// List and add the server's users, and give them new passwords, on its own machine.
    User(user::Args),
    /// Run the server: sources, backups and restores in the browser.
    Serve(serve::Args),
}

/// Where the work is to be done.
enum Asked {
    Here(Cli),
    There(remote::Cli),
}

fn listen() -> Result<(), Failure> {
    interrupt::listen().map_err(|error| Failure::failed("runtime", error))
}

/// Runs the command that the process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let asked = if remote::is_meant(env::args_os().skip(1)) {
        Asked::There(remote::Cli::parse())
    } else {
        Asked::Here(Cli::parse())
    };
    let output = Output::new(match &asked {
        Asked::There(cli) => cli.json,
        Asked::Here(cli) => cli.json,
    });
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.fail(&Failure::failed(
                "runtime",
                format!("cannot start: {error}"),
            ));
        }
    };
    let result = runtime.block_on(async {
        // The server stops in its own way.
        let cli = match asked {
            Asked::There(cli) => {
                listen()?;
                return remote::run(cli, &output).await;
            }
            Asked::Here(cli) => cli,
        };
        if !matches!(cli.command, Command::Serve(_)) {
            listen()?;
        }
        match cli.command {
            Command::Backup(args) => backup::run(args, &output).await,
            Command::Inspect(args) => inspect::run(args, &output).await,
            Command::Convert(args) => convert::run(args, &output).await,
            Command::Verify(args) => verify::run(args, &output).await,
            Command::Scrub(args) => scrub::run(args, &output).await,
            Command::Salvage(args) => salvage::run(args, &output).await,
            Command::Extract(args) => extract::run(args, &output).await,
            Command::Redact(args) => redact::run(args, &output).await,
            Command::Seal(args) => seal::run(args, &output).await,
            Command::Unseal(args) => unseal::run(args, &output).await,
            Command::Rekey(args) => rekey::run(args, &output).await,
            Command::Preset(args) => preset::run(args, &output).await,
            Command::Key(args) => key::run(args, &output),
            Command::Sender(args) => sender::run(args, &output),
            Command::Plan(args) => plan::run(args, &output).await,
            Command::Restore(args) => restore::run(args, &output).await,
            Command::Undo(args) => undo::run(args, &output).await,
            Command::Recover(args) => recover::run(args, &output).await,
            Command::Job(args) => job::run(args, &output).await,
            Command::Destination(args) => destination::run(args, &output).await,
            Command::Secret(args) => secret_key::run(args, &output).await,
            Command::System(args) => system::run(args, &output).await,
            Command::User(args) => user::run(args, &output).await,
            Command::Serve(args) => serve::run(args, &output).await,
        }
    });
    // A read that is stuck (a dead network folder, say) must not keep the process from ending.
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.fail(&failure),
    }
}
