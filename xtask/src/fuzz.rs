//! `cargo xtask fuzz`

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::{self, File},
    iter,
    num::NonZero,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{process::Step, setup, workspace};

/// How long each target is run unless somebody says otherwise.
const USUAL: Duration = Duration::from_secs(20);

/// Limit of asking a program for a line.
const QUESTION: Duration = Duration::from_secs(30);

/// What makes rustc put libFuzzer's counters at every edge, and tell it of the
/// operands of every comparison.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Seconds that one input may take, and MiB that all of it may.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

/// Lines of a failed run that are shown.
const SHOWN: usize = 12;

/// What to do.
#[derive(Debug, Default, PartialEq, Eq)]
struct Choice {
    /// One target; all when there is none.
    target: Option<String>,
    /// An input to be run once.
    input: Option<PathBuf>,
    /// How long to look for inputs.
    time: Option<Duration>,
    /// What the search begins with; another each time when there is none.
    seed: Option<u32>,
}

impl Choice {
    fn new(arguments: &[OsString]) -> Result<Self> {
        let mut choice = Self::default();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut number = || -> Result<u32> {
                let number = rest.next().and_then(|number| number.to_str());
                Ok(number
                    .with_context(|| format!("{}: what number?", argument.display()))?
                    .parse()?)
            };
            match argument.to_str() {
                Some("--minutes") => choice.time = Some(Duration::from_mins(number()?.into())),
                Some("--seconds") => choice.time = Some(Duration::from_secs(number()?.into())),
                Some("--seed") => choice.seed = Some(number()?),
                _ if choice.target.is_none() => {
                    choice.target = Some(argument.to_string_lossy().into_owned());
                }
                _ if choice.input.is_none() => choice.input = Some(argument.into()),
                _ => bail!("what is {}?", argument.display()),
            }
        }
        let searches = choice.time.is_some() || choice.seed.is_some();
        ensure!(choice.input.is_none() || !searches, "an input is run once");
        Ok(choice)
    }
}

/// Builds the fuzzer, and runs one target or all, one on each processor.
pub(crate) fn fuzz(arguments: &[OsString]) -> Result<ExitCode> {
    let choice = Choice::new(arguments)?;
    setup::for_builds()?;
    setup::for_fuzzing()?;
    let program = build()?;
    let targets = Step::new(&program, QUESTION).env("FUZZ_TARGET", "list").output()?;
    let targets: Vec<&str> = targets.lines().collect();
    let chosen = match &choice.target {
        None => targets,
        Some(name) if targets.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => bail!("{name} is none of the targets: {}", targets.join(", ")),
    };
    let failed = failed(chosen, |target| match &choice.input {
        Some(input) => replay(&program, target, input),
        None => search(&program, target, &choice),
    })?;
    if failed.is_empty() {
        println!("fuzz: nothing found");
        return Ok(ExitCode::SUCCESS);
    }
    println!("fuzz: failed: {}", failed.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Runs targets, as many at a time as there are processors; returns those in
/// which something was found.
fn failed(targets: Vec<&str>, run: impl Fn(&str) -> Result<bool> + Sync) -> Result<Vec<&str>> {
    let at_a_time = thread::available_parallelism().map_or(1, NonZero::get);
    let rest = Mutex::new(targets.into_iter());
    let next = || rest.lock().unwrap_or_else(PoisonError::into_inner).next();
    let failed = || {
        let tried = iter::from_fn(next).map(|target| run(target).map(|fine| (target, fine)));
        tried.filter(|tried| !matches!(tried, Ok((_, true)))).map(|tried| Ok(tried?.0)).collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..at_a_time).map(|_| scope.spawn(failed)).collect();
        let found = threads.into_iter().map(|thread| {
            thread.join().unwrap_or_else(|_| bail!("a thread that runs the fuzzer panicked"))
        });
        Ok(found.collect::<Result<Vec<Vec<&str>>>>()?.concat())
    })
}

/// Where the fuzzer is built and what it keeps.
fn folder() -> PathBuf {
    workspace::target().join("fuzz")
}

/// Builds the fuzzer with counters in everything that it is made of.
fn build() -> Result<PathBuf> {
    let version = Step::new("rustc", QUESTION).args(["-vV"]).output()?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not say for which host it is")?;
    println!("fuzz: building");
    let built = Command::new(workspace::cargo())
        .current_dir(workspace::root())
        .args(["build", "--quiet", "--package", "fuzz", "--features", "link", "--profile", "fuzz"])
        // With a target named, build scripts get none of the counters.
        .args(["--target", host, "--target-dir"])
        .arg(folder().join("build"))
        .env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"))
        .status()
        .context("starting cargo")?;
    ensure!(built.success(), "the fuzzer did not build");
    Ok(folder().join("build").join(host).join("fuzz/fuzzer"))
}

/// Runs one input.
fn replay(program: &Path, target: &str, input: &Path) -> Result<bool> {
    let status = Command::new(program)
        .args(LIMITS)
        .arg(input)
        .env("FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .status()
        .context("starting the fuzzer")?;
    Ok(status.success())
}

/// Looks for inputs that break a target, from its seeds and what earlier runs
/// have found.
fn search(program: &Path, target: &str, choice: &Choice) -> Result<bool> {
    let time = choice.time.unwrap_or(USUAL);
    let sources = workspace::root().join("fuzz");
    let folder = folder();
    let corpus = folder.join("corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    let log = folder.join("logs").join(target).with_extension("log");
    for folder in [&corpus, &artifacts, &folder.join("logs")] {
        fs::create_dir_all(folder)?;
    }
    let before = count(&artifacts)?;
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut command = Command::new(program);
    command.args(LIMITS).arg(format!("-max_total_time={}", time.as_secs()));
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.args(["-print_final_stats=1", "-use_value_profile=1"]);
    command.args(choice.seed.map(|seed| format!("-seed={seed}")));
    let dictionary = sources.join("dictionaries").join(target).with_extension("dict");
    if dictionary.is_file() {
        command.arg(format!("-dict={}", dictionary.display()));
    }
    let seeds = sources.join("seeds").join(target);
    let status = command
        .arg(&corpus)
        .args(seeds.is_dir().then_some(seeds))
        .env("FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .status()
        .context("starting the fuzzer")?;
    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let mut report = format!("fuzz: {target}: {}", summary(&text));
    if status.success() && count(&artifacts)? == before {
        println!("{report}");
        return Ok(true);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let panic = lines.iter().position(|line| line.contains(" panicked at "));
    let from = panic.unwrap_or_else(|| lines.len().saturating_sub(SHOWN));
    for line in lines.iter().skip(from).take(SHOWN) {
        write!(report, "\n    {line}")?;
    }
    // In one piece, because other targets report as well.
    println!(
        "{report}\nfuzz: {target}: {status}; all of it: {}\n\
         fuzz: to run it again: cargo xtask fuzz {target} {}/FILE",
        log.display(),
        artifacts.display()
    );
    Ok(false)
}

/// How many files stand in a folder.
fn count(folder: &Path) -> Result<usize> {
    Ok(fs::read_dir(folder)?.count())
}

/// What libFuzzer says that it did: runs, coverage, inputs of use.
fn summary(log: &str) -> String {
    let number = |name: &str| {
        let line = log.lines().rev().find(|line| line.contains(name));
        let word = line.and_then(|line| line.split(name).nth(1)?.split_whitespace().next());
        word.unwrap_or("?").to_owned()
    };
    format!(
        "{} runs, {} edges, {} inputs of use",
        number("stat::number_of_executed_units:"),
        number("cov: "),
        number("corp: ").split('/').next().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(line: &str) -> Result<Choice> {
        Choice::new(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn targets_inputs_and_times() {
        assert_eq!(choice("").unwrap(), Choice::default());
        let http = || Some("http".to_owned());
        let time = Some(Duration::from_mins(15));
        assert_eq!(
            choice("http --minutes 15 --seed 3").unwrap(),
            Choice { target: http(), time, seed: Some(3), ..Choice::default() }
        );
        let input = Some("crash".into());
        let replayed = Choice { target: http(), input, ..Choice::default() };
        assert_eq!(choice("http crash").unwrap(), replayed);
        for wrong in ["--minutes", "--seconds x", "http crash --seed 1", "a b c"] {
            assert!(choice(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_target_is_run_once_and_those_that_fail_are_named() {
        let ran = Mutex::new(Vec::new());
        let failing = failed(vec!["a", "b", "c", "d", "e"], |target| {
            ran.lock().unwrap().push(target.to_owned());
            Ok(!"bd".contains(target))
        });
        let (mut failing, mut ran) = (failing.unwrap(), ran.into_inner().unwrap());
        failing.sort_unstable();
        ran.sort_unstable();
        assert_eq!((failing, ran.concat()), (vec!["b", "d"], "abcde".to_owned()));
        assert!(failed(vec!["a"], |_| bail!("broken")).is_err());
    }

    #[test]
    fn what_libfuzzer_says() {
        let log = "#2 INITED cov: 10 ft: 11 corp: 1/1b\n#9 DONE   cov: 12 ft: 13 corp: 4/9b lim: 4\n\
                   stat::number_of_executed_units: 9\n";
        assert_eq!(summary(log), "9 runs, 12 edges, 4 inputs of use");
    }
}
