//! What a person at a terminal sees, and that nothing of it gets into pipes.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result, ensure};
use nix::pty::{Winsize, openpty};
use tests::program;

fn capture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/annex/smtp.pcap")
}

/// The lines that `tracer read` writes to a terminal of so many columns.
fn shown(columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Vec<String>> {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None)?;
    let mut command = Command::new(program::tracer());
    command
        .arg("read")
        .args(program::NO_SETTINGS)
        .args(arguments)
        .arg(capture())
        .stderr(Stdio::null());
    command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env("TERM", "xterm-256color");
    command.envs(environment.iter().copied());
    let mut child = command.stdout(Stdio::from(pty.slave)).spawn().context("starting tracer")?;
    // It would hold the terminal open.
    drop(command);
    let mut master = File::from(pty.master);
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // Ends by an error, once nobody holds the other end.
        let _end = master.read_to_end(&mut bytes);
        bytes
    });
    ensure!(child.wait()?.success(), "tracer failed");
    let bytes = reader.join().ok().context("the reader of the terminal failed")?;
    Ok(String::from_utf8(bytes)?.lines().map(str::to_owned).collect())
}

/// A line without its colours.
fn uncolored(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.filter_map(|part| part.split_once('m')).fold(first, |line, (_, rest)| line + rest)
}

#[test]
fn rows_have_colours_and_fit() -> Result<()> {
    let plain = program::read(&capture(), &[] as &[&str])?;
    for columns in [80, 120] {
        let rows = shown(columns, &[], &[])?;
        ensure!(rows.len() == plain.len(), "{rows:?}");
        ensure!(rows.iter().all(|row| row.contains("\x1b[36mSMTP\x1b[m")), "{rows:?}");
        let rows: Vec<String> = rows.iter().map(|row| uncolored(row)).collect();
        // This capture has characters of one column only.
        let longest = rows.iter().map(|row| row.chars().count()).max();
        ensure!(longest == Some(columns.into()), "{longest:?}: {rows:?}");
        ensure!(rows.iter().any(|row| row.ends_with('…')), "{rows:?}");
        let infos: Vec<_> = rows.iter().map(|row| row.find("SMTP  ")).collect();
        ensure!(infos.windows(2).all(|pair| pair[0] == pair[1]), "not aligned: {rows:?}");
    }
    Ok(())
}

#[test]
fn colours_are_left_out_where_nobody_wants_them() -> Result<()> {
    for environment in [&[("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        let rows = shown(100, &[], environment)?.concat();
        ensure!(!rows.contains('\x1b') && rows.contains('…'), "{environment:?}: {rows}");
    }
    let rows = shown(100, &["--color", "never"], &[])?.concat();
    ensure!(!rows.contains('\x1b') && rows.contains('…'), "{rows}");
    let rows = shown(100, &["--color", "always"], &[("NO_COLOR", "1")])?.concat();
    ensure!(rows.contains("\x1b[36mSMTP"), "{rows}");
    Ok(())
}

#[test]
fn json_is_the_same_on_a_terminal() -> Result<()> {
    let arguments = ["--format", "json"];
    assert_eq!(shown(80, &arguments, &[])?, program::read(&capture(), &arguments)?);
    Ok(())
}

#[test]
fn a_terminal_that_does_not_know_its_width_gets_whole_rows() -> Result<()> {
    let rows = shown(0, &["--color", "never"], &[])?;
    ensure!(!rows.concat().contains('…') && rows.iter().any(|row| row.len() > 200), "{rows:?}");
    Ok(())
}

#[test]
fn colours_can_be_had_in_a_pipe_and_nothing_else_changes() -> Result<()> {
    let colored = program::read(&capture(), &["--color", "always"])?;
    ensure!(colored.iter().all(|row| row.contains("\x1b[36mSMTP\x1b[m")), "{colored:?}");
    let uncolored: Vec<String> = colored.iter().map(|row| uncolored(row)).collect();
    assert_eq!(uncolored, program::read(&capture(), &[] as &[&str])?);
    Ok(())
}
