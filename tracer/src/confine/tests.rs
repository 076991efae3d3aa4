use std::{
    ffi::CStr,
    net::{TcpListener, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
};

use nix::{
    errno::Errno,
    sys::{
        prctl,
        signal::Signal,
        wait::{WaitStatus, waitpid},
    },
    unistd::{ForkResult, fork},
};

use super::*;

/// Beyond all error numbers.
const PANICKED: i32 = 255;

/// How a forked child ends that says by its status what became of what it tried.
fn child(attempt: impl FnOnce() -> libc::c_long) -> WaitStatus {
    // SAFETY: the child calls nothing that takes a lock that another thread may
    // have held at the fork, but for the allocator, whose locks the C library
    // sees to.
    match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let status = match catch_unwind(AssertUnwindSafe(attempt)) {
                Ok(0..) => 0,
                Ok(_) => Errno::last_raw(),
                Err(_) => PANICKED,
            };
            // SAFETY: ends the process without a look at what it inherited.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
    }
}

fn inside(role: Role, attempt: impl FnOnce() -> libc::c_long) -> WaitStatus {
    child(|| {
        prctl::set_no_new_privs().unwrap();
        Sandbox::of_this_kernel().enter(role).unwrap();
        attempt()
    })
}

fn refused(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Exited(_, libc::EPERM))
}

fn killed(status: WaitStatus) -> bool {
    matches!(status, WaitStatus::Signaled(_, Signal::SIGSYS, _))
}

const PATH: &CStr = c"/dev/null";

fn open() -> libc::c_long {
    // SAFETY: the path ends with a NUL.
    unsafe { libc::open(PATH.as_ptr(), libc::O_RDONLY) }.into()
}

fn exec() -> libc::c_long {
    let arguments = [c"/bin/true".as_ptr(), std::ptr::null()];
    // SAFETY: path and arguments end with a NUL, their list with a null.
    unsafe { libc::execv(c"/bin/true".as_ptr(), arguments.as_ptr()) }.into()
}

fn bpf(command: libc::c_long) -> libc::c_long {
    // SAFETY: the kernel takes no attributes of no length.
    unsafe { libc::syscall(libc::SYS_bpf, command, 0, 0) }
}

#[test]
fn a_file_cannot_be_opened_and_what_is_hostile_ends_the_process() {
    for role in [Role::Reader, Role::Worker] {
        // What the same attempts come to outside.
        assert!(matches!(child(open), WaitStatus::Exited(_, 0)));
        assert!(refused(inside(role, open)), "{role:?}");
        assert!(killed(inside(role, exec)), "{role:?}");
        // SAFETY: passes plain numbers.
        let socket = || unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM, 0) }.into();
        assert!(killed(inside(role, socket)), "{role:?}");
        // SAFETY: both processes go on with memory of their own.
        let fork = || match unsafe { fork() } {
            Ok(ForkResult::Parent { .. }) => 0,
            _ => -1,
        };
        assert!(!matches!(inside(role, fork), WaitStatus::Exited(_, 0)), "{role:?}");
        let code = || {
            let access = libc::PROT_READ | libc::PROT_EXEC;
            let private = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            // SAFETY: asks for a new mapping at a place of the kernel's choice.
            let new = unsafe { libc::mmap(std::ptr::null_mut(), 4096, access, private, -1, 0) };
            if new == libc::MAP_FAILED { -1 } else { 0 }
        };
        assert!(refused(inside(role, code)), "{role:?}");
        // Into the terminal, what somebody would have typed.
        // SAFETY: the kernel reads one byte.
        let typed = || unsafe { libc::ioctl(0, libc::TIOCSTI, c"x".as_ptr()) }.into();
        assert!(refused(inside(role, typed)), "{role:?}");
    }
}

#[test]
fn maps_are_for_the_worker_alone_and_programs_for_nobody() {
    // What is looked up in what is no map.
    let bad = |status| matches!(status, WaitStatus::Exited(_, libc::EFAULT | libc::EINVAL));
    assert!(bad(inside(Role::Worker, || bpf(1))));
    assert!(killed(inside(Role::Reader, || bpf(1))));
    for command in [0, 5] {
        assert!(killed(inside(Role::Worker, || bpf(command))));
    }
}

#[test]
fn threads_memory_and_clocks_are_left() {
    let alive = || {
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| vec![1_u8; 1 << 20])).collect();
        let all = threads.into_iter().map(|thread| thread.join().unwrap().len()).sum::<usize>();
        let panicked = std::thread::spawn(|| panic!("on purpose")).join().is_err();
        let _ = (std::time::SystemTime::now(), std::time::Instant::now());
        if all == 4 << 20 && panicked { 0 } else { -1 }
    };
    for role in [Role::Reader, Role::Worker] {
        assert!(matches!(inside(role, alive), WaitStatus::Exited(_, 0)), "{role:?}");
    }
}

#[test]
fn landlock_alone_leaves_no_file_and_no_connection() {
    let sandbox = Sandbox { has_seccomp: false, ..Sandbox::of_this_kernel() };
    let Some(version) = sandbox.landlock else { return };
    let here = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = here.local_addr().unwrap();
    let inside = |attempt: &dyn Fn() -> libc::c_long| {
        child(|| {
            prctl::set_no_new_privs().unwrap();
            sandbox.enter(Role::Worker).unwrap();
            attempt()
        })
    };
    assert!(matches!(inside(&open), WaitStatus::Exited(_, libc::EACCES)));
    let connect = || TcpStream::connect(address).map_or(-1, |_| 0);
    let connected = inside(&connect);
    if version >= 4 {
        assert!(matches!(connected, WaitStatus::Exited(_, libc::EACCES)), "{connected:?}");
    }
}
