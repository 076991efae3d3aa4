//! A client that asks at a fixed rate, whatever the answers do: a server that
//! is slow does not slow the questions down.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use memchr::memmem;

/// Connections, of which each has its turn: at the rates used here, an answer
/// is there long before its connection is asked again.
const CONNECTIONS: usize = 16;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// Limit of an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// What is asked for, and how often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Questions {
    /// What is asked for.
    pub(super) target: &'static str,
    /// How often in a second.
    pub(super) rate: u32,
    /// How many requests are sent at once each time.
    pub(super) at_once: usize,
}

/// Sends GET requests for a while, evenly spaced; returns how many were
/// answered, which is all, and in which time: more than asked for where the
/// machine did not keep up.
pub(super) fn ask(
    server: SocketAddr,
    questions: Questions,
    time: Duration,
) -> Result<(u64, Duration)> {
    let Questions { target, rate, at_once } = questions;
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", server.ip());
    let request = request.repeat(at_once);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(server)?);
    }
    let step = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut sent = 0_u32;
    for at in (0..CONNECTIONS).cycle() {
        let due = step * sent;
        if due >= time {
            break;
        }
        // Late ones follow at once.
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let connection = connections.get_mut(at).context("a connection")?;
        connection.answer()?;
        connection.stream.write_all(request.as_bytes())?;
        connection.waits = at_once;
        sent += 1;
    }
    for connection in &mut connections {
        connection.answer()?;
    }
    Ok((u64::from(sent) * at_once as u64, begun.elapsed()))
}

/// Makes a connection for each request, evenly spaced, and waits for its answer
/// and its end; returns how many there were.
pub(super) fn visit(server: SocketAddr, target: &str, rate: u32, time: Duration) -> Result<u64> {
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", server.ip());
    let step = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut sent = 0_u32;
    while step * sent < time {
        thread::sleep((step * sent).saturating_sub(begun.elapsed()));
        let mut connection = Connection::open(server)?;
        connection.stream.write_all(request.as_bytes())?;
        connection.waits = 1;
        connection.answer()?;
        // The server ends it first, so that the client's port is free at once.
        connection.stream.read_to_end(&mut connection.read)?;
        sent += 1;
    }
    Ok(sent.into())
}

/// A connection that is kept alive, and how many answers are on their way.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    waits: usize,
    read: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { stream, waits: 0, read: Vec::new() })
    }

    /// Reads the answers that are on their way.
    fn answer(&mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        while self.waits > 0 {
            if let Some(len) = whole(&self.read) {
                ensure!(self.read.starts_with(b"HTTP/1.1 200 "), "not answered well");
                self.read.drain(..len);
                self.waits -= 1;
                continue;
            }
            let read = self.stream.read(&mut buffer).context("no answer")?;
            ensure!(read > 0, "the server closed a connection");
            self.read.extend(buffer.get(..read).unwrap_or_default());
        }
        Ok(())
    }
}

/// How long an answer is that is there to its end: by its Content-Length, or
/// its last chunk.
fn whole(answer: &[u8]) -> Option<usize> {
    const LAST: &[u8] = b"\r\n0\r\n\r\n";
    let body = memmem::find(answer, b"\r\n\r\n")? + 4;
    let head = String::from_utf8_lossy(answer.get(..body)?).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let len = match length {
        Some(length) => body + length.trim().parse::<usize>().ok()?,
        None => body + memmem::find(answer.get(body..)?, LAST)? + LAST.len(),
    };
    (len <= answer.len()).then_some(len)
}

#[cfg(test)]
mod tests_of_answers {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn answers_end_where_they_say() {
        let length: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        let chunks: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for answer in [length, chunks] {
            assert_eq!(whole(answer), Some(answer.len()));
            assert_eq!(whole(&[answer, answer].concat()), Some(answer.len()));
            assert!((0..answer.len()).all(|end| whole(&answer[..end]).is_none()));
        }
    }

    #[test]
    fn every_question_is_answered_and_their_number_is_that_of_the_rate() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let serve = |stream: TcpStream| {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let mut stream = stream;
                let mut answers = 0_u64;
                while let Some(Ok(line)) = lines.next() {
                    if line.is_empty() {
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
                        answers += 1;
                    }
                }
                answers
            };
            let threads: Vec<_> = (0..CONNECTIONS)
                .map(|_| listener.accept().unwrap().0)
                .map(|stream| thread::spawn(move || serve(stream)))
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()
        });
        let time = Duration::from_millis(100);
        let questions = Questions { target: "/", rate: 500, at_once: 2 };
        let (sent, took) = ask(address, questions, time).unwrap();
        assert_eq!((sent, server.join().unwrap()), (100, 100));
        assert!(took >= Duration::from_millis(98), "{took:?}");
    }
}
