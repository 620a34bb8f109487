//! Parse, dispatch, print the error, exit.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use mlserve::cli::{Cli, Command};
use mlserve::error::{Error, Result};
use mlserve::model::runtime;
use mlserve::{inspect, predict};

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
        Command::Predict(args) => predict::run(args),
        Command::Inspect(args) => inspect::run(args),
    }
}

fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1))
}
