//! Where questions come in: on this host alone.

use std::{
    fmt, fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{
            fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

/// Where the packaged service listens, and `tracer status` asks.
pub const USUAL: &str = "/run/tracer/metrics.sock";

/// Who may ask at a socket in the file system: its owner and its group.
const MODE: u32 = 0o660;

/// An address at which metrics are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A loopback address.
    Tcp(SocketAddr),
    /// A socket in the file system.
    Unix(PathBuf),
}

/// Why an address is not listened at.
#[derive(Debug, thiserror::Error)]
#[error("telling metrics at {address}: {source}")]
pub(crate) struct Error {
    address: Address,
    source: io::Error,
}

impl Address {
    /// The packaged service's.
    pub fn usual() -> Self {
        Self::Unix(USUAL.into())
    }

    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// When somebody listens there already, or the system refuses.
    pub(crate) fn listen(&self) -> Result<(Listener, Socket), Error> {
        let failed = |source| Error { address: self.clone(), source };
        match self {
            Self::Tcp(address) => {
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok((Listener::Tcp(listener), Socket { file: None }))
            }
            Self::Unix(path) => {
                let (listener, socket) = bind(path).map_err(failed)?;
                Ok((Listener::Unix(listener), socket))
            }
        }
    }

    /// Connects to who listens, with a limit for each reading and writing.
    pub(super) fn connect(&self, limit: Duration) -> io::Result<Box<dyn Stream>> {
        Ok(match self {
            Self::Tcp(address) => {
                let stream = TcpStream::connect_timeout(address, limit)?;
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                Box::new(stream)
            }
            Self::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(limit))?;
                stream.set_write_timeout(Some(limit))?;
                Box::new(stream)
            }
        })
    }
}

/// What can be asked through.
pub(super) trait Stream: Read + Write {}

impl<T: Read + Write> Stream for T {}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return Ok(Self::Unix(text.into()));
        }
        let address: SocketAddr = text.parse().map_err(|_| {
            format!(
                "'{text}' is neither the path of a socket, as {USUAL}, nor an address of the \
                 loopback with a port, as 127.0.0.1:9464"
            )
        })?;
        if !address.ip().is_loopback() {
            Err(format!(
                "{address} may be reached from elsewhere; metrics are told on the loopback \
                 (127.0.0.1, [::1]) or a unix socket, and who may see them elsewhere is for a \
                 proxy to decide"
            ))
        } else if address.port() == 0 {
            Err("port 0 is any port; who asks has to know which".to_owned())
        } else {
            Ok(Self::Tcp(address))
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(formatter),
            Self::Unix(path) => path.display().fmt(formatter),
        }
    }
}

/// Listens in the file system. A socket that a killed tracer left is taken away.
fn bind(path: &Path) -> io::Result<(UnixListener, Socket)> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left(path)? => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    let listener = bound?;
    fs::set_permissions(path, fs::Permissions::from_mode(MODE))?;
    let socket = Socket { file: Some((path.to_owned(), Identity::of(path)?)) };
    listener.set_nonblocking(true)?;
    Ok((listener, socket))
}

/// Whether a path is a socket at which nobody listens any more.
fn is_left(path: &Path) -> io::Result<bool> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Ok(false);
    }
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    Ok(UnixStream::connect(path).is_err_and(refused))
}

/// The socket in the file system, if there is one, which goes with this.
#[derive(Debug)]
pub(crate) struct Socket {
    /// Its path, and what is there: it may be another by now.
    file: Option<(PathBuf, Identity)>,
}

/// What tells a file from all that come after it.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    number: u64,
    /// Numbers are used again.
    changed: (i64, i64),
}

impl Identity {
    fn of(path: &Path) -> io::Result<Self> {
        let file = fs::symlink_metadata(path)?;
        Ok(Self { number: file.ino(), changed: (file.ctime(), file.ctime_nsec()) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some((path, identity)) = &self.file
            && Identity::of(path).is_ok_and(|there| there == *identity)
        {
            // Not in a folder of somebody else's: then it is left.
            let _ = fs::remove_file(path);
        }
    }
}

/// Where questions come from.
#[derive(Debug)]
pub(crate) enum Listener {
    /// Who is on this host.
    Tcp(TcpListener),
    /// Who may open the socket.
    Unix(UnixListener),
}

impl Listener {
    /// The next who asks.
    pub(super) fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => Ok(listener.accept()?.0.into()),
            Self::Unix(listener) => Ok(listener.accept()?.0.into()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn metrics_stay_on_this_host() {
        for text in ["127.0.0.1:9464", "[::1]:9464", "127.3.2.1:1", "/run/a.sock", "./a.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for (text, expected) in [
            ("0.0.0.0:9464", "may be reached from elsewhere"),
            ("[::]:9464", "may be reached from elsewhere"),
            ("10.0.0.1:9464", "may be reached from elsewhere"),
            ("127.0.0.1", "as 127.0.0.1:9464"),
            ("localhost:9464", "is neither the path of a socket"),
            ("127.0.0.1:0", "port 0"),
            ("", "is neither"),
        ] {
            let said = text.parse::<Address>().unwrap_err();
            assert!(said.contains(expected), "{text}: {said}");
        }
    }

    #[test]
    fn a_socket_goes_with_its_owner_and_one_that_was_left_is_taken_away() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("metrics.sock");
        let address = Address::Unix(path.clone());
        let (listener, socket) = address.listen().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        let said = address.listen().unwrap_err().to_string();
        assert!(said.contains("in use") && said.contains("metrics.sock"), "{said}");
        // Killed: nobody has taken it away.
        drop(listener);
        let (_listener, another) = address.listen().unwrap();
        drop(socket);
        assert!(path.exists(), "it is another's by now");
        drop(another);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_socket_is_left_alone() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "dear").unwrap();
        Address::Unix(path.clone()).listen().unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "dear");
    }
}
