//! Parse, dispatch, print the error, exit.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use mlserve::cli::{Cli, Command};
use mlserve::error::{Error, Result};
use mlserve::model::runtime;
use mlserve::{allocator, inspect, predict, serve};

fn main() -> ExitCode {
    runtime::disable_telemetry();
    let Err(error) = dispatch(&Cli::parse()) else {
        return ExitCode::SUCCESS;
    };
    if let Some(report) = error.report() {
        // Nobody may be there to read it; the exit code still tells.
        let _ = writeln!(io::stderr(), "{report}");
    }
    exit_code(&error)
}

fn dispatch(cli: &Cli) -> Result<()> {
    match &cli.command {
        Some(Command::Predict(args)) => {
            allocator::share_freed_memory();
            predict::run(args)
        }
        Some(Command::Serve(args)) => {
            allocator::return_large_memory();
            serve::run(args)
        }
        Some(Command::Inspect(args)) => inspect::run(args),
        // Nothing but a command, --licenses, --help and --version gets through the parser.
        None => print_licenses(),
    }
}

fn print_licenses() -> Result<()> {
    let text = runtime::licenses()?;
    let written = io::stdout().lock().write_all(text.as_bytes());
    written.map_err(|source| Error::io("stdout", &source))
}

fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
