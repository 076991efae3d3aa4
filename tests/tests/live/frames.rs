//! Frames that no device of a test makes: tags, padding, options, extension
//! headers, fragments and broken headers, each with one outcome.

#![expect(
    clippy::indexing_slicing,
    reason = "frames are built here; a wrong offset fails the test"
)]

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::{
    host::Need,
    live::{Traced, Tracer, number, text},
    namespace::Namespace,
    packet::Packet,
    wait,
    wire::Wire,
};
use tracer::capture::TcpFlags;

use crate::Test;

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Limit of what was sent to be counted.
const LIMIT: Duration = Duration::from_secs(20);

/// Offsets in a frame without tags.
const IP: usize = 14;

pub(crate) fn tests() -> Vec<Test> {
    let test =
        |name: &str, run: fn() -> Result<()>| Test::new(format!("frames::{name}"), NEEDS, run);
    vec![
        test("tc_ingress", || ethernet(&["--hook", "tc"], Seen::Ingress)),
        test("tc_egress", || ethernet(&["--hook", "tc"], Seen::Egress)),
        test("clsact_ingress", || ethernet(&["--hook", "clsact"], Seen::Ingress)),
        test("clsact_egress", || ethernet(&["--hook", "clsact"], Seen::Egress)),
        test("xdp_ingress", || ethernet(&["--hook", "xdp"], Seen::Ingress)),
        test("without_ethernet_header", without_ethernet_header),
    ]
}

/// At which end of the wire the tracer stands.
#[derive(Clone, Copy)]
enum Seen {
    Ingress,
    Egress,
}

/// What a frame must come to.
#[derive(Clone, Copy)]
enum Fate {
    /// A request for `/NAME`, under these VLAN ids.
    Request(&'static [u64]),
    /// An outcome, by its name in `stats`.
    Outcome(&'static str),
}

struct Case {
    name: &'static str,
    fate: Fate,
    frame: Vec<u8>,
}

/// A request that stands in one segment; the case's number tells the flows
/// apart.
pub(crate) fn request(name: &str, number: u16, ip: [&str; 2]) -> Result<Packet> {
    let address = |ip: &str, port: u16| {
        Ok::<_, anyhow::Error>((ip.parse::<std::net::IpAddr>()?, port).into())
    };
    Ok(Packet {
        source: address(ip[0], 40_000 + number)?,
        destination: address(ip[1], 80)?,
        sequence: 1000,
        acknowledgement: 1,
        flags: TcpFlags(TcpFlags::PSH.0 | TcpFlags::ACK.0),
        window: 100,
        options: vec![],
        payload: format!("GET /{name} HTTP/1.1\r\nHost: h\r\n\r\n").into_bytes(),
        vlan: vec![],
    })
}

const V4: [&str; 2] = ["10.0.0.1", "10.0.0.2"];
const V6: [&str; 2] = ["fd00::1", "fd00::2"];

/// All cases; each begins as a good request and is then bent.
fn cases() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut case = |name: &'static str, ip, fate, bend: &dyn Fn(&mut Packet) -> Result<Vec<u8>>| {
        let number = u16::try_from(cases.len())?;
        let mut packet = request(name, number, ip)?;
        let frame = bend(&mut packet)?;
        cases.push(Case { name, fate, frame });
        Ok::<_, anyhow::Error>(())
    };
    let plain = |packet: &mut Packet| packet.frame();
    let bent = |change: fn(&mut Vec<u8>)| {
        move |packet: &mut Packet| {
            let mut frame = packet.frame()?;
            change(&mut frame);
            Ok(frame)
        }
    };
    let request = Fate::Request(&[]);
    case("plain-v4", V4, request, &plain)?;
    case("plain-v6", V6, request, &plain)?;
    case("tagged", V4, Fate::Request(&[7]), &|packet| {
        packet.vlan = vec![7];
        packet.frame()
    })?;
    case("tagged-v6", V6, Fate::Request(&[7]), &|packet| {
        packet.vlan = vec![7];
        packet.frame()
    })?;
    case("double-tagged", V4, Fate::Request(&[7, 9]), &|packet| {
        packet.vlan = vec![7, 9];
        packet.frame()
    })?;
    case("padded", V4, request, &bent(|frame| frame.extend([0; 18])))?;
    case("ip-options", V4, request, &|packet| {
        // Four bytes of "no operation".
        let mut frame = packet.frame()?;
        frame.splice(IP + 20..IP + 20, [1, 1, 1, 1]);
        frame[IP] = 0x46;
        lengthen_v4(&mut frame, 4);
        Ok(frame)
    })?;
    case("extension-headers", V6, request, &|packet| {
        // Hop-by-hop, destination options, an atomic fragment header, TCP.
        let mut frame = packet.frame()?;
        let headers = [
            60, 0, 1, 4, 0, 0, 0, 0, 44, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0,
            0, 0, 0, 9,
        ];
        frame.splice(IP + 40..IP + 40, headers);
        frame[IP + 6] = 0;
        lengthen_v6(&mut frame, 32);
        Ok(frame)
    })?;
    case("padded-ack", V4, Fate::Outcome("pure_ack"), &|packet| {
        packet.payload.clear();
        let mut frame = packet.frame()?;
        frame.resize(60, 0);
        Ok(frame)
    })?;
    case("first-fragment", V4, Fate::Outcome("fragment"), &bent(|frame| frame[IP + 6] = 0x20))?;
    case("later-fragment", V4, Fate::Outcome("fragment"), &bent(|frame| frame[IP + 7] = 0x40))?;
    case("fragment-v6", V6, Fate::Outcome("fragment"), &|packet| {
        let mut frame = packet.frame()?;
        frame.splice(IP + 40..IP + 40, [6, 0, 0, 1, 0, 0, 0, 9]);
        frame[IP + 6] = 44;
        lengthen_v6(&mut frame, 8);
        Ok(frame)
    })?;
    case("short-tcp-header", V4, Fate::Outcome("malformed"), &bent(|frame| frame[IP + 32] = 0x40))?;
    case("long-tcp-header", V4, Fate::Outcome("malformed"), &|packet| {
        packet.payload.truncate(8);
        let mut frame = packet.frame()?;
        frame[IP + 32] = 0xf0;
        Ok(frame)
    })?;
    case(
        "short-total-length",
        V4,
        Fate::Outcome("malformed"),
        &bent(|frame| {
            frame[IP + 2..IP + 4].copy_from_slice(&[0, 10]);
        }),
    )?;
    case(
        "cut-short",
        V4,
        Fate::Outcome("truncated"),
        &bent(|frame| frame.truncate(frame.len() - 5)),
    )?;
    case("another-port", V4, Fate::Outcome("not_selected"), &|packet| {
        packet.destination.set_port(8080);
        packet.frame()
    })?;
    case("udp", V4, Fate::Outcome("not_selected"), &bent(|frame| frame[IP + 9] = 17))?;
    Ok(cases)
}

fn lengthen_v4(frame: &mut [u8], by: u16) {
    let len = u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]) + by;
    frame[IP + 2..IP + 4].copy_from_slice(&len.to_be_bytes());
}

fn lengthen_v6(frame: &mut [u8], by: u16) {
    let len = u16::from_be_bytes([frame[IP + 4], frame[IP + 5]]) + by;
    frame[IP + 4..IP + 6].copy_from_slice(&len.to_be_bytes());
}

/// Sends all cases over a veth pair.
fn ethernet(hook: &[&str], seen: Seen) -> Result<()> {
    let (sender, receiver) = (Namespace::new("sender")?, Namespace::new("receiver")?);
    for namespace in [&sender, &receiver] {
        quiet(namespace)?;
    }
    sender.veth("eth0", &receiver, "eth0")?;
    let looked_at = match seen {
        Seen::Ingress => &receiver,
        Seen::Egress => &sender,
    };
    let tracer = Tracer::start(looked_at, &[hook, &["-i", "eth0"]].concat())?;
    let mut wire = Wire::ethernet(&sender, "eth0")?;
    let cases = cases()?;
    for case in &cases {
        wire.send(&case.frame).context(case.name)?;
    }
    check(tracer, &cases)
}

/// Sends the cases without link-layer matters into a tun device.
fn without_ethernet_header() -> Result<()> {
    let namespace = Namespace::new("tun")?;
    quiet(&namespace)?;
    let mut wire = Wire::tun(&namespace, "tun0")?;
    let tracer = Tracer::start(&namespace, &["-i", "tun0"])?;
    let mut cases = cases()?;
    cases.retain(|case| !case.name.contains("tagged"));
    for case in &mut cases {
        case.frame.drain(..IP);
        wire.send(&case.frame).context(case.name)?;
    }
    check(tracer, &cases)
}

/// Keeps the namespace from sending anything by itself.
pub(crate) fn quiet(namespace: &Namespace) -> Result<()> {
    for interfaces in ["all", "default"] {
        let set = format!("echo 1 > /proc/sys/net/ipv6/conf/{interfaces}/disable_ipv6");
        wait::success(namespace.command("sh").args(["-c", &set]), LIMIT)?;
    }
    Ok(())
}

/// Waits until the last request has come, stops, and holds every case against
/// what was said and counted.
fn check(tracer: Tracer, cases: &[Case]) -> Result<()> {
    let requests: Vec<&Case> =
        cases.iter().filter(|case| matches!(case.fate, Fate::Request(_))).collect();
    for case in &requests {
        let path = format!("/{}", case.name);
        tracer
            .wait_for(&format!("the request {path}"), |event| text(event, "/url/path") == path)?;
    }
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}", said.log);
    for case in &requests {
        request_is_there_once(&said, case)?;
    }
    let stats = said.of("stats").last().context("no stats at the end")?;
    let expected = |name: &str| {
        let is = |case: &&Case| matches!(case.fate, Fate::Outcome(outcome) if outcome == name);
        cases.iter().filter(is).count() as u64
    };
    let counted = |name: &str| number(stats, &format!("/tracer/{name}"));
    for name in ["pure_ack", "fragment", "malformed", "truncated", "not_selected"] {
        ensure!(
            counted(name) == Some(expected(name)),
            "{name}: {} expected\n{stats}",
            expected(name)
        );
    }
    ensure!(counted("copied") == Some(requests.len() as u64), "copied\n{stats}");
    ensure!(counted("seen") == Some(cases.len() as u64), "seen\n{stats}");
    Ok(())
}

fn request_is_there_once(said: &Traced, case: &Case) -> Result<()> {
    let path = format!("/{}", case.name);
    let found: Vec<&Value> =
        said.of("http-request").filter(|event| text(event, "/url/path") == path).collect();
    ensure!(found.len() == 1, "{}: {} requests", case.name, found.len());
    let ids: Vec<u64> = ["/network/vlan/id", "/network/inner/vlan/id"]
        .iter()
        .flat_map(|pointer| found.iter().filter_map(|event| number(event, pointer)))
        .collect();
    let tagged = matches!(case.fate, Fate::Request(expected) if expected == ids);
    ensure!(tagged, "{}: tags {ids:?}", case.name);
    Ok(())
}
