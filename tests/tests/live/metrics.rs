//! What tracer counts, as operators see it while it runs.

use anyhow::{Result, ensure};
use tests::{
    host::Need,
    live::{Tracer, number, text},
    namespace::Namespace,
    wire::Wire,
};

use crate::{Test, check, frames::request};

const NEEDS: &[Need] = &[Need::Namespaces, Need::Tracer];

/// Ends of requests that nobody answers.
const ENDS: [&str; 2] = ["127.0.0.1", "127.0.0.2"];

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("metrics::counters_are_told_at_the_interval", NEEDS, interval)]
}

/// Not only at the end, and as they are by then.
fn interval() -> Result<()> {
    let namespace = Namespace::new("metrics")?;
    let tracer = Tracer::start(&namespace, &["-i", "lo", "--stats-interval", "1"])?;
    let mut wire = Wire::ethernet(&namespace, "lo")?;
    for number in 0..5 {
        wire.send(&request("counted", number, ENDS)?.frame()?)?;
    }
    tracer.wait_for("the counters", |event| {
        text(event, "/event/action") == "stats" && number(event, "/tracer/copied") == Some(5)
    })?;
    let said = tracer.stop()?;
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    check::adds_up(&said)?;
    Ok(())
}
