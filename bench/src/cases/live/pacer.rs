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

/// Limit of an answer.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends GET requests for a while, evenly spaced; returns how many were
/// answered, which is all, and in which time: more than asked for where the
/// machine did not keep up.
pub(super) fn ask(
    server: SocketAddr,
    target: &str,
    rate: u32,
    time: Duration,
) -> Result<(u64, Duration)> {
    let request = format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", server.ip());
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
        connection.waits = true;
        sent += 1;
    }
    for connection in &mut connections {
        connection.answer()?;
    }
    Ok((sent.into(), begun.elapsed()))
}

/// A connection that is kept alive, with at most one request on its way.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    waits: bool,
    read: Vec<u8>,
}

impl Connection {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&server, LIMIT)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        Ok(Self { stream, waits: false, read: Vec::new() })
    }

    /// Reads the answer that is on its way, if one is.
    fn answer(&mut self) -> Result<()> {
        if !self.waits {
            return Ok(());
        }
        self.read.clear();
        let mut buffer = [0; 4096];
        while !is_whole(&self.read) {
            let read = self.stream.read(&mut buffer).context("no answer")?;
            ensure!(read > 0, "the server closed a connection");
            self.read.extend(buffer.get(..read).unwrap_or_default());
        }
        ensure!(self.read.starts_with(b"HTTP/1.1 200 "), "not answered well");
        self.waits = false;
        Ok(())
    }
}

/// Whether an answer is there to its end, by its Content-Length.
fn is_whole(answer: &[u8]) -> bool {
    let Some(end) = memmem::find(answer, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
    answer.len() >= end + 4 + length
}

#[cfg(test)]
mod tests_of_answers {
    use std::{
        io::{BufRead as _, BufReader},
        net::TcpListener,
    };

    use super::*;

    #[test]
    fn answers_end_where_their_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert!(is_whole(answer));
        assert!((0..answer.len()).all(|end| !is_whole(&answer[..end])));
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
        let (sent, took) = ask(address, "/", 1000, time).unwrap();
        assert_eq!((sent, server.join().unwrap()), (100, 100));
        assert!(took >= Duration::from_millis(99), "{took:?}");
    }
}
