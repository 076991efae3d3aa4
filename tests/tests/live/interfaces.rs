//! Interfaces that come and go while the tracer runs.

use std::time::Duration;

use anyhow::{Result, ensure};
use tests::{
    live::{Tracer, text},
    machine::Machine,
    namespace::Namespace,
    server::Nginx,
    wait,
};

use crate::{LIVE, Test, check};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("interfaces::that_appears_is_traced", LIVE, || appears(&[])),
        Test::new("interfaces::that_appears_and_matches_is_traced", LIVE, || {
            appears(&["-i", "late*"])
        }),
        Test::new("interfaces::that_does_not_match_is_left_alone", LIVE, other),
        Test::new("interfaces::that_is_renamed_is_traced_on", LIVE, renamed),
    ]
}

/// A server on a veth pair that comes after the tracer, goes, and comes again.
fn appears(arguments: &[&str]) -> Result<()> {
    let server = Machine::new("server")?;
    let nginx = Nginx::start(&server)?;
    let client = Namespace::new("client")?;
    let program = Tracer::start(server.namespace(), arguments)?;
    for round in ["first", "second"] {
        connect(&client, server.namespace(), "late0")?;
        wait::until("the tracer to see the interface", Duration::from_secs(10), || {
            let seen = program.log().matches("late0 is traced from now on").count();
            Ok((seen >= if round == "first" { 1 } else { 2 }).then_some(()))
        })?;
        fetch(&client, round)?;
        server.namespace().ip("link delete late0")?;
    }
    let requests = nginx.requests()?;
    let traced = program.stop()?;
    check::whole(&traced)?;
    let seen: Vec<&str> =
        traced.of("http-request").map(|event| text(event, "/url/original")).collect();
    ensure!(seen == ["/first", "/second"], "{seen:?}\n{}", traced.log);
    ensure!(requests.len() == 2, "{requests:?}");
    Ok(())
}

fn other() -> Result<()> {
    let server = Machine::new("server")?;
    let nginx = Nginx::start(&server)?;
    let client = Namespace::new("client")?;
    connect(&client, server.namespace(), "other0")?;
    let program = Tracer::start(server.namespace(), &["-i", "late*"])?;
    fetch(&client, "unseen")?;
    let requests = nginx.requests()?;
    ensure!(requests.len() == 1, "{requests:?}");
    let traced = program.stop()?;
    check::whole(&traced)?;
    ensure!(traced.of("http-request").count() == 0, "{:?}", traced.events);
    Ok(())
}

/// It has another name meanwhile, and the tracer says so from then on.
fn renamed() -> Result<()> {
    let server = Machine::new("server")?;
    let nginx = Nginx::start(&server)?;
    let client = Namespace::new("client")?;
    connect(&client, server.namespace(), "early0")?;
    let program = Tracer::start(server.namespace(), &[])?;
    fetch(&client, "first")?;
    // Older kernels rename what is down alone.
    for change in ["early0 down", "early0 name late0", "late0 up"] {
        server.namespace().ip(&format!("link set {change}"))?;
    }
    fetch(&client, "second")?;
    ensure!(nginx.requests()?.len() == 2, "{:?}", nginx.requests()?);
    program.wait_for("the second request", |event| text(event, "/url/original") == "/second")?;
    let traced = program.stop()?;
    check::whole(&traced)?;
    let seen: Vec<[&str; 2]> = traced
        .of("http-request")
        .map(|event| {
            [text(event, "/url/original"), text(event, "/observer/ingress/interface/name")]
        })
        .collect();
    ensure!(seen == [["/first", "early0"], ["/second", "late0"]], "{seen:?}\n{}", traced.log);
    Ok(())
}

fn connect(client: &Namespace, server: &Namespace, name: &str) -> Result<()> {
    server.veth(name, client, "eth0")?;
    server.address(name, &["10.77.0.2/24"])?;
    client.address("eth0", &["10.77.0.1/24"])
}

/// The host's own curl will do: the client is a bare namespace.
fn fetch(client: &Namespace, path: &str) -> Result<()> {
    let url = format!("http://10.77.0.2/{path}");
    let mut command = client.command("curl");
    command.args(["--silent", "--output", "/dev/null", &url]);
    wait::success(&mut command, Duration::from_secs(20))?;
    Ok(())
}
