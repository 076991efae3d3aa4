//! What a program and those that it started took of the machine.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    time::ClockId,
    unistd::Pid,
};

use crate::process;

/// The numbers of a process and all its descendants, as they are now.
pub(super) fn of(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while let Some(parent) = family.get(at).copied() {
        at += 1;
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else { continue };
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            family
                .extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
    }
    family
}

/// CPU time that a process and its living descendants have taken, by the
/// clocks that the kernel keeps for each in nanoseconds.
pub(super) fn cpu(pid: u32) -> Duration {
    of(pid).into_iter().filter_map(|pid| process_cpu(pid).ok()).sum()
}

/// What they have taken since it was so much.
pub(super) fn cpu_since(pid: u32, before: Duration) -> Duration {
    cpu(pid).saturating_sub(before)
}

fn process_cpu(pid: u32) -> Result<Duration> {
    let clock = ClockId::pid_cpu_clock_id(Pid::from_raw(pid.try_into()?))?;
    Ok(clock.now()?.into())
}

/// The most memory that each of them had at a time, together, in bytes.
pub(super) fn peak(pid: u32) -> u64 {
    of(pid).into_iter().map(process::peak_memory).sum()
}

/// The memory that each of them has now, together, in bytes.
pub(super) fn memory(pid: u32) -> u64 {
    of(pid).into_iter().map(process::memory).sum()
}

/// Keeps a process and its descendants, and all their threads, on one core.
pub(super) fn pin(pid: u32, core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    for pid in of(pid) {
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            let name = task?.file_name();
            let task =
                name.to_str().and_then(|name| name.parse().ok()).context("a task's number")?;
            sched_setaffinity(Pid::from_raw(task), &cores)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests_of_families {
    use std::{
        process::{self as std_process, Command},
        time::Instant,
    };

    use super::*;

    #[test]
    fn a_program_and_what_it_starts_are_one_family() {
        let mut shell =
            Command::new("sh").args(["-c", "sleep 20 & sleep 20 & wait"]).spawn().unwrap();
        let begun = Instant::now();
        while of(shell.id()).len() < 3 && begun.elapsed() < Duration::from_secs(10) {
            std::thread::yield_now();
        }
        let family = of(shell.id());
        assert_eq!(family.len(), 3, "{family:?}");
        assert!(peak(shell.id()) > 0);
        for pid in family.into_iter().rev() {
            let pid = Pid::from_raw(pid.try_into().unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        shell.wait().unwrap();
    }

    #[test]
    fn cpu_time_grows_with_work() {
        let before = cpu(std_process::id());
        let mut sum = 0_u64;
        while cpu(std_process::id()) < before + Duration::from_millis(2) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
    }
}
