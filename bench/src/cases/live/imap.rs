//! An IMAP client that reads a mail and says NOOP, again and again.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tests::{server::Dovecot, wait};

/// Limit of an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Has several connections fetch mails for a while; returns how many commands
/// were answered, which is all.
pub(super) fn fetch(
    server: SocketAddr,
    connections: u64,
    mails: u64,
    time: Duration,
) -> Result<u64> {
    let threads: Vec<_> =
        (0..connections).map(|_| thread::spawn(move || connection(server, mails, time))).collect();
    let mut commands = 0;
    for thread in threads {
        commands += wait::join(thread)?;
    }
    Ok(commands)
}

fn connection(server: SocketAddr, mails: u64, time: Duration) -> Result<u64> {
    let stream = TcpStream::connect_timeout(&server, LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut client = Client { stream: BufReader::new(stream), commands: 0 };
    client.answer("*")?;
    client.command(&format!("LOGIN {} {}", Dovecot::USER, Dovecot::PASSWORD))?;
    client.command("SELECT INBOX")?;
    let begun = Instant::now();
    for mail in (1..=mails).cycle() {
        if begun.elapsed() >= time {
            break;
        }
        client.command(&format!("FETCH {mail} BODY.PEEK[]"))?;
        client.command("NOOP")?;
    }
    client.command("LOGOUT")?;
    Ok(client.commands)
}

/// A client that waits for each answer.
#[derive(Debug)]
struct Client {
    stream: BufReader<TcpStream>,
    commands: u64,
}

impl Client {
    fn command(&mut self, command: &str) -> Result<()> {
        self.commands += 1;
        let tag = format!("a{}", self.commands);
        self.stream.get_mut().write_all(format!("{tag} {command}\r\n").as_bytes())?;
        self.answer(&tag).with_context(|| command.to_owned())
    }

    /// Reads up to the line with this tag, which is to say OK.
    fn answer(&mut self, tag: &str) -> Result<()> {
        let mut line = Vec::new();
        loop {
            line.clear();
            self.stream.read_until(b'\n', &mut line)?;
            ensure!(line.ends_with(b"\r\n"), "the server closed the connection");
            let text = String::from_utf8_lossy(&line);
            if let Some(rest) = text.strip_prefix(tag).filter(|rest| rest.starts_with(' ')) {
                ensure!(rest.starts_with(" OK"), "{text}");
                return Ok(());
            }
            if let Some(length) = literal(&text) {
                let read =
                    std::io::copy(&mut self.stream.by_ref().take(length), &mut std::io::sink())?;
                ensure!(read == length, "a literal is cut");
            }
        }
    }
}

/// The length of the literal that follows a line.
fn literal(line: &str) -> Option<u64> {
    line.trim_end().strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}

#[cfg(test)]
mod tests_of_literals {
    use super::literal;

    #[test]
    fn literals_are_announced_at_the_end_of_a_line() {
        assert_eq!(literal("* 1 FETCH (BODY[] {342}\r\n"), Some(342));
        assert_eq!(literal("a1 OK {342} bytes\r\n"), None);
        assert_eq!(literal(")\r\n"), None);
    }
}
