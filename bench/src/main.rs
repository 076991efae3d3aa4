//! `bench`: see `cargo xtask bench`, which builds and starts it.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::{fs, process::ExitCode};

use anyhow::{Context as _, Result};
use bench::{cases, findings::Findings, machine::Machine, options::Options, report, say};
use clap::Parser as _;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        for case in cases::all() {
            println!("{:<12}{}", case.name, case.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    if let [load, contender, passes] = options.pass.as_slice() {
        cases::pass(load, contender, passes)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cases = options.chosen()?;
    let mut findings = Findings::new(options);
    for case in cases {
        say(&format!("{}: {}", case.name, case.about));
        findings.begin(case.name);
        if let Err(error) = (case.run)(options, &mut findings) {
            findings.fault(format!("{error:#}"));
        }
        findings.end();
    }
    let report = report::Report::new(options, Machine::look(), findings);
    print!("{}", report.text());
    if let Some(path) = &options.json {
        fs::write(path, report.json()?).with_context(|| path.display().to_string())?;
    }
    if options.write {
        report.write_into(&report::page())?;
    }
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
