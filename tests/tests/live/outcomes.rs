//! What was seen is what the kernel ran the programs for.

use std::{thread, time::Duration};

use anyhow::{Result, ensure};
use tests::{
    kernel::{self, Held},
    live::{Tracer, number},
    load::Load,
    server::Nginx,
    topology::Topology,
};

use crate::{LIVE, Test, check, traffic};

pub(crate) fn tests() -> Vec<Test> {
    let test = |(link, hook)| {
        let name = format!("outcomes::are_the_runs::{}", traffic::place(link, hook));
        Test::new(name, LIVE, move || runs(&Topology::new(link)?, hook))
    };
    traffic::places().map(test).collect()
}

/// The sum of the outcomes is the number of runs, whose count is the kernel's
/// own, and nothing ran after the counts were read.
fn runs(topology: &Topology, hook: &str) -> Result<()> {
    let nginx = Nginx::start(topology.server())?;
    let _counted = kernel::count_runs()?;
    let tracer = Tracer::start(topology.traced(), &["--hook", hook])?;
    let programs = Held::by(tracer.pid())?.hold()?;
    let load = Load::start(topology)?;
    thread::sleep(Duration::from_millis(100));
    // Still under load, so that packets are on their way when it detaches.
    let said = tracer.stop()?;
    ensure!(load.undisturbed(&nginx)? > 0, "no traffic");
    ensure!(said.status.success(), "{}\n{}", said.status, said.log);
    let stats = check::adds_up(&said)?;
    let seen = number(stats, "/tracer/seen");
    ensure!(seen > Some(100), "{stats}");
    ensure!(seen == Some(programs.runs()), "{} runs, {stats}", programs.runs());
    ensure!(seen == Some(programs.counted()?), "{} counted, {stats}", programs.counted()?);
    Ok(())
}
