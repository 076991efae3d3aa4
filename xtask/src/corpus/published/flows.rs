//! Lists of flows with what was seen of HTTP: nDPI's, `FlowTest`'s.

use super::fact::{Fact, Field, end};

/// A line for each flow, what it is said of it in brackets. Values are cut at
/// the length of nDPI's buffers, so those that are long are passed over.
pub(super) fn ndpi(text: &str) -> Vec<Fact> {
    const LONGEST: usize = 60;
    let mut facts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let line = line.split_once('\t').map_or(line, |(_, rest)| rest);
        let Some(flow) = line.strip_prefix("TCP ").filter(|flow| flow.contains("HTTP")) else {
            continue;
        };
        let mut words = flow.split(' ');
        let (one, _, other) = (words.next(), words.next(), words.next());
        let ends =
            one.and_then(flow_end).zip(other.and_then(flow_end)).map(|(one, other)| [one, other]);
        let value = |name: &str| {
            let (_, rest) = flow.split_once(&format!("[{name}: "))?;
            let (value, _) = rest.split_once(']')?;
            (value.len() <= LONGEST).then(|| value.to_owned())
        };
        for (name, field) in
            [("StatusCode", Field::Status), ("User-Agent", Field::UserAgent), ("URL", Field::Url)]
        {
            let fields = value(name).map(|value| (field, value)).into_iter().collect();
            facts.extend(Fact::new(format!("line {} {name}", number + 1), ends.clone(), fields));
        }
    }
    facts
}

/// `address:port`, the address in brackets if it is of IPv6.
fn flow_end(text: &str) -> Option<String> {
    let (ip, port) = text.rsplit_once(':')?;
    Some(end(ip.trim_matches(['[', ']']), port))
}

/// Flows in YAML; a list in brackets gives several forms of one value, of which
/// the first is the bare one.
pub(super) fn flowtest(text: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let flows = text.split_once("\nflows:").map_or("", |(_, flows)| flows);
    for (number, line) in flows.lines().enumerate() {
        let Some((key, value)) = line.trim().split_once(": ") else { continue };
        let field = match key {
            "http_status_code" => Field::Status,
            "http_content_type" => Field::ContentType,
            "http_host" => Field::Host,
            "http_url" => Field::Url,
            "http_user_agent" => Field::UserAgent,
            "http_method" => Field::Method,
            _ => continue,
        };
        let value = value.trim_start_matches('[').split([',', ']']).next().unwrap_or_default();
        let fields = vec![(field, value.trim_matches(['"', '\'']).to_owned())];
        facts.extend(Fact::new(format!("flows, line {number} {key}"), None, fields));
    }
    facts
}
