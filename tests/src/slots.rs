//! The slots of a tracer's skip window, in the kernel itself.

#![expect(unsafe_code, reason = "slots are in memory that the kernel shares")]

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _},
    ptr::{self, NonNull},
    sync::atomic::{AtomicU64, Ordering},
};

use anyhow::{Context as _, Result};
use aya::{
    maps::{MapData, MapInfo},
    programs::loaded_programs,
};
use tracer_common::slot::{Kind, MAX_SPAN, OPEN, SLOTS, Slot, Statement, reached};

use crate::kernel::Held;

/// All slots, mapped.
#[derive(Debug)]
pub struct Slots(NonNull<[AtomicU64; 8]>);

impl Slots {
    /// Those of the process with these programs.
    pub fn of(held: &Held) -> Result<Self> {
        let mut ids = Vec::new();
        let programs = loaded_programs().filter_map(Result::ok);
        for info in programs.filter(|info| held.programs.contains(&info.id())) {
            ids.extend(info.map_ids()?.unwrap_or_default());
        }
        let id = ids
            .into_iter()
            .find(|id| MapInfo::from_id(*id).is_ok_and(|info| info.name_as_str() == Some("SLOTS")));
        let map = MapData::from_id(id.context("no map SLOTS")?)?;
        let (len, access) = (SLOTS * size_of::<Slot>(), libc::PROT_READ | libc::PROT_WRITE);
        let descriptor = map.fd().as_fd().as_raw_fd();
        // SAFETY: a new mapping, at a place of the kernel's choice.
        let slots =
            unsafe { libc::mmap(ptr::null_mut(), len, access, libc::MAP_SHARED, descriptor, 0) };
        if slots == libc::MAP_FAILED {
            return Err(io::Error::last_os_error()).context("mapping the slots");
        }
        Ok(Self(NonNull::new(slots.cast()).context("mapped at 0")?))
    }

    fn all(&self) -> &[[AtomicU64; 8]] {
        // SAFETY: so many are mapped as long as this lives; each word is aligned,
        // and the kernel reads and writes whole ones.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), SLOTS) }
    }

    /// How many flows have hidden bytes.
    pub fn hiding(&self) -> usize {
        let reach = |[_, _, _, reach, ..]: &[AtomicU64; 8]| reached(reach.load(Ordering::Acquire));
        self.all().iter().filter(|slot| reach(slot).is_some()).count()
    }

    /// Gives each slot in use to a flow that nobody knows, and that hides bytes;
    /// returns how many there were.
    pub fn take_all(&self) -> usize {
        let words = Statement::about(Kind::Window, 0, MAX_SPAN, None).words();
        let mut taken = 0;
        for [window, state, seal, reach, ..] in self.all() {
            let before = seal.load(Ordering::Acquire);
            if before != OPEN {
                window.store(words[0], Ordering::Release);
                state.store(words[1], Ordering::Release);
                seal.store(!before, Ordering::Release);
                reach.store(0, Ordering::Release);
                taken += 1;
            }
        }
        taken
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        // SAFETY: the mapping that was made, to which nothing refers any more.
        let _ = unsafe { libc::munmap(self.0.as_ptr().cast(), SLOTS * size_of::<Slot>()) };
    }
}
