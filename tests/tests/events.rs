//! docs/EVENTS.md says what is true: its examples are lines that `tracer read`
//! writes, and no kind of event is without one.
//!
//! With `BLESS=1` in the environment the captures behind the examples are
//! written anew.

use std::{collections::BTreeSet, fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use tests::{annex::DIALOGUES, examples, program, schema};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The lines of all fenced examples in a language.
fn examples(language: &str) -> Result<Vec<String>> {
    let blocks = blocks("docs/EVENTS.md", language)?;
    Ok(blocks.iter().flat_map(|block| block.lines()).map(str::to_owned).collect())
}

/// The fenced examples in a language, of a page of the project.
fn blocks(page: &str, language: &str) -> Result<Vec<String>> {
    let path = folder().join("..").join(page);
    let page = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).filter_map(|rest| rest.split("```").next());
    Ok(blocks.map(str::to_owned).collect())
}

/// Everything that the kept captures make the program write.
fn written(format: &str) -> Result<BTreeSet<String>> {
    let captures = folder().join("captures");
    let annex = DIALOGUES.iter().map(|dialogue| format!("annex/{}.pcap", dialogue.name));
    let short = examples::captures()?.map(|(name, _)| format!("examples/{name}.pcap"));
    let mut lines = BTreeSet::new();
    for capture in annex.chain(short) {
        for view in ["messages", "exchanges", "segments"] {
            let arguments = ["--format", format, "--view", view, "--port", "pop3=110"];
            lines.extend(program::read(&captures.join(&capture), &arguments)?);
        }
        // Mail where the web is expected.
        let wrong = ["--explain", "--port", "smtp=none", "--port", "http=25"];
        let arguments = [&["--format", format][..], &wrong].concat();
        lines.extend(program::read(&captures.join(&capture), &arguments)?);
    }
    Ok(lines)
}

#[test]
fn captures_are_the_examples() -> Result<()> {
    for (name, capture) in examples::captures()? {
        capture.is_kept_in(&folder().join(format!("captures/examples/{name}.pcap")))?;
    }
    Ok(())
}

#[test]
fn every_example_is_a_line_that_is_written() -> Result<()> {
    for (language, format) in [("json", "json"), ("text", "text")] {
        let written = written(format)?;
        let examples = examples(language)?;
        ensure!(!examples.is_empty(), "no example of {format}");
        for example in examples {
            ensure!(written.contains(&example), "not written any more: {example}");
        }
    }
    Ok(())
}

#[test]
fn every_action_that_is_written_has_an_example() -> Result<()> {
    let action = |line: &String| -> Result<String> {
        let object = schema::event(line)?;
        Ok(object["event"]["action"].as_str().context("event.action")?.to_owned())
    };
    let written = written("json")?.iter().map(action).collect::<Result<BTreeSet<_>>>()?;
    let shown = examples("json")?.iter().map(action).collect::<Result<BTreeSet<_>>>()?;
    assert_eq!(written, shown);
    Ok(())
}

#[test]
fn what_the_readme_shows_of_a_file_is_written() -> Result<()> {
    let mut shown = 0;
    for block in blocks("README.md", "text")? {
        let mut lines = block.lines();
        let command = lines.next().and_then(|line| line.strip_prefix("$ tracer read "));
        let Some((arguments, capture)) = command.and_then(|words| words.rsplit_once(' ')) else {
            continue;
        };
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let written = program::read(&folder().join("..").join(capture), &arguments)?;
        for line in lines.filter(|line| *line != "…") {
            ensure!(written.iter().any(|row| row == line), "not written any more: {line}");
            shown += 1;
        }
    }
    ensure!(shown > 0, "README.md shows nothing of a file");
    Ok(())
}
