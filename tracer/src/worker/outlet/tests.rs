use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread,
};

use super::*;

/// Bytes that may wait.
const LIMIT: usize = 1024 * 1024;

/// More than any pipe or socket holds.
const MANY: usize = 2 * LIMIT / LINE;

/// Bytes of a line.
const LINE: usize = 1024;

fn line(number: usize) -> String {
    format!("{number:0width$}\n", width = LINE - 1)
}

fn nonblocking() -> (io::PipeReader, Outlet) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    let (reader, writer) = io::pipe().unwrap();
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    (reader, outlet(writer))
}

fn outlet(out: impl Into<OwnedFd>) -> Outlet {
    Outlet::start(Target::of(File::from(out.into())).unwrap(), LIMIT).unwrap()
}

/// Writes more than there is room for, then reads it all: each line came whole
/// and in its place, or was counted.
fn overrun(mut reader: impl io::Read + Send + 'static, mut outlet: Outlet) {
    for number in 0..MANY {
        outlet.write_all(line(number).as_bytes()).unwrap();
    }
    let dropped = outlet.dropped();
    assert!(dropped > 0 && dropped < MANY as u64, "{dropped}");
    assert_eq!(outlet.lost(), None, "there is no room to say so yet");
    let reading = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        text
    });
    outlet.drain().unwrap();
    let lost = Lost { events: dropped, bytes: dropped * LINE as u64 };
    assert_eq!(outlet.lost(), Some(lost));
    assert_eq!(outlet.lost(), None, "it is told once");
    outlet.write_all(b"the end\n").unwrap();
    outlet.drain().unwrap();
    outlet.give_up();
    drop(outlet);
    let text = reading.join().unwrap();
    // Of the first lines none is missing.
    let expected = (0..MANY - usize::try_from(dropped).unwrap()).map(line);
    let expected: String = expected.chain(["the end\n".to_owned()]).collect();
    assert!(text == expected, "{} bytes, not {}", text.len(), expected.len());
}

#[test]
fn a_pipe_that_nobody_reads_keeps_nobody_waiting() {
    let (reader, outlet) = nonblocking();
    overrun(reader, outlet);
}

#[test]
fn nor_does_one_that_waits_for_its_reader() {
    let (reader, writer) = io::pipe().unwrap();
    overrun(reader, outlet(writer));
}

#[test]
fn nor_does_a_socket() {
    let (reader, writer) = UnixStream::pair().unwrap();
    overrun(reader, outlet(writer));
}

#[test]
fn what_is_read_is_written_by_who_has_it() {
    let (mut reader, mut outlet) = nonblocking();
    let mut bytes = [0; 4];
    for _ in 0..3 {
        outlet.write_all(b"abc\n").unwrap();
        reader.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"abc\n");
    }
    assert_eq!((outlet.progress(), outlet.dropped()), (3, 0));
    outlet.drain().unwrap();
}

#[test]
fn a_reader_that_goes_away_is_an_error_from_then_on() {
    let (reader, mut outlet) = nonblocking();
    drop(reader);
    for _ in 0..2 {
        let error = outlet.write_all(b"abc\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
    assert_eq!(outlet.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(outlet.drain().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn what_nobody_reads_is_given_up_when_that_is_asked_for() {
    let (_reader, mut outlet) = nonblocking();
    for number in 0..MANY {
        outlet.write_all(line(number).as_bytes()).unwrap();
    }
    let waiting = outlet.clone();
    let waited = thread::spawn(move || waiting.drain().unwrap_err().kind());
    outlet.give_up();
    assert_eq!(waited.join().unwrap(), io::ErrorKind::TimedOut);
}

#[test]
fn a_full_disk_is_waited_for_and_a_broken_pipe_is_not() {
    let full = || Err(io::Error::from_raw_os_error(libc::ENOSPC));
    let mut queue = Queue::new(Target::of(tempfile::tempfile().unwrap()).unwrap(), LIMIT);
    let quick = Duration::ZERO;
    assert_eq!(queue.note(Ok(4), quick), 4);
    queue.push(b"d\n", true);
    let rest = queue.pop().unwrap();
    assert_eq!(queue.note(full(), quick), 0);
    assert!(queue.disk == Disk::Full && queue.state().is_ok());
    queue.put_back(rest);
    // The rest of the line goes first when there is room again.
    queue.push(b"ef\n", false);
    assert_eq!((queue.pop().unwrap(), queue.waiting), (b"d\n".to_vec(), 5));
    assert_eq!(queue.note(Ok(2), quick), 2);
    assert_ne!(queue.disk, Disk::Full);

    let (_reader, writer) = io::pipe().unwrap();
    let mut queue = Queue::new(Target::of(File::from(OwnedFd::from(writer))).unwrap(), LIMIT);
    assert_eq!(queue.note(full(), quick), 0);
    assert!(queue.state().is_err());
}

#[test]
fn shards_leave_a_disk_that_stalls_to_the_thread() {
    let mut queue = Queue::new(Target::of(tempfile::tempfile().unwrap()).unwrap(), LIMIT);
    assert!(queue.is_prompt());
    queue.note(Ok(4), Duration::from_secs(1));
    assert!(!queue.is_prompt());
}

#[test]
fn a_line_ends_in_the_file_in_which_it_began() {
    let old = tempfile::NamedTempFile::new().unwrap();
    let new = tempfile::NamedTempFile::new().unwrap();
    let target = |file: &tempfile::NamedTempFile| Target::of(file.reopen().unwrap()).unwrap();
    let mut queue = Queue::new(target(&old), LIMIT);
    queue.target.write(b"on").unwrap();
    queue.is_begun = is_cut(b"one\ntwo\n", 2, false);
    queue.push(b"e\ntwo\n", true);
    queue.next = Some(target(&new));
    let mut turns = 0;
    loop {
        queue.turn();
        let Some(chunk) = queue.pop() else { break };
        // Not while the thread is writing.
        queue.turn();
        let written = queue.target.write(&chunk).unwrap();
        queue.is_begun = is_cut(&chunk, written, queue.is_begun);
        queue.put_back(Vec::new());
        turns += 1;
    }
    let text = |file: &tempfile::NamedTempFile| std::fs::read_to_string(file.path()).unwrap();
    assert_eq!((text(&old).as_str(), text(&new).as_str(), turns), ("one\n", "two\n", 2));
}

#[test]
fn a_full_disk_does_not_keep_its_output() {
    let file = || Target::of(tempfile::tempfile().unwrap()).unwrap();
    let mut queue = Queue::new(file(), LIMIT);
    queue.is_begun = true;
    queue.push(b"e\ntwo\n", true);
    queue.note(Err(io::Error::from_raw_os_error(libc::ENOSPC)), Duration::ZERO);
    queue.next = Some(file());
    queue.turn();
    assert_eq!((queue.disk, queue.next.is_none()), (Disk::Prompt, true));
    assert_eq!(
        (queue.pop(), queue.lost()),
        (Some(b"two\n".to_vec()), Some(Lost { events: 1, bytes: 2 }))
    );
}
