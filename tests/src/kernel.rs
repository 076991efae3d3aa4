//! What a tracer has in the kernel.

use std::{collections::BTreeSet, fs};

use anyhow::{Context as _, Result};
use aya::maps::{Map, MapData, MapInfo, PerCpuArray};

/// The map that counts packets by outcome.
const OUTCOMES: &str = "OUTCOMES";

/// Programs of one process, and its count of packets, which this keeps
/// readable when the process has gone.
pub struct Objects {
    programs: BTreeSet<u32>,
    outcomes: PerCpuArray<MapData, u64>,
}

impl Objects {
    /// Those of a process, by what its descriptors say.
    pub fn of(pid: u32) -> Result<Self> {
        let mut programs = BTreeSet::new();
        let mut outcomes = None;
        for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            for line in text.lines() {
                let Some((key, value)) = line.split_once(":\t") else { continue };
                match (key, value.trim().parse()) {
                    ("prog_id", Ok(id)) => _ = programs.insert(id),
                    ("map_id", Ok(id)) if MapInfo::from_id(id)?.name_as_str() == Some(OUTCOMES) => {
                        outcomes = Some(MapData::from_id(id)?);
                    }
                    _ => {}
                }
            }
        }
        let outcomes = Map::PerCpuArray(outcomes.context("no descriptor of OUTCOMES")?);
        Ok(Self { programs, outcomes: outcomes.try_into()? })
    }

    /// How many of the programs are in the kernel.
    pub fn loaded(&self) -> usize {
        let all = aya::programs::loaded_programs().flatten();
        all.filter(|program| self.programs.contains(&program.id())).count()
    }

    /// Packets that the programs have counted.
    pub fn packets(&self) -> Result<u64> {
        let mut sum = 0;
        for outcome in 0..self.outcomes.len() {
            sum += self.outcomes.get(&outcome, 0)?.iter().sum::<u64>();
        }
        Ok(sum)
    }
}
