//! Parse, dispatch, print the error, exit.

use std::io::{self, Write};
use std::process::ExitCode;

use mlserve::cli::{Cli, Command, Failure, ServeArgs, parse};
use mlserve::error::{Error, Result};
use mlserve::model::runtime;
use mlserve::{allocator, inspect, predict, serve};

fn main() -> ExitCode {
    runtime::disable_telemetry();
    let outcome = match parse(std::env::args_os().collect()) {
        Ok(cli) => dispatch(&cli),
        Err(Failure::Line(error)) => error.exit(),
        Err(Failure::Config(fault)) => Err(Error::usage(fault.message).at(fault.place)),
    };
    let Err(error) = outcome else {
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
            serve::run(args, typed_again)
        }
        Some(Command::Inspect(args)) => inspect::run(args),
        // Nothing but a command, --licenses, --help and --version gets through the parser.
        None => print_licenses(),
    }
}

/// What `serve` is told now, with its configuration file as it is now.
fn typed_again() -> Result<Box<ServeArgs>> {
    match parse(std::env::args_os().collect()) {
        Ok(Cli {
            command: Some(Command::Serve(args)),
            ..
        }) => Ok(args),
        Ok(_) => Err(Error::usage("the command line is another")),
        Err(Failure::Line(error)) => {
            let text = error.render().to_string();
            Err(Error::usage(text.lines().next().unwrap_or_default()))
        }
        Err(Failure::Config(fault)) => Err(Error::usage(fault.message).at(fault.place)),
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
