//! dovecot with mbsync, which fetches mails as literals: events are what mbsync
//! says it sent and got, word for word.

use anyhow::{Result, ensure};
use serde_json::Value;
use tests::{
    live::{Traced, Tracer, number, text},
    server::Dovecot,
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check, traffic};

/// Mails in the inbox, the last of them 100 KB.
const MAILS: usize = 12;

pub(crate) fn tests() -> Vec<Test> {
    traffic::places()
        .map(|(link, hook)| {
            let name = format!("imap::{}::mbsync", traffic::place(link, hook));
            Test::new(name, LIVE, move || mbsync(link, hook))
        })
        .collect()
}

fn mbsync(link: Link, hook: &'static str) -> Result<()> {
    let topology = Topology::new(link)?;
    let mails = traffic::mails(MAILS);
    let mails: Vec<&[u8]> = mails.iter().map(Vec::as_slice).collect();
    let _dovecot = Dovecot::start(topology.server(), &mails)?;
    let program = Tracer::start(topology.traced(), &["--hook", hook])?;
    let mut transcript = String::new();
    for ip in [Ip::V4, Ip::V6] {
        transcript += &traffic::mbsync(&topology, ip)?;
    }
    let traced = program.stop()?;
    check::whole(&traced)?;
    let everything = traced.events.iter().map(Value::to_string).collect::<String>();
    ensure!(!everything.contains(Dovecot::PASSWORD), "the password came out");
    hold_against(&traced, &transcript)?;

    let literals: Vec<u64> = traced
        .of("imap-response")
        .filter_map(|event| number(event, "/imap/literal/bytes/0"))
        .collect();
    let sizes: Vec<u64> = mails.iter().map(|mail| mail.len() as u64).collect();
    // The second time mbsync has them all.
    ensure!(literals == sizes, "mails of {sizes:?} bytes, literals of {literals:?}");
    Ok(())
}

fn hold_against(traced: &Traced, transcript: &str) -> Result<()> {
    let mut sent = Vec::new();
    let mut got = Vec::new();
    for line in transcript.lines() {
        if let Some((_, command)) = line.split_once(">>> ") {
            // mbsync keeps names and passwords to itself.
            let shown = format!("LOGIN \"{}\" [redacted]", Dovecot::USER);
            sent.push(command.replace("LOGIN <user> <pass>", &shown));
        } else if line.starts_with("* ") || is_tagged(line) {
            got.push(line.to_owned());
        }
    }
    let seen: Vec<String> = traced.of("imap-command").map(command).collect();
    ensure!(seen == sent, "sent {sent:#?}\nseen {seen:#?}");
    let seen: Vec<String> = traced.of("imap-response").map(response).collect();
    ensure!(seen == got, "got  {got:#?}\nseen {seen:#?}");
    Ok(())
}

fn is_tagged(line: &str) -> bool {
    let (tag, rest) = line.split_once(' ').unwrap_or_default();
    tag.parse::<u32>().is_ok() && ["OK ", "NO ", "BAD "].iter().any(|word| rest.starts_with(word))
}

/// The command's line, put together again.
fn command(event: &Value) -> String {
    let field = |name: &str| text(event, &format!("/imap/command/{name}"));
    let uid = event.pointer("/imap/command/uid").and_then(Value::as_bool).unwrap_or_default();
    let words = [field("tag"), if uid { "UID" } else { "" }, field("name"), field("arguments")];
    join(&words)
}

/// The response's line, put together again.
fn response(event: &Value) -> String {
    let field = |name: &str| text(event, &format!("/imap/response/{name}"));
    let number = number(event, "/imap/response/number").map(|number| number.to_string());
    let code = match field("code") {
        "" => String::new(),
        code => format!("[{code}]"),
    };
    let number = number.unwrap_or_default();
    join(&[field("tag"), &number, field("status"), field("name"), &code, field("text")])
}

fn join(words: &[&str]) -> String {
    words.iter().copied().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
