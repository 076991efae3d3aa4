//! Arkime's sessions (Moloch's, as it was called): JSON, with each field's
//! values of a whole connection in one list.

use serde_json::Value as Json;

use super::fact::{Fact, Field, end};
use crate::corpus::found::{list, text};

const FIELDS: [(&str, Field); 14] = [
    ("http/method", Field::Method),
    ("http/host", Field::Host),
    ("http/uri", Field::Url),
    ("http/useragent", Field::UserAgent),
    ("http/statuscode", Field::Status),
    ("http/clientVersion", Field::RequestVersion),
    ("http/serverVersion", Field::Version),
    ("email/src", Field::Sender),
    ("email/dst", Field::Receiver),
    ("email/subject", Field::Subject),
    ("email/id", Field::MessageId),
    ("email/smtpHello", Field::Helo),
    ("email/filename", Field::Attachment),
    ("email/useragent", Field::XMailer),
];

pub(super) fn sessions(source: &str) -> Vec<Fact> {
    let Ok(json) = serde_json::from_str::<Json>(source) else { return Vec::new() };
    let sessions = json.as_object().into_iter().flat_map(|object| object.values());
    let sessions = sessions.filter_map(Json::as_array).flatten();
    let mut facts = Vec::new();
    for (number, session) in sessions.enumerate() {
        let end_of = |name: &str| {
            let of = |what: &str| text(session, &format!("/body/{name}/{what}"));
            end(&of("ip"), &of("port"))
        };
        let ends = [end_of("source"), end_of("destination")];
        let protocols = list(session, "/body/protocol");
        for (pointer, field) in FIELDS {
            // The host of TLS stands in the same field.
            if pointer.starts_with("http/") && !protocols.iter().any(|name| name == "http") {
                continue;
            }
            for value in list(session, &format!("/body/{pointer}")) {
                let place = format!("session {number} {pointer}");
                facts.extend(Fact::new(place, Some(ends.clone()), vec![(field, value)]));
            }
        }
    }
    facts
}
