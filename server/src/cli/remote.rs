//! `coffer --server URL …`: backups and restores of a server elsewhere, by its HTTP interface.
//!
//! Archives are opened here. What a restore needs goes to the server as a restore bundle, sealed under a one-time key,
//! as the page does it: neither a password nor a key of an archive leaves this machine.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand};
use url::Url;

use super::{Failure, Output};

mod archive;
mod backup;
mod client;
mod download;
mod failure;
mod list;
mod restore;
mod runs;
mod token;
mod upload;
mod views;
mod wanted;

use client::Client;

/// Backups, downloads and restores of a Coffer server elsewhere.
#[derive(Debug, Parser)]
#[command(
    name = "coffer",
    version,
    after_help = "The API token is read from the environment variable COFFER_TOKEN, or from --token-file. Make one on \
                  the server's page, under Account.\n\
                  Archives are opened on this machine: no password and no key of theirs is sent.\n\
                  Exit codes are those of `coffer --help`."
)]
pub(super) struct Cli {
    #[command(subcommand)]
    command: Command,

    /// The server's address, as in the browser.
    #[arg(long, global = true, value_name = "URL")]
    server: Option<String>,

    /// Read the API token from the first line of this file.
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// Send the token by http:// to another machine, where everybody on the way can read it.
    #[arg(long, global = true)]
    insecure: bool,

    /// Print one JSON document for programs, and no progress.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what the server has: sources, backups, jobs, profiles, or runs that are at work.
    List(list::Args),
    /// Have the server back up one of its sources, and wait until the stored backup is verified.
    Backup(backup::Args),
    /// Fetch a stored backup, as it is sealed. One that was interrupted goes on where it stopped.
    Download(download::Args),
    /// Say what a restore into one of the server's sources would do.
    Plan(restore::PlanArgs),
    /// Restore an archive into one of the server's sources, all or nothing.
    Restore(restore::RestoreArgs),
}

/// Whether these arguments, without the program's name, are for a server elsewhere.
pub(super) fn is_meant(arguments: impl IntoIterator<Item = OsString>) -> bool {
    arguments
        .into_iter()
        .take_while(|argument| argument != "--")
        .any(|argument| {
            argument == "--server" || argument.as_encoded_bytes().starts_with(b"--server=")
        })
}

pub(super) async fn run(cli: Cli, output: &Output) -> Result<(), Failure> {
    let address = cli.server.unwrap_or_default();
    let address = Url::parse(&address).map_err(|error| {
        Failure::usage(format!(
            "--server takes an address such as https://backups.example: {error}"
        ))
    })?;
    client::check_address(&address, cli.insecure)?;
    let client = Client::new(address, token::read(cli.token_file.as_deref())?)?;
    match cli.command {
        Command::List(args) => list::run(args, client, output).await,
        Command::Backup(args) => backup::run(args, client, output).await,
        Command::Download(args) => download::run(args, client, output).await,
        Command::Plan(args) => restore::plan(args, client, output).await,
        Command::Restore(args) => restore::run(args, client, output).await,
    }
}

/// Does what blocks, beside the thread that shows progress and hears signals.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        Failure::failed(
            "defect",
            "this stopped because of a defect of the program; please report it",
        )
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_be_named_anywhere() {
        let meant = |text: &str| is_meant(text.split(' ').map(OsString::from));
        for text in [
            "--server http://a list",
            "list --server http://a",
            "--json --server=http://a list",
        ] {
            assert!(meant(text), "{text}");
        }
        for text in ["serve", "backup --out --servers", "inspect -- --server"] {
            assert!(!meant(text), "{text}");
        }
    }

    #[test]
    fn the_arguments_fit_each_other() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
