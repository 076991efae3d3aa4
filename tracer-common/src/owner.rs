//! Which process has an end of a connection: the table of owners, which the
//! kernel side writes and the user side reads.

use core::mem::{offset_of, size_of};

/// Owners that are remembered; the longest unused gives way. They are read a few
/// milliseconds after they were written.
pub const OWNERS: usize = 8192;

/// Owners of connections that are being opened, whose port is not known yet.
pub const OPENING: usize = 1024;

/// Places of those who used a socket last; a power of two.
pub const SEEN: usize = 8192;

/// Who used a socket last.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The socket.
    pub socket: u64,
    /// Number of the process in the upper half, the socket's ports in the lower.
    pub who: u64,
    /// How often it did, around the clock.
    pub turn: u32,
    /// Nothing.
    pub padding: u32,
}

/// An end of a connection, as its host sees it.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Address of this end: of IPv6, or of IPv4 as IPv6 maps it (RFC 4291
    /// section 2.5.5.2).
    pub local: [u8; 16],
    /// Address of the other end.
    pub remote: [u8; 16],
    /// Port of this end.
    pub local_port: u16,
    /// Port of the other end.
    pub remote_port: u16,
}

/// Bytes of [`Owner::executable`].
pub const EXECUTABLE_LEN: usize = 384;
/// Bytes of [`Owner::cgroup`].
pub const CGROUP_LEN: usize = 384;
/// Bytes that one part of a path may have, the NUL behind it included.
pub const PART_LEN: usize = 128;
/// Where in a path the last of its parts may begin.
pub const LAST_PART: usize = CGROUP_LEN - PART_LEN;

/// Who has an end.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// When it was found out, nanoseconds of `CLOCK_MONOTONIC`.
    pub since: u64,
    /// The socket, by a number that tells it from others that are open.
    pub socket: u64,
    /// Number of the process, as the host numbers them.
    pub pid: u32,
    /// How that is known: [`UNKNOWN`] as long as the rest is being written.
    pub certainty: u32,
    /// Bytes of `executable`; 0 where it is not known whole.
    pub executable_len: u16,
    /// Bytes of `cgroup`.
    pub cgroup_len: u16,
    /// Nothing.
    pub padding: u32,
    /// What the process calls itself, up to a NUL.
    pub name: [u8; 16],
    /// Path of the program: its parts from the last to the first, a NUL behind
    /// each.
    pub executable: [u8; EXECUTABLE_LEN],
    /// Path of the control group in the unified hierarchy, in the same way; its
    /// first parts may be missing.
    pub cgroup: [u8; CGROUP_LEN],
}

/// Value of [`Owner::certainty`]: nothing can be said yet.
pub const UNKNOWN: u32 = 0;
/// Value of [`Owner::certainty`]: the process itself called the kernel.
pub const KERNEL: u32 = 1;
/// Value of [`Owner::certainty`]: it had the socket open when tracing began.
pub const PROC: u32 = 2;

impl Owner {
    /// Nobody yet.
    pub const NOBODY: Self = Self {
        since: 0,
        socket: 0,
        pid: 0,
        certainty: UNKNOWN,
        executable_len: 0,
        cgroup_len: 0,
        padding: 0,
        name: [0; 16],
        executable: [0; EXECUTABLE_LEN],
        cgroup: [0; CGROUP_LEN],
    };
}

/// Where in the running kernel's structures stands what the programs read, in
/// bytes. Of nested ones: from the begin of the outermost.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// `sock_common.skc_v6_daddr`; `skc_v6_rcv_saddr` stands behind it.
    pub addresses: u32,
    /// `sock_common.skc_net.net`.
    pub namespace: u32,
    /// `sock.sk_protocol`, two bytes.
    pub protocol: u32,
    /// `inet_sock.inet_sport`, which is left when a connection has ended.
    pub local_port: u32,
    /// `net.ns.inum`.
    pub namespace_number: u32,
    /// `socket.sk`.
    pub socket: u32,
    /// `task_struct.group_leader`.
    pub leader: u32,
    /// `task_struct.tgid`.
    pub tgid: u32,
    /// `task_struct.comm`.
    pub comm: u32,
    /// `task_struct.mm`.
    pub memory: u32,
    /// `task_struct.cgroups`.
    pub cgroups: u32,
    /// `mm_struct.exe_file`.
    pub executable: u32,
    /// `file.f_path.mnt`.
    pub file_mount: u32,
    /// `file.f_path.dentry`.
    pub file_entry: u32,
    /// `dentry.d_parent`.
    pub entry_parent: u32,
    /// `dentry.d_name.name`.
    pub entry_name: u32,
    /// `vfsmount.mnt_root`.
    pub mount_root: u32,
    /// `mount.mnt`, which is a `vfsmount`.
    pub mount: u32,
    /// `mount.mnt_parent`.
    pub mount_parent: u32,
    /// `mount.mnt_mountpoint`.
    pub mount_point: u32,
    /// `css_set.dfl_cgrp`.
    pub unified: u32,
    /// `cgroup.kn`.
    pub node: u32,
    /// `kernfs_node.name`.
    pub node_name: u32,
    /// `kernfs_node.parent`.
    pub node_parent: u32,
    /// Number of this process' network namespace: connections with themselves
    /// are looked at in no other.
    pub own_namespace: u32,
}

const _: () = assert!(size_of::<End>() == 36);
const _: () = assert!(offset_of!(End, local_port) == 32);
const _: () = assert!(size_of::<Owner>() == 48 + EXECUTABLE_LEN + CGROUP_LEN);
const _: () = assert!(offset_of!(Owner, certainty) == 20);
const _: () = assert!(offset_of!(Owner, name) == 32);
const _: () = assert!(EXECUTABLE_LEN == CGROUP_LEN);
const _: () = assert!((LAST_PART).is_power_of_two());
const _: () = assert!(size_of::<Layout>() == 25 * 4);

#[cfg(feature = "user")]
mod plain {
    #![expect(unsafe_code, reason = "aya::Pod is an unsafe marker trait")]
    // SAFETY: repr(C), integers of one size only.
    unsafe impl aya::Pod for super::Layout {}
    // SAFETY: repr(C), integers and arrays of them, no padding (asserted above).
    unsafe impl aya::Pod for super::Owner {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::End {}
}
