//! How client and server stand to each other, and where the tracer looks on.

use anyhow::Result;

use crate::{machine::Machine, namespace::Namespace};

/// Addresses of the server across a link, IPv4 and IPv6.
const SERVER: [&str; 2] = ["10.77.0.2", "fd77::2"];

/// Addresses with their prefixes: client and server.
const CLIENT_NET: [&str; 2] = ["10.77.0.1/24", "fd77::1/64"];
const SERVER_NET: [&str; 2] = ["10.77.0.2/24", "fd77::2/64"];

/// What lies between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing: both are one machine, the tracer sees its `lo`.
    Loopback,
    /// A veth pair; the tracer sees the server's end.
    Veth,
    /// A bridge with a veth pair to each; the tracer sees the bridge and both
    /// of its ports, so every packet up to three times.
    Bridge,
}

/// Version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ip {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// Two machines, or one that is both, and the namespace that is traced.
#[derive(Debug)]
pub struct Topology {
    link: Link,
    server: Machine,
    client: Option<Machine>,
    switch: Option<Namespace>,
}

impl Topology {
    /// Sets the machines up and connects them.
    pub fn new(link: Link) -> Result<Self> {
        let server = Machine::new("server")?;
        if link == Link::Loopback {
            return Ok(Self { link, server, client: None, switch: None });
        }
        let client = Machine::new("client")?;
        let (near, far) = (client.namespace(), server.namespace());
        let switch = if link == Link::Veth {
            near.veth("eth0", far, "eth0")?;
            None
        } else {
            let switch = Namespace::new("switch")?;
            switch.ip("link add br0 type bridge")?;
            switch.ip("link set br0 up")?;
            for (port, end) in [("port1", near), ("port2", far)] {
                switch.veth(port, end, "eth0")?;
                switch.ip(&format!("link set {port} master br0"))?;
            }
            Some(switch)
        };
        near.address("eth0", &CLIENT_NET)?;
        far.address("eth0", &SERVER_NET)?;
        Ok(Self { link, server, client: Some(client), switch })
    }

    /// The machine for servers.
    pub fn server(&self) -> &Machine {
        &self.server
    }

    /// The machine for clients.
    pub fn client(&self) -> &Machine {
        self.client.as_ref().unwrap_or(&self.server)
    }

    /// The namespace for the tracer.
    pub fn traced(&self) -> &Namespace {
        self.switch.as_ref().unwrap_or_else(|| self.server.namespace())
    }

    /// The server's address as clients write it.
    pub fn address(&self, ip: Ip) -> &'static str {
        let [v4, v6] = if self.link == Link::Loopback { ["127.0.0.1", "::1"] } else { SERVER };
        match ip {
            Ip::V4 => v4,
            Ip::V6 => v6,
        }
    }

    /// The server's address as it stands in a URL.
    pub fn authority(&self, ip: Ip) -> String {
        match ip {
            Ip::V4 => self.address(ip).to_owned(),
            Ip::V6 => format!("[{}]", self.address(ip)),
        }
    }
}
