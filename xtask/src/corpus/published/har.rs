//! HTTP archives.

use serde_json::Value as Json;

use super::fact::{Fact, Field};
use crate::corpus::found::text;

pub(super) fn entries(source: &str) -> Vec<Fact> {
    let Ok(json) = serde_json::from_str::<Json>(source) else { return Vec::new() };
    let entries = json.pointer("/log/entries").and_then(Json::as_array);
    let mut facts = Vec::new();
    for (number, entry) in entries.into_iter().flatten().enumerate() {
        let url = text(entry, "/request/url");
        let url = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let mut fields =
            vec![(Field::Method, text(entry, "/request/method")), (Field::Url, url.to_owned())];
        let status = text(entry, "/response/status");
        if !matches!(status.as_str(), "" | "0" | "null") {
            fields.push((Field::Status, status));
        }
        facts.extend(Fact::new(format!("entry {number}"), None, fields));
    }
    facts
}
