//! `tracer read` shows the dialogues of the annex as their first user saw them.
//!
//! Beside each capture stand two texts: `NAME.annex`, the rows as they were
//! kept (cut at `…`; for IMAP and SMTP the info column only), and `NAME.rows`,
//! all rows that the capture has, those of the annex marked with `=`, those
//! that it leaves out with `+`. With `BLESS=1` in the environment the captures
//! are written anew.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    annex::{DIALOGUES, Dialogue},
    program, schema,
};

fn file(dialogue: &Dialogue, extension: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("captures/annex");
    folder.join(dialogue.name).with_extension(extension)
}

fn text(dialogue: &Dialogue, extension: &str) -> Result<String> {
    let path = file(dialogue, extension);
    fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// What `tracer read` says of the dialogue's capture.
fn read(dialogue: &Dialogue, arguments: &[&str]) -> Result<Vec<String>> {
    program::read(&file(dialogue, "pcap"), arguments)
}

#[test]
fn captures_are_the_dialogues() -> Result<()> {
    for dialogue in DIALOGUES {
        dialogue.capture()?.is_kept_in(&file(&dialogue, "pcap"))?;
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

#[test]
fn segments_read_as_in_the_annex() -> Result<()> {
    for dialogue in DIALOGUES {
        let rows = read(&dialogue, &["--view", "segments", "--show-secrets", "--format", "text"])?;
        let expected = text(&dialogue, "rows")?;
        let expected: Vec<&str> = expected.lines().filter_map(|row| row.get(2..)).collect();
        for (number, (row, expected)) in rows.iter().zip(&expected).enumerate() {
            assert_eq!(row, expected, "{} row {}", dialogue.name, number + 1);
        }
        assert_eq!(rows.len(), expected.len(), "{}", dialogue.name);
    }
    Ok(())
}

#[test]
fn nobody_reads_a_secret_who_does_not_ask_for_it() -> Result<()> {
    for dialogue in DIALOGUES {
        for format in ["text", "json"] {
            for view in ["messages", "segments"] {
                let shown = read(&dialogue, &["--format", format, "--view", view])?;
                ensure!(!shown.is_empty(), "nothing was shown of {}", dialogue.name);
                for (line, secret) in
                    shown.iter().flat_map(|line| dialogue.secrets.iter().map(move |s| (line, s)))
                {
                    ensure!(!line.contains(secret), "{format}, {view}: {secret} in {line}");
                }
            }
        }
    }
    Ok(())
}

#[test]
fn redacted_lines_keep_their_shape() -> Result<()> {
    for (name, lines) in [
        ("imap", ["Request: A00001 LOGIN utilisateur [redacted]"]),
        ("smtp", ["C: AUTH PLAIN [redacted]"]),
    ] {
        let dialogue = DIALOGUES.iter().find(|dialogue| dialogue.name == name).context("known")?;
        let shown = read(dialogue, &["--view", "segments"])?;
        for line in lines {
            ensure!(shown.iter().any(|row| row.ends_with(line)), "{line} is not in {shown:#?}");
        }
    }
    Ok(())
}

#[test]
fn json_has_one_object_for_each_segment() -> Result<()> {
    for dialogue in DIALOGUES {
        let rows = text(&dialogue, "rows")?;
        let objects = read(&dialogue, &["--view", "segments", "--format", "json"])?;
        let objects: Vec<Value> =
            objects.iter().map(|line| schema::event(line)).collect::<Result<_>>()?;
        let (stats, segments) = objects.split_last().context("no object")?;
        assert_eq!(stats["event"]["action"], "stats");
        assert_eq!(segments.len(), rows.lines().count(), "{}", dialogue.name);
        for ((sequence, object), row) in (1..).zip(segments).zip(rows.lines()) {
            assert_eq!(object["event"]["sequence"], sequence);
            assert!(object["tcp"]["window"].is_u64(), "{object}");
            let is_tcp = row.split("  ").nth(3) == Some("TCP");
            assert_eq!(object["event"]["action"] == "tcp-segment", is_tcp, "{object}\n{row}");
        }
    }
    Ok(())
}
