//! What a tracer has in the kernel, asked of the kernel itself: programs,
//! links, and what sits on an interface.

use std::{collections::BTreeSet, fs, os::fd::OwnedFd, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    maps::{Map, MapData, MapInfo, PerCpuArray},
    programs::{
        ProgramFd, ProgramInfo, SchedClassifier, TcAttachType, loaded_links, loaded_programs,
    },
    sys::{Stats, enable_stats},
};

use crate::{namespace::Namespace, wait};

/// Limit of one call of `ip` or `tc`.
const TOOL: Duration = Duration::from_secs(10);

/// Has the kernel count the runs of programs for as long as the result lives.
pub fn count_runs() -> Result<OwnedFd> {
    enable_stats(Stats::RunTime).context("counting the runs of programs")
}

/// BPF objects that a process holds open, by their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Links, which hold programs in their places.
    pub links: BTreeSet<u32>,
}

impl Held {
    /// Looks at a process.
    pub fn by(pid: u32) -> Result<Self> {
        let mut held = Self::default();
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            // A descriptor may be closed meanwhile.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            let number = |name: &str| -> Option<u32> {
                let value = text.lines().find_map(|line| line.strip_prefix(name))?;
                value.trim().parse().ok()
            };
            held.programs.extend(number("prog_id:"));
            held.links.extend(number("link_id:"));
        }
        Ok(held)
    }

    /// Waits until the kernel has none of the links any more, which it lets go
    /// a moment after the last descriptor.
    pub fn wait_for_links_to_go(&self, limit: Duration) -> Result<()> {
        wait::until("the links to go", limit, || {
            let mut there = loaded_links().filter_map(Result::ok);
            Ok((!there.any(|link| self.links.contains(&link.id()))).then_some(()))
        })
        .with_context(|| format!("{self:?}"))
    }

    /// The same of the programs.
    pub fn wait_for_programs_to_go(&self, limit: Duration) -> Result<()> {
        wait::until("the programs to go", limit, || {
            let mut there = loaded_programs().filter_map(Result::ok);
            Ok((!there.any(|program| self.programs.contains(&program.id()))).then_some(()))
        })
        .with_context(|| format!("{self:?}"))
    }

    /// Holds the programs, so that they can be asked when nobody else does.
    pub fn hold(&self) -> Result<Programs> {
        let infos = infos(&self.programs);
        ensure!(infos.len() == self.programs.len(), "programs went away: {self:?}");
        let mut maps = BTreeSet::new();
        for info in &infos {
            maps.extend(info.map_ids()?.unwrap_or_default());
        }
        let outcomes = maps.into_iter().find(|id| {
            MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some("OUTCOMES"))
        });
        let outcomes = MapData::from_id(outcomes.context("no map OUTCOMES")?)?;
        Ok(Programs {
            ids: self.programs.clone(),
            _descriptors: infos.iter().map(ProgramInfo::fd).collect::<Result<_, _>>()?,
            outcomes: PerCpuArray::try_from(Map::PerCpuArray(outcomes))?,
        })
    }
}

fn infos(ids: &BTreeSet<u32>) -> Vec<ProgramInfo> {
    let loaded = loaded_programs().filter_map(Result::ok);
    loaded.filter(|info| ids.contains(&info.id())).collect()
}

/// How often programs ran since runs are counted, and how long that took in
/// all.
pub fn spent(programs: &BTreeSet<u32>) -> (u64, Duration) {
    let infos = infos(programs);
    (infos.iter().map(ProgramInfo::run_count).sum(), infos.iter().map(ProgramInfo::run_time).sum())
}

/// A tracer's programs, held.
#[expect(missing_debug_implementations, reason = "aya's maps have none")]
pub struct Programs {
    ids: BTreeSet<u32>,
    _descriptors: Vec<ProgramFd>,
    outcomes: PerCpuArray<MapData, u64>,
}

impl Programs {
    /// How often they ran, all together, since runs are counted.
    pub fn runs(&self) -> u64 {
        infos(&self.ids).iter().map(ProgramInfo::run_count).sum()
    }

    /// How long they ran, all together, since runs are counted.
    pub fn time(&self) -> Duration {
        infos(&self.ids).iter().map(ProgramInfo::run_time).sum()
    }

    /// Packets that they counted, all outcomes together.
    pub fn counted(&self) -> Result<u64> {
        let mut sum = 0;
        for outcome in 0..self.outcomes.len() {
            sum += self.outcomes.get(&outcome, 0)?.iter().sum::<u64>();
        }
        Ok(sum)
    }
}

/// What sits on an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hooks {
    /// Programs on TCX ingress and egress, in their order.
    pub tcx: [Vec<u32>; 2],
    /// The XDP program, as `ip` tells of it.
    pub xdp: Option<String>,
    /// Queueing disciplines, as `tc` tells of them.
    pub qdiscs: String,
    /// Filters of ingress and egress, as `tc` tells of them.
    pub filters: [String; 2],
}

impl Hooks {
    /// Looks at an interface of a namespace.
    pub fn of(namespace: &Namespace, device: &str) -> Result<Self> {
        let link = namespace.ip(&format!("-details link show dev {device}"))?;
        let filters = |side: &str| tc(namespace, &format!("filter show dev {device} {side}"));
        let name = device.to_owned();
        let tcx = namespace.within(move || {
            Ok([tcx(&name, TcAttachType::Ingress)?, tcx(&name, TcAttachType::Egress)?])
        })?;
        Ok(Self {
            tcx,
            xdp: link.lines().map(str::trim).find(|line| line.contains("prog/xdp")).map(Into::into),
            qdiscs: tc(namespace, &format!("qdisc show dev {device}"))?,
            filters: [filters("ingress")?, filters("egress")?],
        })
    }

    /// Whether no program and no filter is there.
    pub fn are_free(&self) -> bool {
        let Self { tcx, xdp, qdiscs: _, filters } = self;
        tcx.iter().all(Vec::is_empty) && xdp.is_none() && filters.iter().all(String::is_empty)
    }
}

fn tcx(device: &str, side: TcAttachType) -> Result<Vec<u32>> {
    let (_, programs) = SchedClassifier::query_tcx(device, side)?;
    Ok(programs.iter().map(ProgramInfo::id).collect())
}

/// Runs `tc` in a namespace; the arguments are separated by spaces.
pub fn tc(namespace: &Namespace, arguments: &str) -> Result<String> {
    let mut command = Command::new("tc");
    command.args(["-n", namespace.name()]).args(arguments.split(' '));
    wait::success(&mut command, TOOL).with_context(|| format!("tc {arguments}"))
}

/// Waits until a process is no more; one that only nobody has waited for yet
/// counts as gone.
pub fn wait_for_end(pid: u32, limit: Duration) -> Result<()> {
    wait::until(&format!("process {pid} to end"), limit, || {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let state = status.lines().find_map(|line| line.strip_prefix("State:"));
        Ok(state.is_none_or(|state| state.trim().starts_with(['Z', 'X'])).then_some(()))
    })
}

/// A line of a process's status page, without its name.
pub fn status(pid: u32, name: &str) -> Result<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    match line {
        Some(line) => Ok(line.trim().to_owned()),
        None => bail!("no {name} in\n{status}"),
    }
}
