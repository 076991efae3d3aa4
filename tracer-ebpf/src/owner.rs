//! Which process has an end of a connection: entered when it connects, sends or
//! receives, by programs that run where the process called the kernel. They are
//! loaded only where somebody wants to know (`--process`).
//!
//! The user side says where in this kernel's structures to look ([`Layout`]),
//! after its type information; nothing else here depends on the kernel.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_NOEXIST},
    btf_maps::{Array, LruHashMap},
    helpers::{
        bpf_get_current_pid_tgid, bpf_get_current_task, bpf_ktime_get_ns, bpf_sock_from_file,
        generated::{bpf_probe_read_kernel, bpf_probe_read_kernel_str},
    },
    macros::{btf_map, btf_tracepoint, fentry},
    programs::{BtfTracePointContext, FEntryContext},
};
use tracer_common::owner::{
    End, KERNEL, LAST_PART, Layout, OPENING as OPENING_COUNT, OWNERS as OWNER_COUNT, Owner,
    PART_LEN, PROC, SEEN as SEEN_COUNT, Seen,
};

use crate::{
    headers::{opaque, opaque_word},
    maps,
};

/// Who has which end.
#[btf_map]
static OWNERS: LruHashMap<End, Owner, OWNER_COUNT> = LruHashMap::new();

/// Who opens connections, by their sockets.
#[btf_map]
static OPENING: LruHashMap<u64, Owner, OPENING_COUNT> = LruHashMap::new();

/// Who used which socket last: what makes it cheap to see that nothing is new.
/// Index: [`slot`]. Those that share one take turns.
#[btf_map]
static SEEN: Array<Seen, SEEN_COUNT> = Array::new();

/// Where to look. Set before loading.
#[unsafe(no_mangle)]
static LAYOUT: Layout = NOWHERE;

/// What the layout is before the loader has looked.
const NOWHERE: Layout = Layout {
    addresses: 0,
    namespace: 0,
    protocol: 0,
    local_port: 0,
    namespace_number: 0,
    socket: 0,
    leader: 0,
    tgid: 0,
    comm: 0,
    memory: 0,
    cgroups: 0,
    executable: 0,
    file_mount: 0,
    file_entry: 0,
    entry_parent: 0,
    entry_name: 0,
    mount_root: 0,
    mount: 0,
    mount_parent: 0,
    mount_point: 0,
    unified: 0,
    node: 0,
    node_name: 0,
    node_parent: 0,
    own_namespace: 0,
};

/// Where a member stands.
macro_rules! layout {
    ($member:ident) => {
        member(&LAYOUT.$member)
    };
}

/// Reads a member of the layout as the loader has written it, after the compiler
/// has seen the zeros.
#[inline(always)]
fn member(member: &'static u32) -> u32 {
    // SAFETY: a reference to a static that nobody writes while programs run.
    unsafe { (&raw const *member).read_volatile() }
}

/// What an entry holds before it is written; too large for the stack.
static NOBODY: &Owner = &Owner::NOBODY;

/// Parts that a path may have, and mounts on the way.
const MAX_STEPS: u32 = 24;

/// Address families (`linux/socket.h`), and the number of TCP.
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const IPPROTO_TCP: u16 = 6;

/// State of a socket whose SYN is about to leave, or has left.
const TCP_SYN_SENT: u64 = 2;

/// State of a socket that has no connection any more.
const TCP_CLOSE: u64 = 7;

/// Uses of a socket of which one goes to the table of owners, which would
/// otherwise take its owner for one that is gone.
const TURNS: u32 = 32;

/// First bytes of a `sock_common`, which have stood so since Linux 3.13; the
/// loader looks whether they still do.
#[repr(C)]
#[derive(Clone, Copy)]
struct Common {
    /// IPv4: of the other end.
    remote: [u8; 4],
    /// IPv4: of this end.
    local: [u8; 4],
    _hash: u32,
    /// As in headers.
    remote_port: u16,
    local_port: u16,
    family: u16,
}

// Where the kernel lets programs run at the begin of its functions, and loads
// these, they know all before a packet leaves.

/// A process opens a connection; its ports are known, and no packet has left.
#[fentry(function = "tcp_connect")]
fn own_connect(context: FEntryContext) -> i32 {
    own(context.arg(0), true)
}

/// A process sends on a connection.
#[fentry(function = "tcp_sendmsg")]
fn own_send(context: FEntryContext) -> i32 {
    own(context.arg(0), false)
}

/// A process receives, or waits to.
#[fentry(function = "tcp_recvmsg")]
fn own_receive(context: FEntryContext) -> i32 {
    own(context.arg(0), false)
}

/// A connection ends.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn own_end(context: BtfTracePointContext) -> i32 {
    ended(context.arg(0), context.arg(2));
    0
}

// Elsewhere tracepoints do.

/// A socket goes from one state to another. When a process begins to connect,
/// its port is not known; when the answer comes, the process does not run.
#[btf_tracepoint(function = "inet_sock_set_state")]
fn own_state(context: BtfTracePointContext) -> i32 {
    let (socket, old, new): (u64, u64, u64) = (context.arg(0), context.arg(1), context.arg(2));
    ended(socket, new);
    if new & 0xff == TCP_SYN_SENT {
        opens(socket);
    } else if old & 0xff == TCP_SYN_SENT {
        opened(socket);
    }
    0
}

/// A process is about to send bytes, or more of them (from Linux 6.16 on).
#[btf_tracepoint(function = "tcp_sendmsg_locked")]
fn own_sending(context: BtfTracePointContext) -> i32 {
    own(context.arg(0), false)
}

/// A process has sent on a socket of any kind, or tried to.
#[btf_tracepoint(function = "sock_send_length")]
fn own_sent(context: BtfTracePointContext) -> i32 {
    moved(context.arg(0), context.arg(1))
}

/// A process has received from a socket of any kind, or tried to.
#[btf_tracepoint(function = "sock_recv_length")]
fn own_received(context: BtfTracePointContext) -> i32 {
    moved(context.arg(0), context.arg(1))
}

/// Visits every open file of every process, of which those are connections that
/// are older than the tracer.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
extern "C" fn own_open(context: *mut c_void) -> i32 {
    // SAFETY: `struct bpf_iter__task_file`: a pointer to what is common, the
    // task, the number of the descriptor and the file, eight bytes each.
    let [_, task, _, file]: [u64; 4] = unsafe { *context.cast() };
    if task == 0 || file == 0 {
        return 0;
    }
    // SAFETY: the kernel handed the file over, and it is not null.
    let socket = unsafe { bpf_sock_from_file(file as *mut _) };
    if socket.is_null() {
        return 0;
    }
    let Some(socket) = follow(socket as u64, layout!(socket)) else { return 0 };
    if let Some(end) = end(socket)
        && is_tcp(socket)
        && let Some(pid) = read(task, layout!(tgid))
        && !is_foreign(&end, socket)
        && OWNERS.insert(end, NOBODY, BPF_NOEXIST.into()).is_ok()
        && let Some(owner) = OWNERS.get_ptr_mut(end)
    {
        describe(owner, socket, task, pid, PROC);
    }
    0
}

/// Enters the calling process as the owner of a socket's end. `anew`: what is
/// known of these ends is about another connection.
#[inline(always)]
fn own(socket: u64, anew: bool) -> i32 {
    let Some(ports) = selected(socket) else { return 0 };
    if (anew || !is_seen(socket, ports))
        && let Some(end) = end(socket)
    {
        if anew || !is_known(&end, socket) {
            enter(&end, socket);
        }
        see(socket, ports);
    }
    0
}

/// The same after a number of bytes went to or came from a socket of any kind.
#[inline(always)]
fn moved(socket: u64, bytes: u64) -> i32 {
    // An int, of which the upper half says nothing.
    if (bytes as u32).cast_signed() > 0
        && let Some(ports) = selected(socket)
        && !is_seen(socket, ports)
        && let Some(end) = end(socket)
        && is_tcp(socket)
    {
        if !is_known(&end, socket) {
            enter(&end, socket);
        }
        see(socket, ports);
    }
    0
}

/// The ports of a socket of which one is traced, the other end's in the lower
/// half, as they stand in a `sock_common`. For sockets that the kernel handed to
/// the program: it lets those be read without a call.
#[inline(always)]
fn selected(socket: u64) -> Option<u32> {
    let common = socket as *const Common;
    // SAFETY: the kernel says that this is a socket; should it have gone, it
    // reads zeros.
    let local = unsafe { (&raw const (*common).local_port).read_volatile() };
    among(local, remote_port(socket))
}

/// The other end's port, as in headers, of a socket that the kernel handed over.
#[inline(always)]
fn remote_port(socket: u64) -> u16 {
    let common = socket as *const Common;
    // SAFETY: as above.
    unsafe { (&raw const (*common).remote_port).read_volatile() }
}

/// Ports of which one is traced, in one word.
#[inline(always)]
fn among(local: u16, remote: u16) -> Option<u32> {
    let is_selected = maps::numbers(local, u16::from_be(remote)) != [0; 2] && remote != 0;
    is_selected.then_some(u32::from(local) << 16 | u32::from(remote))
}

/// Where it is noted who used the socket with these ports.
#[inline(always)]
fn slot(ports: u32) -> Option<*mut Seen> {
    // The ports of both ends of a connection within this host are the same, the
    // other way round.
    SEEN.get_ptr_mut(ports.wrapping_mul(0x9e37_79b1) >> (32 - SEEN_COUNT.ilog2()))
}

/// Whether the calling process was the last to use the socket. A socket that was
/// let go may come again, for another connection: [`ended`].
#[inline(always)]
fn is_seen(socket: u64, ports: u32) -> bool {
    let Some(seen) = slot(ports) else { return false };
    // SAFETY: map values are aligned and live while the program runs. Whoever
    // writes there meanwhile writes another socket or another process.
    unsafe {
        let (by, who) = ((*seen).socket, (*seen).who);
        if by != socket || who != used(ports) {
            return false;
        }
        let turn = (*seen).turn.wrapping_add(1);
        (*seen).turn = turn;
        turn % TURNS != 0
    }
}

/// Notes that the calling process used the socket, and that this is known.
#[inline(always)]
fn see(socket: u64, ports: u32) {
    if let Some(seen) = slot(ports) {
        // SAFETY: as above.
        unsafe {
            (*seen).socket = socket;
            (*seen).who = used(ports);
        }
    }
}

/// The calling process, and the ports.
#[inline(always)]
fn used(ports: u32) -> u64 {
    u64::from(current()) << 32 | u64::from(ports)
}

/// Forgets who used a socket that comes to a state, if that is its last.
#[inline(always)]
fn ended(socket: u64, state: u64) {
    // Its own port is given back already.
    if state & 0xff == TCP_CLOSE
        && let Some(local) = read(socket, layout!(local_port))
        && let Some(ports) = among(u16::from_be_bytes(local), remote_port(socket))
        && let Some(seen) = slot(ports)
    {
        // SAFETY: as above.
        unsafe {
            if (*seen).socket == socket {
                (*seen).socket = 0;
            }
        }
    }
}

/// Whether the calling process is known to have the end.
#[inline(always)]
fn is_known(end: &End, socket: u64) -> bool {
    OWNERS.get_ptr(end).is_some_and(|owner| {
        // SAFETY: map values are aligned and live while the program runs.
        let (pid, by) = unsafe { ((*owner).pid, (*owner).socket) };
        pid == current() && by == socket
    })
}

/// Number of the calling process.
#[inline(always)]
fn current() -> u32 {
    (bpf_get_current_pid_tgid() >> 32) as u32
}

/// Takes down who begins to connect.
#[inline(always)]
fn opens(socket: u64) {
    if end(socket).is_some()
        && OPENING.insert(socket, NOBODY, BPF_ANY.into()).is_ok()
        && let Some(owner) = OPENING.get_ptr_mut(socket)
    {
        // SAFETY: the helper has no preconditions.
        let task = unsafe { bpf_get_current_task() };
        describe(owner, socket, task, current(), KERNEL);
    }
}

/// Enters who began to connect, now that the port is known.
#[inline(always)]
fn opened(socket: u64) {
    let Some(owner) = OPENING.get_ptr_mut(socket) else { return };
    if let Some(end) = end(socket)
        && let Some(port) = read(socket, layout!(local_port))
    {
        let end = End { local_port: u16::from_be_bytes(port), ..end };
        if !is_foreign(&end, socket) {
            // SAFETY: map values are aligned and live while the program runs; only
            // this socket's state writes to it.
            let owner: &Owner = unsafe {
                (*owner).since = bpf_ktime_get_ns();
                &*owner
            };
            let _ = OWNERS.insert(end, owner, BPF_ANY.into());
        }
    }
    let _ = OPENING.remove(socket);
}

/// The end that a socket is, if it is one of a connection that is traced.
#[inline(always)]
fn end(socket: u64) -> Option<End> {
    let common: Common = read(socket, 0)?;
    let remote_port = u16::from_be(common.remote_port);
    if maps::numbers(common.local_port, remote_port) == [0; 2] || remote_port == 0 {
        return None;
    }
    let mut end =
        End { local: [0; 16], remote: [0; 16], local_port: common.local_port, remote_port };
    match common.family {
        AF_INET => {
            end.local = mapped(common.local);
            end.remote = mapped(common.remote);
        }
        AF_INET6 => [end.remote, end.local] = read(socket, layout!(addresses))?,
        _ => return None,
    }
    Some(end)
}

/// An address of IPv4 as one of IPv6.
#[inline(always)]
fn mapped([a, b, c, d]: [u8; 4]) -> [u8; 16] {
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]
}

/// Whether a socket is TCP's; others have ports, too.
#[inline(always)]
fn is_tcp(socket: u64) -> bool {
    read(socket, layout!(protocol)) == Some(IPPROTO_TCP)
}

/// Enters the calling process, with what is known of it.
#[inline(never)]
fn enter(end: &End, socket: u64) {
    if !is_foreign(end, socket)
        // A new entry in place of what is known, which may be read just now.
        && OWNERS.insert(end, NOBODY, BPF_ANY.into()).is_ok()
        && let Some(owner) = OWNERS.get_ptr_mut(end)
    {
        // SAFETY: the helper has no preconditions.
        let task = unsafe { bpf_get_current_task() };
        describe(owner, socket, task, current(), KERNEL);
    }
}

/// Writes down what is known of a process.
#[inline(always)]
fn describe(owner: *mut Owner, socket: u64, task: u64, pid: u32, certainty: u32) {
    // SAFETY: a map's value is aligned and lives while the program runs; nobody
    // reads it before its certainty is written.
    unsafe {
        (*owner).since = bpf_ktime_get_ns();
        (*owner).socket = socket;
        (*owner).pid = pid;
        if let Some(name) = follow(task, layout!(leader)).and_then(|task| read(task, layout!(comm)))
        {
            (*owner).name = name;
        }
        (*owner).executable_len = executable(task, (&raw mut (*owner).executable).cast());
        (*owner).cgroup_len = cgroup(task, (&raw mut (*owner).cgroup).cast());
        (&raw mut (*owner).certainty).write_volatile(certainty);
    }
}

/// Whether both ends are those of a host with itself, in another network
/// namespace than the tracer's: the same ends are another connection there.
#[inline(always)]
fn is_foreign(end: &End, socket: u64) -> bool {
    if end.local != end.remote && !is_loopback(&end.local) {
        return false;
    }
    let number = follow(socket, layout!(namespace))
        .and_then(|namespace| read::<u32>(namespace, layout!(namespace_number)));
    number != Some(layout!(own_namespace))
}

#[inline(always)]
fn is_loopback(address: &[u8; 16]) -> bool {
    let [.., mapped, _, first, _, _, last] = *address;
    mapped == 0xff && first == 127 || address[0] == 0 && mapped == 0 && first == 0 && last == 1
}

/// Writes the path of the program that a process runs, and says how long it is.
#[inline(always)]
fn executable(task: u64, to: *mut u8) -> u16 {
    let file = follow(task, layout!(memory)).and_then(|memory| follow(memory, layout!(executable)));
    let ends = file.and_then(|file| {
        Some((follow(file, layout!(file_mount))?, follow(file, layout!(file_entry))?))
    });
    let Some((mut mount, mut entry)) = ends else { return 0 };
    let mut len = opaque(0);
    for _ in 0..MAX_STEPS {
        if follow(mount, layout!(mount_root)) == Some(entry) {
            // On to where it is mounted; the first of all is mounted on itself.
            let outer = mount.wrapping_sub(u64::from(layout!(mount)));
            let Some(parent) = follow(outer, layout!(mount_parent)) else { return 0 };
            if parent == outer {
                return len as u16;
            }
            let Some(point) = follow(outer, layout!(mount_point)) else { return 0 };
            mount = opaque_word(parent.wrapping_add(u64::from(layout!(mount))));
            entry = opaque_word(point);
            continue;
        }
        let Some(parent) = follow(entry, layout!(entry_parent)) else { return 0 };
        if parent == entry {
            return len as u16;
        }
        let Some(next) = follow(entry, layout!(entry_name)).and_then(|name| part(to, len, name))
        else {
            return 0;
        };
        len = next;
        entry = opaque_word(parent);
    }
    0
}

/// Writes the path of a process' control group, as far as there is room.
#[inline(always)]
fn cgroup(task: u64, to: *mut u8) -> u16 {
    let group = follow(task, layout!(cgroups)).and_then(|set| follow(set, layout!(unified)));
    let Some(mut node) = group.and_then(|group| follow(group, layout!(node))) else { return 0 };
    let mut len = opaque(0);
    for _ in 0..MAX_STEPS {
        // The root has no parent, and no name.
        let Some(parent) = follow(node, layout!(node_parent)) else { break };
        let name = follow(node, layout!(node_name));
        let Some(next) = name.and_then(|name| part(to, len, name)) else { break };
        len = next;
        node = opaque_word(parent);
    }
    len as u16
}

/// Appends a part of a path to `len` bytes of it, and says how many those are
/// then; `None` where there is no room for it.
#[inline(always)]
fn part(to: *mut u8, len: u32, name: u64) -> Option<u32> {
    if len >= LAST_PART as u32 {
        return None;
    }
    let at = (len & (LAST_PART as u32 - 1)) as usize;
    // SAFETY: there is room for LAST_PART bytes and a part behind them.
    let written = unsafe {
        bpf_probe_read_kernel_str(to.add(at).cast(), PART_LEN as u32, name as *const c_void)
    };
    // What fills the room was cut. The verifier is to forget how long it is, or
    // it would walk all that follows for each length.
    let written = u32::try_from(written).ok()?;
    (written > 1 && written < PART_LEN as u32).then(|| opaque(len + written))
}

/// The pointer that stands somewhere behind another, if it leads anywhere.
#[inline(always)]
fn follow(from: u64, offset: u32) -> Option<u64> {
    read(from, offset).filter(|to| *to != 0)
}

/// What stands somewhere behind a pointer of the kernel.
#[inline(always)]
fn read<T: Copy>(from: u64, offset: u32) -> Option<T> {
    let mut value = core::mem::MaybeUninit::<T>::uninit();
    let at = from.wrapping_add(u64::from(offset)) as *const c_void;
    // SAFETY: the helper fills the value or says that it did not; what cannot be
    // read is an error to it.
    unsafe {
        (bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, at) == 0)
            .then(|| value.assume_init())
    }
}
