//! Which system calls are left to a process that reads what strangers send:
//! those that decoding and writing take. The kernel refuses all others, and
//! ends the process at those that only an intruder makes.

use std::{collections::BTreeMap, env::consts::ARCH, io, process};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen::Dword, SeccompCmpArgLen::Qword, SeccompCmpOp,
    SeccompCondition, SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

use super::Role;

/// Rules of a filter, by the number of the system call; none for every call of
/// that number.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// What may be called in every way.
const ALLOWED: &[i64] = &[
    // What is open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fcntl,
    libc::SYS_close,
    // Waiting for it, and for one another.
    libc::SYS_ppoll,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_sched_yield,
    libc::SYS_restart_syscall,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // The socket to the privileged process, and an output that is one.
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Time and chance.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    // Threads, signals, and the end. The flags of `clone3` stand in memory, where
    // no filter sees them: another one says that there is no such call, so that
    // C libraries take `clone`.
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_sigaltstack,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // What the C library asks about the machine.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// What nothing here ever calls, and an intruder would: other programs, other
/// processes, the network, the kernel's inside.
const HOSTILE: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_setuid,
    libc::SYS_setreuid,
    libc::SYS_setresuid,
    libc::SYS_setgid,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_capset,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_open_by_handle_at,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
];

/// Commands of `bpf` on a map that is open: `BPF_MAP_LOOKUP_ELEM` and
/// `BPF_MAP_UPDATE_ELEM`.
const BPF_COMMANDS: [u64; 2] = [1, 2];

/// Questions to a terminal: `TCGETS` and `TIOCGWINSZ`. C libraries do not agree
/// on their type.
const TERMINAL: [u64; 2] = [0x5401, 0x5413];

/// Flags of `clone` that make a process, or a namespace, of what would be a
/// thread.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

/// Whether this kernel filters system calls, for a program of this machine's
/// kind.
pub(super) fn is_available() -> bool {
    let action = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the kernel reads a number of 32 bits.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    answer == 0 && TargetArch::try_from(ARCH).is_ok()
}

/// Leaves this thread, and those that it will start, what `role` takes.
pub(super) fn enter(role: Role) -> io::Result<()> {
    for program in programs(role).map_err(io::Error::other)? {
        apply_filter(&program).map_err(|error| match error {
            seccompiler::Error::Seccomp(error) | seccompiler::Error::Prctl(error) => error,
            other => io::Error::other(other),
        })?;
    }
    Ok(())
}

/// The filters, in the order in which they have to be set: behind the last there
/// is no other. Of the answers of several the kernel takes the harshest.
fn programs(role: Role) -> Result<[BpfProgram; 3], seccompiler::BackendError> {
    let arch = TargetArch::try_from(ARCH)?;
    let compile = |rules, others, these| {
        SeccompFilter::new(rules, others, these, arch).and_then(BpfProgram::try_from)
    };
    let errno = |error: libc::c_int| SeccompAction::Errno(error.unsigned_abs());
    let clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    Ok([
        compile(clone3, SeccompAction::Allow, errno(libc::ENOSYS))?,
        compile(hostile(role)?, SeccompAction::Allow, SeccompAction::KillProcess)?,
        compile(allowed(role)?, errno(libc::EPERM), SeccompAction::Allow)?,
    ])
}

fn allowed(role: Role) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let bits = |bits: libc::c_int| u64::from(bits.unsigned_abs());
    let no_code = || one(2, SeccompCmpOp::MaskedEq(bits(libc::PROT_EXEC)), 0);
    rules.insert(libc::SYS_mmap, vec![no_code()?]);
    rules.insert(libc::SYS_mprotect, vec![no_code()?]);
    let thread = SeccompCmpOp::MaskedEq(bits(libc::CLONE_THREAD | NAMESPACES));
    rules.insert(libc::SYS_clone, vec![one(0, thread, bits(libc::CLONE_THREAD))?]);
    rules.insert(libc::SYS_prctl, vec![equal(0, bits(libc::PR_SET_NAME))?]);
    // What a terminal is, and how wide; never what would be typed into it.
    let questions = TERMINAL.into_iter().map(|question| equal(1, question));
    rules.insert(libc::SYS_ioctl, questions.collect::<Result<_, _>>()?);
    // For `abort`.
    rules.insert(libc::SYS_tgkill, vec![equal(0, u64::from(process::id()))?]);
    rules.insert(libc::SYS_tkill, vec![equal(1, bits(libc::SIGABRT))?]);
    if let Role::Worker = role {
        let commands = BPF_COMMANDS.into_iter().map(|command| equal(0, command));
        rules.insert(libc::SYS_bpf, commands.collect::<Result<_, _>>()?);
        // Who asks for metrics, on a socket that was opened before.
        rules.insert(libc::SYS_accept4, Vec::new());
    }
    Ok(rules)
}

fn hostile(role: Role) -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = HOSTILE.iter().map(|call| (*call, Vec::new())).collect();
    let bpf = match role {
        Role::Reader => Vec::new(),
        Role::Worker => {
            let others = BPF_COMMANDS
                .map(|command| SeccompCondition::new(0, Dword, SeccompCmpOp::Ne, command));
            vec![SeccompRule::new(others.into_iter().collect::<Result<_, _>>()?)?]
        }
    };
    rules.insert(libc::SYS_bpf, bpf);
    Ok(rules)
}

/// An argument that is a number of 32 bits, or as many flags.
fn equal(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, Dword, SeccompCmpOp::Eq, value)?])
}

/// An argument of 64 bits.
fn one(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, Qword, comparison, value)?])
}
