//! What tracer says of a capture.

use std::{
    collections::HashSet,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::Value as Json;

use super::{
    index::Capture,
    message::{Direction, Kind, Lists, Message, Value},
};

/// A capture that takes longer hangs.
const TIME_LIMIT: &str = "120";

/// What one run of `tracer read` gave.
#[derive(Default)]
pub(super) struct Found {
    /// Its messages.
    pub(super) lists: Lists,
    /// All its events, for the published expectations.
    pub(super) events: Vec<Json>,
    /// What is wrong with the run or its counters.
    pub(super) faults: Vec<String>,
    /// Directions with a gap so far.
    gaps: HashSet<Direction>,
}

/// Runs `tracer read` on a capture.
pub(super) fn run(tracer: &Path, folder: &Path, capture: &Capture) -> Result<Found> {
    let mut command = Command::new("timeout");
    command.arg(TIME_LIMIT).arg(tracer);
    command.args(["--config", "none", "read", "--format", "json", "--show-secrets", "--quiet"]);
    for argument in capture.port_arguments() {
        command.args(["--port", &argument]);
    }
    command.arg(folder.join(&capture.file)).stdin(Stdio::null());
    let output = command.output().with_context(|| format!("starting {}", tracer.display()))?;
    let mut found = Found::default();
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("panicked") || output.status.code().is_none_or(|code| code > 1) {
        found.faults.push(format!("{}: {}", output.status, errors.trim()));
    } else if !output.status.success() {
        // A file that is damaged: what came before the damage counts.
        found.faults.push(format!("refused: {}", errors.trim()));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let event: Json = serde_json::from_str(line).context("tracer wrote no JSON")?;
        found.take(event)?;
    }
    found.check_counters(capture);
    Ok(found)
}

impl Found {
    fn take(&mut self, event: Json) -> Result<()> {
        let action = text(&event, "/event/action");
        // The reference has nothing like a transaction without a mail.
        let refused = action == "smtp-message" && event.pointer("/smtp/data").is_none();
        if let Some(kind) = Kind::from_name(&action).filter(|_| !refused) {
            let direction = direction(&event, kind.is_from_server());
            let message = Message {
                place: text(&event, "/@timestamp"),
                stream: String::new(),
                fields: fields(kind, &event),
                cut: self.gaps.contains(&direction),
            };
            self.lists.entry((kind, direction)).or_default().push(message);
        }
        match action.as_str() {
            "" => bail!("an event without an action"),
            "gap" => {
                let from_server = text(&event, "/tracer/gap/direction") == "server";
                let direction = direction(&event, from_server);
                self.cut(&direction);
                self.gaps.insert(direction);
            }
            "tcp-close" => {
                self.cut(&direction(&event, false));
                self.cut(&direction(&event, true));
            }
            _ => {}
        }
        self.events.push(event);
        Ok(())
    }

    /// What was said last in this direction has its end missing, or was the
    /// last of all.
    fn cut(&mut self, direction: &Direction) {
        for kind in Kind::ALL {
            let list = self.lists.get_mut(&(kind, direction.clone()));
            if let Some(last) = list.and_then(|list| list.last_mut()) {
                last.cut = true;
            }
        }
    }

    /// Each packet has one outcome.
    fn check_counters(&mut self, capture: &Capture) {
        let stats = self.events.last().and_then(|event| event.get("tracer")).cloned();
        let Some(stats) = stats.as_ref().and_then(Json::as_object) else {
            self.faults.push("no counters at the end".to_owned());
            return;
        };
        let number = |name: &str| stats.get(name).and_then(Json::as_u64).unwrap_or_default();
        let lost = stats.get("lost").and_then(Json::as_object);
        let lost: u64 =
            lost.into_iter().flat_map(|lost| lost.values().filter_map(Json::as_u64)).sum();
        let not_outcomes = ["seen", "events", "memory"];
        let sum: u64 = stats
            .iter()
            .filter(|(name, _)| !not_outcomes.contains(&name.as_str()))
            .filter_map(|(_, value)| value.as_u64())
            .sum();
        let seen = number("seen");
        if seen != sum + lost {
            self.faults.push(format!("{seen} packets seen, {} outcomes", sum + lost));
        }
        if seen != capture.packets {
            self.faults.push(format!("{seen} packets seen, {} in the capture", capture.packets));
        }
    }
}

fn direction(event: &Json, from_server: bool) -> Direction {
    let end = |name: &str| {
        format!("{} {}", text(event, &format!("/{name}/ip")), text(event, &format!("/{name}/port")))
    };
    let (client, server) = (end("client"), end("server"));
    if from_server {
        Direction { source: server, destination: client }
    } else {
        Direction { source: client, destination: server }
    }
}

/// The key fields of an event, named and ordered as the reference's.
fn fields(kind: Kind, event: &Json) -> Vec<(&'static str, Value)> {
    let is = |pointer: &str| Value::Is(text(event, pointer));
    let version = || match text(event, "/http/version") {
        version if version.is_empty() => Value::Is(version),
        version => Value::Is(format!("HTTP/{version}")),
    };
    match kind {
        Kind::HttpRequest => vec![
            ("method", is("/http/request/method")),
            ("target", is("/url/original")),
            ("version", version()),
            ("host", is("/http/request/header/host/0")),
            ("user_agent", is("/user_agent/original")),
        ],
        Kind::HttpResponse => vec![
            ("version", version()),
            ("status", is("/http/response/status_code")),
            ("reason", is("/http/response/reason")),
            ("content_type", is("/http/response/header/content-type/0")),
        ],
        Kind::SmtpCommand => {
            let words = [text(event, "/smtp/command/verb"), text(event, "/smtp/command/argument")];
            vec![("line", Value::Is(super::mail::unfolded(&words.join(" "))))]
        }
        Kind::SmtpReply => {
            let lines: Vec<String> = list(event, "/smtp/reply/lines")
                .iter()
                .map(|line| line.trim().to_owned())
                .collect();
            vec![("code", is("/smtp/reply/code")), ("text", Value::Is(lines.join(" | ")))]
        }
        Kind::Mail => vec![
            ("from", Value::Is(list(event, "/email/from/address").join(", "))),
            ("to", Value::Is(list(event, "/email/to/address").join(", "))),
            ("subject", Value::Is(super::mail::unfolded(&text(event, "/email/subject")))),
            ("message_id", is("/email/message_id")),
            ("date", is("/email/origination_timestamp")),
        ],
        Kind::ImapCommand => vec![("line", Value::Is(imap_command(event)))],
        Kind::ImapResponse => vec![("line", Value::Is(imap_response(event)))],
    }
}

/// The first line of a command. A line that continues a command has no tag of
/// its own.
fn imap_command(event: &Json) -> String {
    let of = |name: &str| text(event, &format!("/imap/command/{name}"));
    let (name, arguments) = (of("name"), of("arguments"));
    let tag = if name.is_empty() || name == "DONE" { String::new() } else { of("tag") };
    let uid = if of("uid") == "true" { "UID" } else { "" };
    joined([&tag, uid, &name, &arguments])
}

/// The first line of a response.
fn imap_response(event: &Json) -> String {
    let of = |name: &str| text(event, &format!("/imap/response/{name}"));
    let code = match of("code") {
        code if code.is_empty() => code,
        code => format!("[{code}]"),
    };
    joined([&of("tag"), &of("number"), &of("status"), &of("name"), &code, &of("text")])
}

fn joined<const N: usize>(words: [&str; N]) -> String {
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ").trim().to_owned()
}

/// A value as text, whatever it is; empty if it is not there.
pub(super) fn text(event: &Json, pointer: &str) -> String {
    event.pointer(pointer).map(plain).unwrap_or_default()
}

/// Values of a list.
pub(super) fn list(event: &Json, pointer: &str) -> Vec<String> {
    event.pointer(pointer).and_then(Json::as_array).into_iter().flatten().map(plain).collect()
}

/// Bytes that are not UTF-8 stand as base64; the reference shows them with
/// replacement characters.
fn plain(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        Json::Object(object) => {
            let bytes = object.get("base64").and_then(Json::as_str);
            let bytes = bytes.and_then(|text| BASE64_STANDARD.decode(text).ok());
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        }
        other => other.to_string(),
    }
}
