//! `coffer-wasm-bindgen IN.wasm OUT-DIR`: writes the ES module, the TypeScript declarations and the
//! final WebAssembly of a module that was built with the `wasm-bindgen` library.
//!
//! The library and this program must be of one version, because the format between them is private.
//! The workspace pins both with `=`, so `cargo` keeps them together and nothing is downloaded ready-built.

use std::{env, ffi::OsString, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    match run(env::args_os().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "the message of a command-line program")]
            {
                eprintln!("{error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Vec<OsString>) -> Result<()> {
    let [input, output] =
        <[PathBuf; 2]>::try_from(arguments.into_iter().map(PathBuf::from).collect::<Vec<_>>())
            .or_else(|_| bail!("usage: coffer-wasm-bindgen IN.wasm OUT-DIR"))?;

    Bindgen::new()
        .input_path(&input)
        .web(true)?
        .typescript(true)
        .generate(&output)
        .with_context(|| {
            format!(
                "{} could not be bound to JavaScript and {} may be incomplete; if the versions differ, set \
                 `wasm-bindgen` and `wasm-bindgen-cli-support` to one version in the workspace's Cargo.toml",
                input.display(),
                output.display(),
            )
        })
}
