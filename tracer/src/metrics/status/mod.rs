//! `tracer status`: asks a running tracer how it goes, and says it to people.

mod page;

use std::{
    io::{self, Read as _, Write as _},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use self::page::Page;
use super::{
    address::{Address, USUAL},
    serve::STATUS,
    snapshot::Snapshot,
};

/// For how long a tracer may take to say something.
const LIMIT: Duration = Duration::from_secs(5);

/// Time between the two askings that make rates.
const APART: Duration = Duration::from_secs(1);

/// Bytes that an answer may have.
const ANSWER: u64 = 4 * 1024 * 1024;

/// Why nothing is known.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody is there.
    #[error(
        "no tracer answers at {address}: {source}; one tells of itself where --metrics has it \
         to (the packaged service at {USUAL})"
    )]
    Nobody {
        /// Where somebody was asked for.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// It is not for everybody.
    #[error("{address} is for its owner, its group and root: {source}")]
    Forbidden {
        /// Who was to be asked.
        address: Address,
        /// What the system said.
        source: io::Error,
    },
    /// It was asked, and then nothing came, or half of it.
    #[error("{address} does not answer: {source}")]
    Silent {
        /// Who was asked.
        address: Address,
        /// What became of it.
        source: io::Error,
    },
    /// It is something else.
    #[error("what listens at {0} is no tracer of this version")]
    Stranger(Address),
}

/// Asks twice, for the sake of rates, and makes a page of it.
///
/// # Errors
///
/// When nobody answers, or somebody else does.
pub fn status(address: &Address) -> Result<String, Error> {
    let before = ask(address)?;
    thread::sleep(APART);
    let now = ask(address)?;
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let page = Page { before: &before, now: &now, unix: unix.as_secs(), apart: APART }.to_string();
    // Whoever listens there may say anything.
    Ok(page.chars().filter(|character| *character == '\n' || !character.is_control()).collect())
}

fn ask(address: &Address) -> Result<Snapshot, Error> {
    let of = || address.clone();
    let mut stream = address.connect(LIMIT).map_err(|source| match source.kind() {
        io::ErrorKind::PermissionDenied => Error::Forbidden { address: of(), source },
        _ => Error::Nobody { address: of(), source },
    })?;
    let silent = |source| Error::Silent { address: of(), source };
    let request = format!("GET {STATUS} HTTP/1.1\r\nHost: tracer\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(silent)?;
    let mut answer = Vec::new();
    stream.take(ANSWER).read_to_end(&mut answer).map_err(silent)?;
    snapshot(&answer).ok_or_else(|| Error::Stranger(of()))
}

fn snapshot(answer: &[u8]) -> Option<Snapshot> {
    let end = memchr::memmem::find(answer, b"\r\n\r\n")?;
    let (head, body) = answer.split_at_checked(end)?;
    head.starts_with(b"HTTP/1.1 200 ").then(|| serde_json::from_slice(body).ok())?
}

#[cfg(test)]
mod tests;
