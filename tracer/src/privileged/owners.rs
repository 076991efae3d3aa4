//! Who has the ends of connections (`--process`): loads and attaches the
//! programs that enter it, and has them enter what is open already.

use std::{fmt, fs, io, io::Read as _, os::unix::fs::MetadataExt as _};

use aya::{
    Btf, BtfError, Ebpf,
    programs::{BtfTracePoint, FEntry, Iter, Program, ProgramError, links::LinkError},
};
use tracer_common::owner::Layout;

use super::btf::{self, Types};

/// The programs that a process runs into at the begin of functions of the kernel,
/// and those functions.
const ENTRIES: [(&str, &str); 3] =
    [("own_connect", "tcp_connect"), ("own_send", "tcp_sendmsg"), ("own_receive", "tcp_recvmsg")];

/// The program that they need at a tracepoint, and that tracepoint.
const END: (&str, &str) = ("own_end", "inet_sock_set_state");

/// Those at tracepoints alone, and the tracepoints.
const POINTS: [(&str, &str); 2] =
    [("own_state", "inet_sock_set_state"), ("own_received", "sock_recv_length")];

/// Those of sending: before bytes leave, which not all kernels tell of, or after.
const SENDING: (&str, &str) = ("own_sending", "tcp_sendmsg_locked");
const SENT: (&str, &str) = ("own_sent", "sock_send_length");

/// The program that visits open files.
const OPEN: &str = "own_open";

/// The first members of a socket, where the programs take them to be.
const SOCKET: [(&str, u32); 5] = [
    ("sock_common.skc_daddr", 0),
    ("sock_common.skc_rcv_saddr", 4),
    ("sock_common.skc_dport", 12),
    ("sock_common.skc_num", 14),
    ("sock_common.skc_family", 16),
];

/// Why it cannot be known who has an end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The structures are not known.
    #[error(transparent)]
    Types(#[from] btf::Error),
    /// The same, as aya says it.
    #[error("reading this kernel's type information (BTF): {0}")]
    Btf(#[from] BtfError),
    /// The network namespace of this process has no number.
    #[error("/proc/self/ns/net: {0}")]
    Namespace(io::Error),
    /// A program was refused.
    #[error("{program} at {function}: {}", super::load::chain(.source))]
    Program {
        /// Its name.
        program: &'static str,
        /// Where it would run.
        function: String,
        /// What the kernel said.
        source: ProgramError,
    },
    /// What is open was not visited.
    #[error("visiting what is open: {0}")]
    Link(#[from] LinkError),
    /// The same.
    #[error("visiting what is open: {0}")]
    Read(#[from] io::Error),
    /// A mistake in the build.
    #[error("no program {0} in the BPF object")]
    Object(&'static str),
}

/// Where in the running kernel the programs have to look.
pub(super) fn layout() -> Result<Layout, Error> {
    let types = Types::of_kernel()?;
    for (member, expected) in SOCKET {
        if types.offset(member)? != expected {
            return Err(btf::Error::Member(member.to_owned()).into());
        }
    }
    let addresses = types.offset("sock_common.skc_v6_daddr")?;
    let local = "sock_common.skc_v6_rcv_saddr";
    if types.offset(local)? != addresses + 16 {
        return Err(btf::Error::Member(local.to_owned()).into());
    }
    let namespace = fs::metadata("/proc/self/ns/net").map_err(Error::Namespace)?.ino();
    let parent = types.offset("kernfs_node.parent");
    Ok(Layout {
        addresses,
        namespace: types.offset("sock_common.skc_net.net")?,
        protocol: types.offset("sock.sk_protocol")?,
        local_port: types.offset("inet_sock.inet_sport")?,
        namespace_number: types.offset("net.ns.inum")?,
        socket: types.offset("socket.sk")?,
        leader: types.offset("task_struct.group_leader")?,
        tgid: types.offset("task_struct.tgid")?,
        comm: types.offset("task_struct.comm")?,
        memory: types.offset("task_struct.mm")?,
        cgroups: types.offset("task_struct.cgroups")?,
        executable: types.offset("mm_struct.exe_file")?,
        file_mount: types.offset("file.f_path.mnt")?,
        file_entry: types.offset("file.f_path.dentry")?,
        entry_parent: types.offset("dentry.d_parent")?,
        entry_name: types.offset("dentry.d_name.name")?,
        mount_root: types.offset("vfsmount.mnt_root")?,
        mount: types.offset("mount.mnt")?,
        mount_parent: types.offset("mount.mnt_parent")?,
        mount_point: types.offset("mount.mnt_mountpoint")?,
        unified: types.offset("css_set.dfl_cgrp")?,
        node: types.offset("cgroup.kn")?,
        node_name: types.offset("kernfs_node.name")?,
        // So called from Linux 6.15 on.
        node_parent: parent.or_else(|_| types.offset("kernfs_node.__parent"))?,
        own_namespace: u32::try_from(namespace).unwrap_or_default(),
    })
}

/// How it is found out who has an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// At the begin of functions of the kernel: before a packet leaves.
    Functions,
    /// At tracepoints: servers that speak first are known after they have.
    Tracepoints {
        /// But that these are known before as well.
        before: bool,
    },
}

impl fmt::Display for Way {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Functions => "at the begin of tcp_connect, tcp_sendmsg and tcp_recvmsg (fentry)",
            Self::Tracepoints { before: true } => {
                "at tracepoints, as this kernel lets no program run at the begin of its functions \
                 (fentry); who connects is known once it is connected"
            }
            Self::Tracepoints { before: false } => {
                "at tracepoints, as this kernel lets no program run at the begin of its functions \
                 (fentry); who connects is known once it is connected, and servers that speak \
                 first once they have"
            }
        })
    }
}

/// Loads and attaches the programs, then visits what is open: whoever opens a
/// connection meanwhile is seen by the one or the other.
pub(super) fn start(ebpf: &mut Ebpf) -> Result<Way, Error> {
    let btf = Btf::from_sys_fs()?;
    let way = match functions(ebpf, &btf) {
        Ok(()) => Way::Functions,
        Err(error) => {
            log::debug!("{error}; trying tracepoints");
            tracepoints(ebpf, &btf)?
        }
    };
    if let Err(error) = visit(ebpf, &btf) {
        log::warn!(
            "connections that are open already have no process until it sends or receives: {error}"
        );
    }
    Ok(way)
}

fn functions(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), Error> {
    // All or none: those that were loaded before one was refused do not run.
    for (program, function) in ENTRIES {
        let entry: &mut FEntry = find(ebpf, program)?;
        entry.load(function, btf).map_err(|source| Error::Program {
            program,
            function: function.to_owned(),
            source,
        })?;
    }
    tracepoint(ebpf, btf, END)?;
    for (program, function) in ENTRIES {
        let entry: &mut FEntry = find(ebpf, program)?;
        entry.attach().map_err(|source| Error::Program {
            program,
            function: function.to_owned(),
            source,
        })?;
    }
    Ok(())
}

fn tracepoints(ebpf: &mut Ebpf, btf: &Btf) -> Result<Way, Error> {
    for point in POINTS {
        tracepoint(ebpf, btf, point)?;
    }
    let before = tracepoint(ebpf, btf, SENDING).is_ok();
    if !before {
        tracepoint(ebpf, btf, SENT)?;
    }
    Ok(Way::Tracepoints { before })
}

fn tracepoint(
    ebpf: &mut Ebpf,
    btf: &Btf,
    (program, function): (&'static str, &str),
) -> Result<(), Error> {
    let failed = |source| Error::Program { program, function: function.to_owned(), source };
    let point: &mut BtfTracePoint = find(ebpf, program)?;
    point.load(function, btf).map_err(failed)?;
    point.attach().map_err(failed)?;
    Ok(())
}

/// Enters those who have connections that are open already.
fn visit(ebpf: &mut Ebpf, btf: &Btf) -> Result<(), Error> {
    let failed =
        |source| Error::Program { program: OPEN, function: "iter/task_file".to_owned(), source };
    let open: &mut Iter = find(ebpf, OPEN)?;
    open.load("task_file", btf).map_err(failed)?;
    let link = open.attach().map_err(failed)?;
    let mut visit = open.take_link(link).map_err(failed)?.into_file()?;
    // It writes nothing; reading is what makes it go on.
    let _ = visit.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn find<'a, P>(ebpf: &'a mut Ebpf, name: &'static str) -> Result<&'a mut P, Error>
where
    &'a mut P: TryFrom<&'a mut Program>,
{
    let program = ebpf.program_mut(name).map(TryInto::try_into);
    program.and_then(Result::ok).ok_or(Error::Object(name))
}
