//! `INDEX.tsv`: which captures there are, and which ports carry what.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context as _, Result};

/// The protocols that are compared, by their names in the index.
pub(super) const PROTOCOLS: [&str; 3] = ["http", "smtp", "imap"];

/// One capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Capture {
    /// Path below the folder, `files/…`.
    pub(super) file: String,
    /// Packets that it holds.
    pub(super) packets: u64,
    /// Ports of each protocol.
    pub(super) ports: BTreeMap<String, Vec<u16>>,
}

impl Capture {
    /// Where the stored readings of it are, without their extension.
    pub(super) fn stem(&self) -> &str {
        self.file.strip_prefix("files/").unwrap_or(&self.file)
    }

    /// Adds a port that a protocol was seen on: the index names no more than a
    /// dozen for each capture.
    pub(super) fn add_port(&mut self, protocol: &str, port: u16) {
        let ports = self.ports.entry(protocol.to_owned()).or_default();
        if !ports.contains(&port) {
            ports.push(port);
        }
    }

    /// Whether a protocol was seen on the port.
    pub(super) fn has_port(&self, port: u16) -> bool {
        self.ports.values().flatten().any(|other| *other == port)
    }

    /// Leaves a port out.
    pub(super) fn remove_port(&mut self, port: u16) {
        self.ports.values_mut().for_each(|ports| ports.retain(|other| *other != port));
    }

    /// The value of `--port` for each protocol: these ports alone, so
    /// that both sides look at the same streams. A port counts for the
    /// first protocol that has it.
    pub(super) fn port_arguments(&self) -> Vec<String> {
        let mut taken = Vec::new();
        let mut arguments = Vec::new();
        for protocol in PROTOCOLS {
            let mut list = Vec::new();
            for port in self.ports.get(protocol).into_iter().flatten() {
                if !taken.contains(port) {
                    taken.push(*port);
                    list.push(port.to_string());
                }
            }
            let list = if list.is_empty() { "none".to_owned() } else { list.join(",") };
            arguments.push(format!("{protocol}={list}"));
        }
        arguments
    }
}

/// Reads the index of `folder`.
pub(super) fn read(folder: &Path) -> Result<Vec<Capture>> {
    let path = folder.join("INDEX.tsv");
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    parse(&String::from_utf8_lossy(&text)).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<Capture>> {
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| {
        header.iter().position(|title| *title == name).with_context(|| format!("no column {name}"))
    };
    let (file, packets, ports) = (column("file")?, column("packets")?, column("ports")?);
    let mut captures = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |index: usize| cells.get(index).copied().unwrap_or_default();
        captures.push(Capture {
            file: cell(file).to_owned(),
            packets: cell(packets).parse().with_context(|| format!("packets in {line:?}"))?,
            ports: parse_ports(cell(ports)),
        });
    }
    Ok(captures)
}

/// `http:80x2,8080x1 smtp:25x1`: protocol, port, number of streams.
fn parse_ports(cell: &str) -> BTreeMap<String, Vec<u16>> {
    let mut ports = BTreeMap::new();
    for (protocol, list) in cell.split(' ').filter_map(|group| group.split_once(':')) {
        let numbers =
            list.split(',').filter_map(|item| item.split('x').next()?.parse().ok()).collect();
        ports.insert(protocol.to_owned(), numbers);
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_each_protocol() {
        let text = "file\tpackets\tports\nfiles/a.pcap\t7\thttp:80x2,8080x1 smtp:25x1\n";
        let captures = parse(text).unwrap();
        let [capture] = captures.as_slice() else { panic!("{captures:?}") };
        assert_eq!((capture.stem(), capture.packets), ("a.pcap", 7));
        assert_eq!(capture.port_arguments(), ["http=80,8080", "smtp=25", "imap=none"]);
    }
}
