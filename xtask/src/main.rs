//! The project's own commands; `cargo xtask help` lists them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

mod bench;
mod build;
mod corpus;
mod dist;
mod fuzz;
mod lint;
mod process;
mod run;
mod setup;
mod soak;
mod test;
mod versions;
mod workspace;

use std::{env, ffi::OsString, process::ExitCode};

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  setup            find or install all that a build and the tests need
  build [--debug]  set up, then build tracer (release unless --debug)
  run [ARGS…]      set up, build, then run tracer with ARGS as root, else through sudo
  test [ARGS…]     set up and run all tests; ARGS go to `cargo test`
  test --kernels [ARGS…]
                   make the package and run it on other kernels, in virtual machines
  corpus DIR       hold `tracer read` against the readings of a folder of captures
                   [--protocol P] [--capture PART-OF-NAME] [--recompute] [--debug]
  fuzz [TARGET [FILE]] [--minutes N | --seconds N] [--seed N]
                   look for inputs that break TARGET, or all targets, 20 s each;
                   with FILE, run that input; the same seed searches the same way
  soak [--minutes N] [--mixed]
                   besiege tracer with floods, endless messages and faults in full size, then
                   with all in turn beside real traffic for N minutes (10), --mixed only that,
                   and hold every event against what happened
  bench [CASE…]    measure tracer beside what users would pick instead, as root or
                   through sudo: [--rounds N] [--quick] [--tools A,B] [--minutes N]
                   [--json FILE] [--write]; --list shows the cases
  dist [--twice]   make a .deb, a tar.gz with a static binary, an SBOM and checksums in
                   target/dist; --twice makes them again elsewhere and compares
  lint             formatting, clippy for host and BPF, documentation, licences
  help             this page
";

fn main() -> ExitCode {
    match command() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Result<ExitCode> {
    let mut arguments = env::args_os().skip(1);
    let name = arguments.next().unwrap_or_else(|| "help".into());
    let rest: Vec<OsString> = arguments.collect();
    match (name.to_str().unwrap_or_default(), rest.as_slice()) {
        // Others hand their arguments on to what has help of its own.
        ("setup" | "build" | "corpus" | "dist" | "fuzz" | "lint" | "soak", arguments)
            if ask_for_help(arguments) =>
        {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        ("setup", []) => {
            setup::for_builds()?;
            setup::for_tests();
            Ok(ExitCode::SUCCESS)
        }
        ("build", []) => build::build(build::Profile::Release),
        ("build", [flag]) if flag == "--debug" => build::build(build::Profile::Debug),
        ("run", arguments) => run::run(arguments),
        ("test", arguments) => test::test(arguments),
        ("corpus", arguments) => corpus::corpus(arguments),
        ("dist", arguments) => dist::dist(arguments),
        ("fuzz", arguments) => fuzz::fuzz(arguments),
        ("soak", arguments) => soak::soak(arguments),
        ("bench", arguments) => bench::bench(arguments),
        ("lint", []) => lint::lint(),
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        (name, _) => bail!("`{name}` with these arguments is no command\n\n{HELP}"),
    }
}

fn ask_for_help(arguments: &[OsString]) -> bool {
    arguments.iter().any(|argument| argument == "--help" || argument == "-h")
}
