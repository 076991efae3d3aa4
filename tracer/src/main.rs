//! `tracer`, the program: see the library for its parts.

use std::{
    env,
    io::{self, Write as _},
    process::ExitCode,
};

use clap::{CommandFactory as _, error::ErrorKind};
use tracer::{
    cli::{self, Cli, Command, LiveArgs},
    logger,
    metrics::{self, Address},
    output, privileged,
    settings::{self, Running, Settings},
};

/// Exit status of a failure.
const FAILURE: u8 = 1;

/// Exit status of settings that make no sense, as the command line's parser
/// has it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    // Usage errors end the process here, with status 2.
    let settings = match Settings::new(env::args_os()) {
        Ok(settings) => settings,
        Err(settings::Error::CommandLine(error)) => error.exit(),
        Err(error) => {
            logger::init(log::LevelFilter::Error);
            log::error!("{error}");
            return ExitCode::from(USAGE);
        }
    };
    let Cli { command, live, .. } = &settings.cli;
    let command = command.clone().unwrap_or_else(|| Command::Live(LiveArgs::default()));
    if !matches!(command, Command::Live(_) | Command::Config(_) | Command::Status { .. })
        && *live != LiveArgs::default()
    {
        conflict("--interface, --hook and --ring-size are options of `live`");
    }
    let running = Running::new(&settings).unwrap_or_else(|error| conflict(&error.to_string()));
    let config = &running.config;
    logger::init(config.log);
    if let Some(path) = settings.path() {
        log::debug!("settings of {} count where the command line gives none", path.display());
    }
    let done = match command {
        Command::Read { files } => tracer::read::read(&files, config).map(|()| ExitCode::SUCCESS),
        // Forks: this process must have one thread up to here.
        Command::Live(_) => privileged::live(running).map_err(Into::into),
        Command::Check => Ok(privileged::check(config)),
        Command::Config(_) => say(&settings::print(&settings, config)),
        Command::Status { address } => {
            let address = address.or_else(|| config.live.metrics.clone());
            let page = metrics::status(&address.unwrap_or_else(Address::usual));
            page.map_err(Into::into).and_then(|page| say(&page))
        }
        Command::Schema => say(&format!("{:#}\n", output::schema())),
        Command::Completions { shell } => say(&cli::completions(shell)),
        Command::Man { command } => match cli::manual(command.as_deref()) {
            Ok(page) => say(&page),
            Err(message) => conflict(&message),
        },
    };
    match done {
        Ok(status) => status,
        Err(error) => {
            log::error!("{}", words(&error));
            ExitCode::from(FAILURE)
        }
    }
}

/// An error with its causes, but for those that were said already: errors of
/// this program mostly tell of their cause themselves.
fn words(error: &anyhow::Error) -> String {
    error.chain().fold(String::new(), |said, cause| {
        let cause = cause.to_string();
        match &*said {
            "" => cause,
            known if known.contains(&cause) => said,
            _ => format!("{said}: {cause}"),
        }
    })
}

/// Prints what was asked for.
fn say(page: &str) -> anyhow::Result<ExitCode> {
    match io::stdout().write_all(page.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Ends the process with a message about choices that do not go together.
fn conflict(message: &str) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, message).exit()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        let refused = || anyhow!(io::Error::other("refused"));
        assert_eq!(words(&refused().context("asking")), "asking: refused");
        assert_eq!(
            words(&refused().context("asking: refused, as ever")),
            "asking: refused, as ever"
        );
        let deep = Err::<(), _>(refused()).context("asking").context("telling").unwrap_err();
        assert_eq!(words(&deep), "telling: asking: refused");
    }
}
