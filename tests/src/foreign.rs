//! Programs of somebody else on an interface: two instructions long, so that
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

/// `BPF_PROG_LOAD` and `BPF_LINK_CREATE` (`enum bpf_cmd`).
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
    /// Native XDP that passes.
    pub const XDP_NATIVE_PASS: Self =
        Self { program_type: 6, attach_type: 37, flags: 1 << 2, answer: 2 };
    /// Generic XDP that passes.
    pub const XDP_GENERIC_PASS: Self = Self { flags: 1 << 1, ..Self::XDP_NATIVE_PASS };
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
        let program = load(hook).with_context(|| format!("loading {hook:?}"))?;
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

/// `r0 = answer; exit`
fn instructions(answer: i32) -> [u8; 16] {
    let [a, b, c, d] = answer.to_ne_bytes();
    [0xb7, 0, 0, 0, a, b, c, d, 0x95, 0, 0, 0, 0, 0, 0, 0]
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

fn load(hook: Hook) -> io::Result<OwnedFd> {
    let instructions = instructions(hook.answer);
    let mut name = [0; 16];
    for (to, from) in name.iter_mut().zip(*b"foreign") {
        *to = from;
    }
    bpf(
        PROG_LOAD,
        &Load {
            program_type: hook.program_type,
            instruction_count: 2,
            instructions: instructions.as_ptr().addr() as u64,
            license: c"GPL".as_ptr().addr() as u64,
            name,
            // TC knows no such type.
            expected_attach_type: if hook.program_type == 6 { hook.attach_type } else { 0 },
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
