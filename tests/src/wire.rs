//! Frames and packets put on a device as they are, headers and all, where no
//! device or stack makes them.

#![expect(
    unsafe_code,
    reason = "packet sockets and tun devices have no safe interface in the crates at hand"
)]

use std::{
    fs::File,
    io::{self, Write as _},
    os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
};

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;

/// A device that takes whole frames.
#[derive(Debug)]
pub struct Wire {
    file: File,
}

impl Wire {
    /// Sends frames out of a device of the namespace, from the Ethernet header
    /// on.
    pub fn ethernet(namespace: &Namespace, device: &str) -> Result<Self> {
        let device = device.to_owned();
        let socket = namespace.within(move || Ok(packet_socket(&device)?))?;
        Ok(Self { file: File::from(socket) })
    }

    /// Makes a device without a link header in the namespace; what is sent
    /// comes in through it, from the IP header on. It goes with the guard.
    pub fn tun(namespace: &Namespace, device: &str) -> Result<Self> {
        let name = device.to_owned();
        let file = namespace.within(move || Ok(tun(&name)?))?;
        namespace.ip(&format!("link set {device} up"))?;
        Ok(Self { file })
    }

    /// Puts one frame or packet on it.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).with_context(|| format!("sending {} bytes", bytes.len()))
    }
}

fn packet_socket(device: &str) -> io::Result<OwnedFd> {
    let index = nix::net::if_::if_nametoindex(device)?;
    // SAFETY: plain system calls; the descriptor is new and ours, and the
    // address is a sockaddr_ll that lives across the call.
    unsafe {
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        let socket = OwnedFd::from_raw_fd(socket);
        let mut address: libc::sockaddr_ll = std::mem::zeroed();
        address.sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
        address.sll_ifindex = i32::try_from(index).unwrap_or_default();
        let len = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
        if libc::bind(socket.as_raw_fd(), (&raw const address).cast(), len) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(socket)
    }
}

fn tun(name: &str) -> io::Result<File> {
    let file = File::options().read(true).write(true).open("/dev/net/tun")?;
    // SAFETY: an ifreq is plain data; the ioctl reads it during the call.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
            *to = from.cast_signed();
        }
        let flags = libc::IFF_TUN | libc::IFF_NO_PI;
        request.ifr_ifru.ifru_flags = i16::try_from(flags).unwrap_or_default();
        if libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw const request) < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(file)
}
