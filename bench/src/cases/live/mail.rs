//! Mails that are handed over and mails that are fetched.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use anyhow::Result;
use tests::{
    server::{Dovecot, Sink},
    topology::Ip,
};

use super::{
    CPU, imap,
    tool::{DEVICE, Tool},
    watch::{Place, watch},
};
use crate::{
    cases::Case,
    figures::{Figure, number},
    findings::Findings,
    marks::{Mark, Measure},
    options::Options,
    rounds::interleave,
};

const RATE: Figure = Figure::new("messages/s", "");

const SMALL: &str = "smtp 4 KiB";
const LARGE: &str = "smtp 1 MiB";
const IMAP: &str = "imap";

/// Sessions of smtp-source at a time, and connections of the IMAP client.
const SESSIONS: u64 = 4;

/// Mails in the inbox, and bytes of each.
const INBOX: u64 = 16;
const FETCHED: usize = 4096;

/// The case.
pub(in crate::cases) const CASE: Case = Case {
    name: "live-mail",
    about: "mails from smtp-source to smtp-sink, and an IMAP client at dovecot",
    run,
    marks: &[
        super::decoded(SMALL, "mails of 4 KiB decoded, %"),
        super::lost(SMALL),
        Mark::at_most(
            SMALL,
            "CPU time a mail of 4 KiB, µs: each message as JSON",
            Measure::Value(("tracer json", CPU.name)),
            11.0,
        ),
        Mark::at_most(
            SMALL,
            "CPU time a mail of 4 KiB, µs: exchanges as JSON",
            Measure::Value(("tracer exchanges", CPU.name)),
            11.0,
        ),
        super::decoded(LARGE, "mails of 1 MiB decoded, %"),
        super::lost(LARGE),
        super::decoded(IMAP, "IMAP commands decoded, %"),
        super::lost(IMAP),
    ],
};

fn run(options: &Options, findings: &mut Findings) -> Result<()> {
    for (load, length) in [(SMALL, 4096), (LARGE, 1 << 20)] {
        let about = "four sessions, which are kept, from smtp-source to smtp-sink";
        findings.table(load, about, Some(("none", RATE)));
        smtp(options, findings, length)?;
    }
    let about = "four connections to dovecot: FETCH of a mail of 4 KiB and NOOP in turn";
    findings.table(IMAP, about, Some(("none", RATE)));
    fetch(options, findings)
}

fn smtp(options: &Options, findings: &mut Findings, length: usize) -> Result<()> {
    let topology = super::topology()?;
    let _sink = Sink::start(topology.server())?;
    let mut tools = vec![
        Tool::none(),
        Tool::tcpdump(25),
        Tool::tracer("tracer text", "", "  SMTP  subject: bench"),
        Tool::tracer("tracer json", "--format json", r#""action":"smtp-message""#),
        Tool::tracer(
            "tracer exchanges",
            "--format json --view exchanges",
            r#""action":"smtp-message""#,
        ),
    ];
    if length < 1 << 16 {
        let tcpflow = format!("-c -X /dev/null -i {DEVICE} {{tcp port 25}}");
        tools.push(Tool::rival("tcpflow", &tcpflow, ": 250 2.0.0 Ok"));
        let tshark = format!("-i {DEVICE} -f {{tcp port 25}} -Y imf -T fields -e imf.subject");
        tools.push(Tool::rival("tshark", &tshark, "bench\n"));
        tools.push(Tool::tshark_ek(25, "imf", r#""imf_imf_subject":"#));
        tools.push(Tool::suricata(r#""email":{"#));
    }
    let tools = super::present(options, findings, &tools);
    let send = |mails: u64| -> Result<Duration> {
        let begun = Instant::now();
        let arguments = format!(
            "-d -s {SESSIONS} -l {length} -m {mails} -S bench {}:25",
            topology.address(Ip::V4)
        );
        let arguments: Vec<&str> = arguments.split(' ').collect();
        topology.client().run("smtp-source", &arguments, Duration::from_mins(1))?;
        Ok(begun.elapsed())
    };
    // As many as take about as long as a load is to run.
    let tried = if length < 1 << 16 { 2000 } else { 40 };
    let each = send(tried)?.as_secs_f64() / number(tried);
    let mails = whole(super::time(options).as_secs_f64() / each).max(tried);
    interleave(options.rounds(), &tools, |tool, _| {
        let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
        let watched = watch(tool, &place, |_| send(mails))?;
        findings.add(tool.name, RATE, number(mails) / watched.load.as_secs_f64());
        if let Some(seen) = watched.tool {
            super::add(findings, tool, &seen, mails, mails);
        }
        Ok(())
    })
}

fn fetch(options: &Options, findings: &mut Findings) -> Result<()> {
    let topology = super::topology()?;
    let mail = format!(
        "From: a@example.test\r\nSubject: bench\r\n\r\n{}",
        "A line of a mail that somebody fetches from a server of mails.\r\n".repeat(FETCHED / 64)
    );
    let mails: Vec<&[u8]> = (0..INBOX).map(|_| mail.as_bytes()).collect();
    let _dovecot = Dovecot::start(topology.server(), &mails)?;
    let tools = [
        Tool::none(),
        Tool::tcpdump(143),
        Tool::tracer("tracer text", "", "  IMAP  Request: a"),
        Tool::tracer("tracer json", "--format json", r#""action":"imap-command""#),
        Tool::tracer(
            "tracer exchanges",
            "--format json --view exchanges",
            r#""action":"imap-exchange""#,
        ),
        Tool::rival(
            "tcpflow",
            &format!("-c -X /dev/null -i {DEVICE} {{tcp port 143}}"),
            " completed (",
        ),
        Tool::rival(
            "tshark",
            &format!(
                "-i {DEVICE} -f {{tcp port 143}} -Y imap.request -T fields -e imap.request_tag"
            ),
            "\n",
        ),
    ];
    let tools = super::present(options, findings, &tools);
    let server = SocketAddr::new(topology.address(Ip::V4).parse::<IpAddr>()?, 143);
    let time = super::time(options);
    let fetch = |time| {
        let client = topology.client().namespace();
        client.within(move || imap::fetch(server, SESSIONS, INBOX, time))
    };
    fetch(Duration::from_millis(500))?;
    interleave(options.rounds(), &tools, |tool, _| {
        let place = Place { namespace: topology.traced(), core: None, patience: super::PATIENCE };
        let watched = watch(tool, &place, |_| fetch(time))?;
        let commands = watched.load;
        findings.add(tool.name, RATE, number(commands) / time.as_secs_f64());
        if let Some(seen) = watched.tool {
            // A greeting and a BYE are exchanges without a command.
            super::add(findings, tool, &seen, commands, commands + 2 * SESSIONS);
        }
        Ok(())
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of mails: a fraction is cut, a negative is none"
)]
const fn whole(value: f64) -> u64 {
    value as u64
}
