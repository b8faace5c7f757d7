//! The `coffer` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    coffer_server::cli::main()
}
