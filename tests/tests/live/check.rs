//! What holds of every run.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tests::live::Traced;

/// The outcomes that a packet can have, as the event `stats` names them.
const OUTCOMES: [&str; 11] = [
    "not_selected",
    "pure_ack",
    "duplicate",
    "fragment",
    "malformed",
    "shunted",
    "shed",
    "copied",
    "truncated",
    "lost/ring_full",
    "lost/unreadable",
];

/// tracer ended well, lost nothing, found nothing odd, and its counters add up.
pub(crate) fn whole(traced: &Traced) -> Result<()> {
    ensure!(traced.status.success(), "{}\n{}", traced.status, traced.log);
    for odd in ["gap", "anomaly"] {
        let events: Vec<&Value> = traced.of(odd).collect();
        ensure!(events.is_empty(), "{events:#?}\n{}", traced.log);
    }
    let stats = adds_up(traced)?;
    let count = |name: &str| tests::live::number(stats, &format!("/tracer/{name}"));
    for lost in ["truncated", "malformed", "lost/ring_full", "lost/unreadable"] {
        ensure!(count(lost) == Some(0), "{lost}: {stats}\n{}", traced.log);
    }
    Ok(())
}

/// Every packet has one outcome, and every event is counted. Returns the last
/// counters.
pub(crate) fn adds_up(traced: &Traced) -> Result<&Value> {
    let stats = traced.of("stats").last().context("no `stats` at the end")?;
    let count = |name: &str| tests::live::number(stats, &format!("/tracer/{name}"));
    every_packet_has_one_outcome(stats)?;
    let events = u64::try_from(traced.events.len())? - 1;
    ensure!(count("events") == Some(events), "{events} events, {stats}");
    Ok(stats)
}

/// The outcomes in these counters come to what was seen.
pub(crate) fn every_packet_has_one_outcome(stats: &Value) -> Result<()> {
    let count = |name: &str| tests::live::number(stats, &format!("/tracer/{name}"));
    let sum: u64 = OUTCOMES.iter().filter_map(|name| count(name)).sum();
    ensure!(count("seen") == Some(sum), "{stats}");
    Ok(())
}
