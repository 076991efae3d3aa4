//! postfix with swaks: the mails are those of postfix's log, the lines those
//! that swaks sent and got.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    live::{Traced, Tracer, number, text},
    server::{Postfix, Queued},
    topology::{Ip, Link, Topology},
};

use crate::{LIVE, Test, check, traffic};

pub(crate) fn tests() -> Vec<Test> {
    traffic::places()
        .map(|(link, hook)| {
            let name = format!("smtp::{}::swaks", traffic::place(link, hook));
            Test::new(name, LIVE, move || swaks(link, hook))
        })
        .chain([Test::new("smtp::envelope".to_owned(), LIVE, envelope)])
        .collect()
}

/// Beside a tracer that looks into mails, one that does not says the same of
/// how they were handed over, and not a word of what stands in them.
fn envelope() -> Result<()> {
    const SUBJECT: &str = "Nobody's business";
    let topology = Topology::new(Link::Loopback)?;
    let postfix = Postfix::start(topology.server())?;
    topology.client().write("/root/attachment", vec![b'a'; 200_000])?;
    let full = Tracer::start(topology.traced(), &[])?;
    let program = Tracer::start(topology.traced(), &["--mail", "envelope"])?;
    let header = format!("Subject: {SUBJECT}");
    let plain = ["--header", &header, "--body", "One\\n.\\n..two\\n.three\\n"];
    let large = ["--header", &header, "--attach", "@/root/attachment"];
    for more in [plain.as_slice(), &large] {
        traffic::swaks(&topology, Ip::V4, more)?;
    }
    postfix.mails(2)?;
    let (full, traced) = (full.stop()?, program.stop()?);
    check::whole(&traced)?;
    let mails = |traced: &Traced| -> Vec<Value> {
        traced.of("smtp-message").map(|event| event["smtp"].clone()).collect()
    };
    ensure!(mails(&full).len() == 2, "{} mails", mails(&full).len());
    ensure!(mails(&full) == mails(&traced), "{:#?}\nnot\n{:#?}", mails(&traced), mails(&full));
    let told =
        |traced: &Traced| traced.events.iter().any(|event| event.to_string().contains(SUBJECT));
    ensure!(told(&full), "no subject in the mails");
    ensure!(!told(&traced), "the subject is told of");
    ensure!(traced.of("smtp-message").all(|event| event.get("email").is_none()), "a header");
    Ok(())
}

fn swaks(link: Link, hook: &'static str) -> Result<()> {
    let topology = Topology::new(link)?;
    let postfix = Postfix::start(topology.server())?;
    let attachment = vec![b'a'; 200_000];
    topology.client().write("/root/attachment", attachment)?;
    let program = Tracer::start(topology.traced(), &["--hook", hook])?;
    let mut transcripts = Vec::new();
    for ip in [Ip::V4, Ip::V6] {
        let plain = ["--header", "Subject: plain", "--body", "One\\n.\\n..two\\n.three\\n"];
        let pipelined = [
            ["--pipeline", "--header", "Subject: pipelined"].as_slice(),
            &["--to", "one@example.test,two@example.test,three@example.test"],
        ];
        let large = ["--header", "Subject: large", "--attach", "@/root/attachment"];
        for more in [plain.as_slice(), &pipelined.concat(), &large] {
            transcripts.push(traffic::swaks(&topology, ip, more)?);
        }
    }
    let mails = postfix.mails(transcripts.len())?;
    let traced = program.stop()?;
    check::whole(&traced)?;
    hold_against_log(&traced, &mails)?;
    hold_against_transcripts(&traced, &transcripts)
}

/// One `smtp-message` for each mail in the log, with its envelope.
fn hold_against_log(traced: &Traced, mails: &[Queued]) -> Result<()> {
    let seen: Vec<Queued> = traced.of("smtp-message").map(message).collect::<Result<_>>()?;
    ensure!(seen == mails, "logged {mails:#?}\nseen   {seen:#?}");
    let subjects: Vec<&str> =
        traced.of("smtp-message").map(|event| text(event, "/email/subject")).collect();
    let sent = ["plain", "pipelined", "large"].repeat(2);
    ensure!(subjects == sent, "{subjects:?}");
    Ok(())
}

fn message(event: &Value) -> Result<Queued> {
    let recipients = event.pointer("/smtp/rcpt_to").and_then(Value::as_array);
    let recipients = recipients.context("a mail without recipients")?;
    let mut to: Vec<String> = recipients.iter().map(|to| text(to, "/address").to_owned()).collect();
    to.sort();
    Ok(Queued {
        id: text(event, "/smtp/queue_id").to_owned(),
        message_id: text(event, "/email/message_id").to_owned(),
        from: text(event, "/smtp/mail_from").to_owned(),
        to,
    })
}

/// Commands and replies are, in their order, what swaks says it sent and got.
fn hold_against_transcripts(traced: &Traced, transcripts: &[String]) -> Result<()> {
    let lines = || transcripts.iter().flat_map(|transcript| transcript.lines());
    let sent: Vec<&str> = lines()
        .filter_map(|line| line.strip_prefix(" -> ").or_else(|| line.strip_prefix(">> ")))
        .filter(|line| COMMANDS.iter().any(|verb| line.starts_with(verb)))
        .collect();
    let seen: Vec<String> = traced
        .of("smtp-command")
        .map(|event| {
            let words = [text(event, "/smtp/command/verb"), text(event, "/smtp/command/argument")];
            words.join(" ").trim_end().to_owned()
        })
        .collect();
    ensure!(seen == sent, "sent {sent:#?}\nseen {seen:#?}");

    let got: Vec<u64> = lines()
        .filter_map(|line| line.strip_prefix("<-  ").or_else(|| line.strip_prefix("<<  ")))
        .filter(|line| line.as_bytes().get(3) == Some(&b' '))
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect();
    let seen: Vec<u64> =
        traced.of("smtp-reply").filter_map(|event| number(event, "/smtp/reply/code")).collect();
    ensure!(seen == got, "got  {got:?}\nseen {seen:?}");
    Ok(())
}

/// What swaks says here; all else behind its arrows is the mail.
const COMMANDS: [&str; 5] = ["EHLO ", "MAIL FROM:", "RCPT TO:", "DATA", "QUIT"];
