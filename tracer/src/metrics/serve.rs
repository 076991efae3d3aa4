//! Answers who asks how a run goes: a thread of its own, for a few at a time,
//! with little patience.
//!
//! Whoever can reach the address may ask, so nothing that a client does may
//! cost more than its place among [`CLIENTS`]: requests are short, answers wait
//! in memory of a known size, who is slow is dropped, and who asks again and
//! again waits for [`PAUSE`]. Tracing never waits for any of it.

use std::{
    io,
    os::fd::{AsFd as _, AsRawFd as _, OwnedFd},
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{MsgFlags, recv, send},
};

use super::{
    address::Listener,
    page::{self, page},
    snapshot::Snapshot,
};

/// Clients that are heard at a time; others wait to be accepted.
const CLIENTS: usize = 8;

/// Bytes that a request may have.
const REQUEST: usize = 4096;

/// Header fields that a request may have.
const FIELDS: usize = 32;

/// For how long a client may take to ask, and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time from one client to the next: a page takes a fraction of a millisecond.
const PAUSE: Duration = Duration::from_millis(10);

/// Path of the page for Prometheus.
const METRICS: &str = "/metrics";

/// Path of the same for `tracer status`, as JSON.
pub(super) const STATUS: &str = "/status";

/// Starts the thread, which counts with `snapshot` when it is asked.
///
/// # Errors
///
/// When the thread is not to be had.
pub(crate) fn serve(
    listener: Listener,
    snapshot: impl Fn() -> Snapshot + Send + 'static,
) -> io::Result<()> {
    let thread = thread::Builder::new().name("metrics".to_owned());
    thread.spawn(move || Server { listener, clients: Vec::new(), snapshot }.run())?;
    Ok(())
}

struct Server<S> {
    listener: Listener,
    clients: Vec<Client>,
    snapshot: S,
}

/// Who asks.
struct Client {
    socket: OwnedFd,
    /// When it is dropped.
    end: Instant,
    said: Vec<u8>,
    /// What is still to be sent, once it has asked.
    answer: Option<Vec<u8>>,
    sent: usize,
}

impl<S: Fn() -> Snapshot> Server<S> {
    fn run(mut self) {
        // When the next client may come.
        let mut next = Instant::now();
        loop {
            let now = Instant::now();
            self.clients.retain(|client| client.end > now);
            let hears = self.clients.len() < CLIENTS && now >= next;
            let ready = self.wait(hears, now, next);
            let mut ready = ready.into_iter();
            let is_called = hears && ready.next() == Some(true);
            let Self { clients, snapshot, .. } = &mut self;
            clients.retain_mut(|client| {
                ready.next() != Some(true) || client.go_on(snapshot) == Next::Wait
            });
            if is_called {
                next = Instant::now() + PAUSE;
                // It may have gone away again; or there is no descriptor.
                if let Ok(socket) = self.listener.accept() {
                    self.clients.push(Client::new(socket));
                }
            }
        }
    }

    /// Waits until there is something to do; says of whom, of the listener
    /// first if it is to be heard.
    fn wait(&self, hears: bool, now: Instant, next: Instant) -> Vec<bool> {
        let listener = hears.then(|| PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
        let clients = self.clients.iter().map(|client| {
            let is_asked = client.answer.is_none();
            let flags = if is_asked { PollFlags::POLLIN } else { PollFlags::POLLOUT };
            PollFd::new(client.socket.as_fd(), flags)
        });
        let mut watched: Vec<_> = listener.into_iter().chain(clients).collect();
        let pause = (self.clients.len() < CLIENTS && !hears).then_some(next);
        let end = self.clients.iter().map(|client| client.end).chain(pause).min();
        let timeout = end.map_or(PollTimeout::NONE, |end| {
            // Up to the next millisecond, lest it wakes up too early and spins.
            let wait = end.saturating_duration_since(now) + Duration::from_millis(1);
            wait.try_into().unwrap_or(PollTimeout::MAX)
        });
        // Interrupted at worst, and then nothing is ready.
        let _ = poll(&mut watched, timeout);
        watched.iter().map(|one| one.any().unwrap_or(false)).collect()
    }
}

/// What becomes of a client.
#[derive(PartialEq, Eq)]
enum Next {
    Wait,
    Drop,
}

impl Client {
    fn new(socket: OwnedFd) -> Self {
        let end = Instant::now() + PATIENCE;
        Self { socket, end, said: Vec::new(), answer: None, sent: 0 }
    }

    /// Reads or writes what can be read or written at once.
    fn go_on(&mut self, snapshot: &impl Fn() -> Snapshot) -> Next {
        if self.answer.is_none() {
            let mut bytes = [0; REQUEST];
            let room = REQUEST - self.said.len();
            let bytes = bytes.get_mut(..room).unwrap_or_default();
            match recv(self.socket.as_raw_fd(), bytes, MsgFlags::MSG_DONTWAIT) {
                Ok(0) => return Next::Drop,
                Ok(read) => self.said.extend_from_slice(bytes.get(..read).unwrap_or_default()),
                Err(Errno::EAGAIN | Errno::EINTR) => return Next::Wait,
                Err(_) => return Next::Drop,
            }
            self.answer = answer(&self.said, snapshot);
        }
        match &self.answer {
            Some(answer) => self.send(answer),
            None => return Next::Wait,
        }
        .map_or(Next::Drop, |sent| {
            self.sent += sent;
            let is_all = self.answer.as_ref().is_some_and(|answer| self.sent >= answer.len());
            if is_all { Next::Drop } else { Next::Wait }
        })
    }

    fn send(&self, answer: &[u8]) -> nix::Result<usize> {
        let rest = answer.get(self.sent..).unwrap_or_default();
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        match send(self.socket.as_raw_fd(), rest, flags) {
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(0),
            sent => sent,
        }
    }
}

/// What is answered to a request; `None` while that is not whole.
fn answer(said: &[u8], snapshot: &impl Fn() -> Snapshot) -> Option<Vec<u8>> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let told = match request.parse(said) {
        Ok(httparse::Status::Partial) if said.len() < REQUEST => return None,
        Ok(httparse::Status::Partial) => refused("431 Request Header Fields Too Large"),
        Err(_) => refused("400 Bad Request"),
        Ok(httparse::Status::Complete(_)) => match (request.method, request.path) {
            (Some("GET"), Some(path)) => told(path, snapshot),
            _ => refused("405 Method Not Allowed"),
        },
    };
    Some(told)
}

fn told(path: &str, snapshot: &impl Fn() -> Snapshot) -> Vec<u8> {
    let path = path.split('?').next().unwrap_or_default();
    let page = match path {
        METRICS => page(snapshot()).map(|page| (page::KIND, page)).ok(),
        STATUS => {
            serde_json::to_string(&snapshot()).map(|status| ("application/json", status)).ok()
        }
        _ => return refused("404 Not Found"),
    };
    page.map_or_else(
        || refused("500 Internal Server Error"),
        |(kind, page)| response("200 OK", kind, &page),
    )
}

/// Says why there is no page; nothing of the request stands in it.
fn refused(status: &str) -> Vec<u8> {
    response(status, "text/plain", &format!("{status}; there are {METRICS} and {STATUS}\n"))
}

fn response(status: &str, kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(request: &[u8]) -> Option<String> {
        let answer = answer(request, &Snapshot::default)?;
        Some(String::from_utf8(answer).unwrap())
    }

    #[test]
    fn a_request_is_answered_when_it_is_whole() {
        let request = b"GET /metrics?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n";
        for end in 0..request.len() {
            assert_eq!(said(&request[..end]), None, "{end}");
        }
        let page = said(request).unwrap();
        assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.ends_with("# EOF\n"), "{page}");
        let (_, status) = said(b"GET /status HTTP/1.0\r\n\r\n")
            .unwrap()
            .split_once("\r\n\r\n")
            .map(|(head, body)| (head.to_owned(), body.to_owned()))
            .unwrap();
        assert_eq!(serde_json::from_str::<Snapshot>(&status).unwrap(), Snapshot::default());
    }

    #[test]
    fn other_requests_are_refused_and_not_repeated() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "evil: 1\r\n".repeat(FIELDS + 1));
        let long = format!("GET /metrics HTTP/1.1\r\nevil: {}", "x".repeat(REQUEST));
        for (request, status) in [
            ("GET /evil HTTP/1.1\r\n\r\n", "404"),
            ("POST /metrics HTTP/1.1\r\nContent-Length: 4\r\n\r\nevil", "405"),
            ("evil\0\r\n\r\n", "400"),
            ("\u{16}\u{3}\u{1}evil", "400"),
            (&many, "400"),
            (&long[..REQUEST], "431"),
        ] {
            let answer = said(request.as_bytes()).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(!answer.contains("evil"), "{answer}");
        }
    }
}
