//! Every transcript under `tests/transcripts/` is a test, named by its path:
//! `http::pipelined_requests`. See [`tests::transcript`] for the format, and
//! [`tests::transcript::check`] for what is held of each. An argument selects
//! those whose names contain it.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::{Arguments, Trial};
use tests::transcript::{self, Transcript, check};

fn main() -> ExitCode {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let trials = match transcript::files(&folder) {
        Ok(files) => files.into_iter().map(|file| trial(&folder, file)).collect(),
        Err(error) => vec![Trial::test("transcripts", move || Err(format!("{error:#}").into()))],
    };
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(folder: &Path, file: PathBuf) -> Trial {
    let path = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
    let name = path.to_string_lossy().replace('/', "::").replace('-', "_");
    Trial::test(name, move || {
        run(&file).map_err(|error| format!("{}: {error:#}", file.display()).into())
    })
}

fn run(file: &Path) -> Result<()> {
    ensure!(file.extension().is_some_and(|extension| extension == "txt"), "not a .txt file");
    let transcript = Transcript::read(file).context("it does not parse")?;
    check::check(&transcript)
}
