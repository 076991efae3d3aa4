//! `tracer`, the program: see the library for its parts.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use tracer::{
    cli::{Cli, Command, LiveArgs},
    config::Config,
    logger, output, privileged,
};

/// Exit status of a failure.
const FAILURE: u8 = 1;

fn main() -> ExitCode {
    // Usage errors end the process here, with status 2.
    let Cli { command, live, common } = Cli::parse();
    let (command, live) = match command {
        None => (Command::Live(LiveArgs::default()), live),
        Some(Command::Live(more)) => (Command::Live(LiveArgs::default()), live.merge(more)),
        Some(other) => {
            if live != LiveArgs::default() {
                usage("--interface, --hook and --ring-size are options of `live`");
            }
            (other, live)
        }
    };
    let config = Config::new(&live, &common).unwrap_or_else(|error| usage(&error.to_string()));
    logger::init(config.log);
    let done = match command {
        Command::Read { files } => tracer::read::read(&files, &config).map(|()| ExitCode::SUCCESS),
        // Forks: this process must have one thread up to here.
        Command::Live(_) => privileged::live(&config).map_err(Into::into),
        Command::Check => Ok(privileged::check(&config)),
        Command::Schema => schema().map(|()| ExitCode::SUCCESS).map_err(Into::into),
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            log::error!("{error:#}");
            ExitCode::from(FAILURE)
        }
    }
}

/// Prints the schema of the output, as docs/events.schema.json holds it.
fn schema() -> io::Result<()> {
    match writeln!(io::stdout(), "{:#}", output::schema()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Ends the process with a message about how it was called.
fn usage(message: &str) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, message).exit()
}
