//! `tracer read` shows the dialogues of the annex as their first user saw them.
//!
//! Beside each capture stand two texts: `NAME.annex`, the rows as they were
//! kept (cut at `…`; for IMAP and SMTP the info column only), and `NAME.rows`,
//! all rows that the capture has, those of the annex marked with `=`, those
//! that it leaves out with `+`. With `BLESS=1` in the environment the captures
//! are written anew.

use std::{env, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tests::annex::{DIALOGUES, Dialogue};

fn file(dialogue: &Dialogue, extension: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures/annex");
    folder.join(dialogue.name).with_extension(extension)
}

fn text(dialogue: &Dialogue, extension: &str) -> Result<String> {
    let path = file(dialogue, extension);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

#[test]
fn captures_are_the_dialogues() -> Result<()> {
    for dialogue in DIALOGUES {
        let (path, built) = (file(&dialogue, "pcap"), dialogue.capture()?.pcap()?);
        if env::var_os("BLESS").is_some() {
            fs::write(&path, &built)?;
        }
        let kept = fs::read(&path).with_context(|| path.display().to_string())?;
        ensure!(kept == built, "{} differs from what is built; see BLESS", path.display());
    }
    Ok(())
}

#[test]
fn expected_rows_hold_those_of_the_annex_word_for_word() -> Result<()> {
    for dialogue in DIALOGUES {
        let rows = text(&dialogue, "rows")?;
        let marked: Vec<&str> = rows.lines().filter_map(|row| row.strip_prefix("= ")).collect();
        let annex = text(&dialogue, "annex")?;
        for (row, kept) in marked.iter().zip(annex.lines()) {
            let shown = match dialogue.name {
                "http" => row,
                _ => row.splitn(5, "  ").nth(4).context("a row has five columns")?.trim_start(),
            };
            match kept.split_once('…') {
                Some((start, _)) => ensure!(shown.starts_with(start), "{shown}\nnot\n{kept}"),
                None => assert_eq!(shown, kept),
            }
        }
        assert_eq!(marked.len(), annex.lines().count());
    }
    Ok(())
}
