//! Suricata-verify's checks: filters over Suricata's events, in YAML of which
//! this reads the one form that they have.

use super::fact::{Fact, Field, end};

/// The filters that ask for values of HTTP or SMTP; those for older versions of
/// Suricata, and those that want nothing found, are passed over.
pub(super) fn filters(text: &str) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut filter: Option<Filter> = None;
    for (number, line) in text.lines().enumerate() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("- ") {
            facts.extend(filter.take().and_then(Filter::fact));
            let begins = trimmed == "- filter:";
            filter = begins.then(|| Filter { line: number + 1, ..Filter::default() });
        } else if let (Some(filter), Some((key, value))) = (&mut filter, trimmed.split_once(':')) {
            filter.set(key.trim(), scalar(value));
        }
    }
    facts.extend(filter.and_then(Filter::fact));
    facts
}

#[derive(Default)]
struct Filter {
    line: usize,
    older: bool,
    count: usize,
    event_type: String,
    ends: [[String; 2]; 2],
    fields: Vec<(Field, String)>,
}

impl Filter {
    fn set(&mut self, key: &str, value: String) {
        let [[source_ip, source_port], [destination_ip, destination_port]] = &mut self.ends;
        let field = match key {
            "lt-version" | "version" => {
                self.older = true;
                return;
            }
            "count" => {
                self.count = value.parse().unwrap_or_default();
                return;
            }
            "event_type" => return self.event_type = value,
            "src_ip" => return *source_ip = value,
            "src_port" => return *source_port = value,
            "dest_ip" => return *destination_ip = value,
            "dest_port" => return *destination_port = value,
            "http.http_method" => Field::Method,
            "http.hostname" => Field::Host,
            "http.url" => Field::Target,
            "http.protocol" => Field::RequestVersion,
            "http.status" => Field::Status,
            "http.http_user_agent" => Field::UserAgent,
            "http.http_content_type" => Field::ContentType,
            "smtp.helo" => Field::Helo,
            "smtp.mail_from" => Field::MailFrom,
            "email.from" => Field::From,
            "email.subject" => Field::Subject,
            "email.x_mailer" => Field::XMailer,
            _ if key.starts_with("smtp.rcpt_to[") => Field::Recipient,
            _ if key.starts_with("email.to[") => Field::To,
            _ if key.starts_with("email.cc[") => Field::Cc,
            _ if key.starts_with("email.attachment[") => Field::Attachment,
            _ => return,
        };
        let value = match field {
            Field::RequestVersion => value.trim_start_matches("HTTP/").to_owned(),
            _ => value,
        };
        self.fields.push((field, value));
    }

    fn fact(self) -> Option<Fact> {
        let Self { line, older, count, event_type, ends, fields } = self;
        if older || count == 0 {
            return None;
        }
        let known = ends.iter().flatten().all(|part| !part.is_empty());
        let ends = known.then(|| ends.map(|[ip, port]| end(&ip, &port)));
        let fact = Fact::new(format!("line {line}"), ends, fields)?;
        // How often a rule fires, or a file is told of, is Suricata's own matter.
        let count = if matches!(event_type.as_str(), "http" | "smtp") { count } else { 1 };
        Some(Fact { count, ..fact })
    }
}

/// A plain or quoted scalar.
fn scalar(value: &str) -> String {
    let value = value.trim();
    for (quote, escaped) in [('"', "\\\""), ('\'', "''")] {
        let inner = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner.replace(escaped, &quote.to_string());
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_of_a_test() {
        let text = "checks:\n- filter:\n    count: 2\n    match:\n      event_type: http\n      \
                    http.hostname: 'a'\n      http.protocol: HTTP/1.1\n- filter:\n    requires:\n      \
                    lt-version: 8\n    count: 1\n    match:\n      http.url: /\n- stats: x\n";
        let [fact] = filters(text).try_into().unwrap();
        let wanted = [(Field::Host, "a".to_owned()), (Field::RequestVersion, "1.1".to_owned())];
        assert_eq!((fact.count, fact.fields), (2, wanted.to_vec()));
    }
}
