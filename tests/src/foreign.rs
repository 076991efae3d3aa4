//! Programs of somebody else on an interface: a few instructions long, so that
//! no compiler is needed.

#![expect(
    unsafe_code,
    reason = "aya loads objects, which such a program would need a compiler for: bpf(2) is called"
)]

use std::{
    io,
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};
use aya::programs::loaded_programs;

use crate::namespace::Namespace;

/// `BPF_MAP_CREATE`, `BPF_PROG_LOAD` and `BPF_LINK_CREATE` (`enum bpf_cmd`).
const MAP_CREATE: libc::c_int = 0;
const PROG_LOAD: libc::c_int = 5;
const LINK_CREATE: libc::c_int = 28;

/// A hook, by its numbers in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `enum bpf_prog_type`
    program_type: u32,
    /// `enum bpf_attach_type`
    attach_type: u32,
    /// Flags of the link.
    flags: u32,
    /// The program's answer.
    answer: i32,
}

impl Hook {
    /// TCX ingress, behind all others; lets every packet pass and ends the
    /// chain.
    pub const TCX_INGRESS_PASS: Self =
        Self { program_type: 3, attach_type: 46, flags: 0, answer: 0 };
    /// The same on egress.
    pub const TCX_EGRESS_PASS: Self = Self { attach_type: 47, ..Self::TCX_INGRESS_PASS };
    /// TCX ingress, behind all others; lets those behind it decide.
    pub const TCX_INGRESS_NEXT: Self = Self { answer: -1, ..Self::TCX_INGRESS_PASS };
    /// Native XDP that passes.
    pub const XDP_NATIVE_PASS: Self =
        Self { program_type: 6, attach_type: 37, flags: 1 << 2, answer: 2 };
    /// Generic XDP that passes.
    pub const XDP_GENERIC_PASS: Self = Self { flags: 1 << 1, ..Self::XDP_NATIVE_PASS };

    /// Whether it is XDP, of which an interface has one program.
    #[must_use]
    pub const fn is_xdp(self) -> bool {
        self.program_type == 6
    }
}

/// Such a program; it goes with the guard.
#[derive(Debug)]
pub struct Foreign {
    id: u32,
    _program: OwnedFd,
    _link: OwnedFd,
}

impl Foreign {
    /// Attaches one to a device of a namespace.
    pub fn attach(namespace: &Namespace, device: &str, hook: Hook) -> Result<Self> {
        let pass = [insn(0xb7, 0, 0, hook.answer), EXIT];
        Self::attach_program(namespace, device, hook, &pass)
    }

    /// Attaches one to TCX egress, behind all others, that counts packets, for
    /// each processor by itself, and lets them go on: the least that a program
    /// can do which says anything.
    pub fn counting(namespace: &Namespace, device: &str) -> Result<Self> {
        let hook = Hook { answer: -1, ..Hook::TCX_EGRESS_PASS };
        let counters = Counters { map_type: 6, key_size: 4, value_size: 8, max_entries: 1 };
        let counters = bpf(MAP_CREATE, &counters).context("making a map")?;
        let count = [
            // r2 = &0; r1 = the map; r0 = bpf_map_lookup_elem(r1, r2)
            insn(0x62, 0x0a, -4, 0),
            insn(0xbf, 0xa2, 0, 0),
            insn(0x07, 0x02, 0, -4),
            insn(0x18, 0x11, 0, counters.as_raw_fd()),
            insn(0, 0, 0, 0),
            insn(0x85, 0, 0, 1),
            // if r0 != 0 { *r0 += 1 }
            insn(0x15, 0, 3, 0),
            insn(0x79, 0x01, 0, 0),
            insn(0x07, 0x01, 0, 1),
            insn(0x7b, 0x10, 0, 0),
            insn(0xb7, 0, 0, hook.answer),
            EXIT,
        ];
        Self::attach_program(namespace, device, hook, &count)
    }

    fn attach_program(
        namespace: &Namespace,
        device: &str,
        hook: Hook,
        instructions: &[[u8; 8]],
    ) -> Result<Self> {
        let program = load(hook, instructions).with_context(|| format!("loading {hook:?}"))?;
        let id = id(&program)?;
        let device = device.to_owned();
        let (program, link) = namespace.within(move || {
            let link = link(&program, &device, hook)?;
            Ok((program, link))
        })?;
        Ok(Self { id, _program: program, _link: link })
    }

    /// Its number in the kernel.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// How often it ran while runs were counted.
    pub fn runs(&self) -> u64 {
        let mut loaded = loaded_programs().filter_map(Result::ok);
        loaded.find(|info| info.id() == self.id).map_or(0, |info| info.run_count())
    }
}

/// The number that the kernel gave the program of a descriptor.
fn id(program: &OwnedFd) -> Result<u32> {
    let path = format!("/proc/self/fdinfo/{}", program.as_raw_fd());
    let text = std::fs::read_to_string(path)?;
    let id = text.lines().find_map(|line| line.strip_prefix("prog_id:"));
    Ok(id.context("no prog_id")?.trim().parse()?)
}

/// An instruction (`struct bpf_insn`); the destination register stands in the
/// low half of `registers`.
const fn insn(code: u8, registers: u8, offset: i16, constant: i32) -> [u8; 8] {
    let ([o0, o1], [c0, c1, c2, c3]) = (offset.to_ne_bytes(), constant.to_ne_bytes());
    [code, registers, o0, o1, c0, c1, c2, c3]
}

/// `exit`
const EXIT: [u8; 8] = insn(0x95, 0, 0, 0);

/// The part of `union bpf_attr` that makes a map.
#[repr(C)]
struct Counters {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// The part of `union bpf_attr` that loads a program.
#[repr(C)]
#[derive(Default)]
struct Load {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_attach_type: u32,
}

/// The part that attaches one by a link.
#[repr(C)]
#[derive(Default)]
struct Attach {
    program: u32,
    interface: u32,
    at: u32,
    flags: u32,
    relative: u64,
    revision: u64,
}

fn load(hook: Hook, instructions: &[[u8; 8]]) -> io::Result<OwnedFd> {
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(*b"foreign") {
        *to = from;
    }
    bpf(
        PROG_LOAD,
        &Load {
            program_type: hook.program_type,
            instruction_count: u32::try_from(instructions.len()).unwrap_or_default(),
            instructions: instructions.as_ptr().addr() as u64,
            license: c"GPL".as_ptr().addr() as u64,
            name,
            // TC knows no such type.
            expected_attach_type: if hook.is_xdp() { hook.attach_type } else { 0 },
            ..Load::default()
        },
    )
}

fn link(program: &OwnedFd, device: &str, hook: Hook) -> io::Result<OwnedFd> {
    let attach = Attach {
        program: program.as_raw_fd().cast_unsigned(),
        interface: nix::net::if_::if_nametoindex(device)?,
        at: hook.attach_type,
        flags: hook.flags,
        ..Attach::default()
    };
    bpf(LINK_CREATE, &attach)
}

/// A command of bpf(2) that makes a descriptor.
fn bpf<T>(command: libc::c_int, attributes: &T) -> io::Result<OwnedFd> {
    // SAFETY: the kernel reads as many bytes as are there, and what they point
    // at lives in the caller; the descriptor is new and ours.
    unsafe {
        let made =
            libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>());
        if made < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(i32::try_from(made).map_err(io::Error::other)?))
    }
}
