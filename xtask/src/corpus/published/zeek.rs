//! Zeek's logs: tab-separated, with a line that names the columns.

use super::fact::{Fact, Field, end};

pub(super) fn http(text: &str) -> Vec<Fact> {
    use Field::{Host, Method, Reason, Referrer, Status, Target, UserAgent, Version};
    facts(
        text,
        &[
            ("method", Method),
            ("host", Host),
            ("uri", Target),
            ("referrer", Referrer),
            ("version", Version),
            ("user_agent", UserAgent),
            ("status_code", Status),
            ("status_msg", Reason),
        ],
    )
}

pub(super) fn smtp(text: &str) -> Vec<Fact> {
    use Field::{Cc, From, Helo, MailFrom, MessageId, Recipient, Subject, To, XMailer};
    facts(
        text,
        &[
            ("helo", Helo),
            ("mailfrom", MailFrom),
            ("rcptto", Recipient),
            ("from", From),
            ("to", To),
            ("cc", Cc),
            ("msg_id", MessageId),
            ("subject", Subject),
            ("user_agent", XMailer),
        ],
    )
}

fn facts(text: &str, known: &[(&str, Field)]) -> Vec<Fact> {
    let mut columns: Vec<&str> = Vec::new();
    let mut facts = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(names) = line.strip_prefix("#fields\t") {
            columns = names.split('\t').collect();
        }
        if line.starts_with('#') || columns.is_empty() {
            continue;
        }
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |name: &str| {
            let place = columns.iter().position(|column| *column == name)?;
            // Unset, empty, or hidden by the log itself.
            cells
                .get(place)
                .copied()
                .filter(|cell| !matches!(*cell, "-" | "" | "(empty)" | "<empty>" | "0"))
        };
        let end_of = |ip, port| Some(end(cell(ip)?, cell(port)?));
        let client = end_of("id.orig_h", "id.orig_p");
        let server = end_of("id.resp_h", "id.resp_p");
        let ends = client.zip(server).map(|(client, server)| [client, server]);
        let fields = known
            .iter()
            .filter_map(|(name, field)| Some((*field, cell(name)?.to_owned())))
            .collect();
        facts.extend(Fact::new(format!("line {}", number + 1), ends, fields));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log() {
        let log = "#path\thttp\n#fields\tid.orig_h\tid.orig_p\tmethod\thost\nx\t1\tGET\t-\n";
        let [fact] = http(log).try_into().unwrap();
        assert_eq!((fact.place.as_str(), fact.ends), ("line 3", None));
        assert_eq!(fact.fields, [(Field::Method, "GET".to_owned())]);
    }
}
