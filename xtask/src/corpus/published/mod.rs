//! What other projects publish as the right results for their own captures,
//! held against tracer's events.

mod arkime;
mod fact;
mod flows;
mod har;
mod suricata;
mod transactions;
mod zeek;

use std::{collections::HashMap, fs, path::Path};

use anyhow::{Context as _, Result};
use serde_json::Value as Json;

use fact::Fact;
use transactions::Transactions;

/// A published result of a capture: which project's, and the file below
/// `expected/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Published {
    source: String,
    file: String,
}

/// What became of a published result.
#[derive(Debug)]
pub(super) struct Check {
    /// The project.
    pub(super) source: String,
    /// The file, below `expected/`.
    pub(super) file: String,
    /// Where in the file.
    pub(super) place: String,
    /// What it wants; `None` if that is so.
    pub(super) wanted: Option<String>,
}

/// Reads `EXPECTED.tsv`, if the folder has one: results by capture.
pub(super) fn index(folder: &Path) -> Result<HashMap<String, Vec<Published>>> {
    let path = folder.join("EXPECTED.tsv");
    if !path.exists() {
        return Ok(HashMap::new());
    }
    let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let text = String::from_utf8_lossy(&text);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split('\t').collect();
    let column = |name: &str| {
        let place = header.iter().position(|title| *title == name);
        place.with_context(|| format!("no column {name} in {}", path.display()))
    };
    let (source, capture, files) = (column("source")?, column("file")?, column("expected_files")?);
    let mut index: HashMap<String, Vec<Published>> = HashMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        for file in cell(files).split(';').filter(|file| !file.is_empty()) {
            let published = Published { source: cell(source).to_owned(), file: file.to_owned() };
            let list = index.entry(cell(capture).to_owned()).or_default();
            if !list.contains(&published) {
                list.push(published);
            }
        }
    }
    Ok(index)
}

/// What the published results of a capture say.
pub(super) struct Expectations<'a> {
    facts: Vec<(&'a Published, Fact)>,
}

impl<'a> Expectations<'a> {
    /// Reads the files.
    pub(super) fn read(folder: &Path, published: &'a [Published]) -> Result<Self> {
        let mut facts = Vec::new();
        for published in published {
            let Some(reader) = reader(&published.source, &published.file) else { continue };
            let path = folder.join("expected").join(&published.file);
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            let found = reader(&String::from_utf8_lossy(&text));
            facts.extend(found.into_iter().map(|fact| (published, fact)));
        }
        Ok(Self { facts })
    }

    /// The port of a connection that is said to carry a protocol on neither of
    /// the ports `known`.
    pub(super) fn ports(
        &self,
        known: impl Fn(u16) -> bool,
    ) -> impl Iterator<Item = (&'static str, u16)> {
        self.facts.iter().filter_map(move |(_, fact)| {
            let (protocol, ports) = fact.ports()?;
            let [_, server] = ports;
            (!ports.into_iter().any(&known)).then_some((protocol, server))
        })
    }

    /// Holds them against the events.
    pub(super) fn hold(self, events: &[Json]) -> Vec<Check> {
        let transactions = Transactions::of(events);
        let check = |(published, fact): (&Published, Fact)| Check {
            source: published.source.clone(),
            file: published.file.clone(),
            wanted: (!fact.holds(&transactions)).then(|| fact.to_string()),
            place: fact.place,
        };
        self.facts.into_iter().map(check).collect()
    }
}

/// How the facts of such a file are found; `None` if it says nothing that
/// could be compared.
fn reader(source: &str, file: &str) -> Option<fn(&str) -> Vec<Fact>> {
    let name = Path::new(file).file_name()?.to_str()?;
    match source {
        "zeek" if name.starts_with("http.log") => Some(zeek::http),
        "zeek" if name.starts_with("smtp.log") => Some(zeek::smtp),
        "suricata-verify" if name == "test.yaml" => Some(suricata::filters),
        "arkime" | "moloch" => Some(arkime::sessions),
        "ndpi" => Some(flows::ndpi),
        "flowtest" => Some(flows::flowtest),
        "pcap2har" => Some(har::entries),
        _ => None,
    }
}
