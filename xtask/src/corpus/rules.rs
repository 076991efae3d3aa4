//! Classes of differences that the reference alone is the cause of.

use super::message::{Kind, Message};

/// Methods of RFC 9110 and of the extensions that captures have.
const KNOWN_METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND",
    "NOTIFY",
];
/// It takes other words for no request
/// unless the connection has shown it a known one.
const UNKNOWN_METHOD: &str = "the reference shows requests of methods that it knows";
/// It puts a message together before it shows it.
const NOT_WHOLE: &str = "the reference shows a message when its body is whole, and goes wrong behind a hole; bytes of this \
     direction are not in the capture";
/// It splits a request line at each space.
const SPACE_IN_TARGET: &str =
    "the reference splits a request line at its first two spaces, though a target may hold one";

/// Why a difference is the reference's own; `None` if no rule says so. What was
/// found alone must have been `sent`: stand in the capture as often as it was
/// found.
pub(super) fn reason(
    kind: Kind,
    expected: Option<&Message>,
    found: Option<&Message>,
    sent: impl Fn(&Message) -> bool,
) -> Option<&'static str> {
    match (kind, expected, found) {
        (_, None, Some(found)) if !sent(found) => None,
        (_, None, Some(found)) if found.cut => Some(NOT_WHOLE),
        (Kind::HttpRequest, None, Some(found)) => {
            let method = found.field("method");
            (!KNOWN_METHODS.contains(&method)).then_some(UNKNOWN_METHOD)
        }
        (Kind::HttpRequest, Some(one), Some(other)) => {
            let line = |message: &Message| {
                let words = ["method", "target", "version"]
                    .map(|name| message.field(name).trim().to_owned());
                words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
            };
            let only_the_line =
                one.differing(other).all(|(name, ..)| matches!(name, "target" | "version"));
            (only_the_line && line(one) == line(other)).then_some(SPACE_IN_TARGET)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::message::Value;

    fn request(target: &str, version: &str) -> Message {
        let is = |text: &str| Value::Is(text.to_owned());
        Message {
            place: String::new(),
            stream: String::new(),
            fields: vec![("method", is("GET")), ("target", is(target)), ("version", is(version))],
            cut: false,
        }
    }

    #[test]
    fn a_target_with_a_space() {
        let expected = request("/a", "b HTTP/1.1");
        let found = request("/a b", "HTTP/1.1");
        let reason = |found| reason(Kind::HttpRequest, Some(&expected), Some(found), |_| true);
        assert_eq!(reason(&found), Some(SPACE_IN_TARGET));
        assert_eq!(reason(&request("/a c", "HTTP/1.1")), None);
    }

    #[test]
    fn what_is_not_whole() {
        let whole = request("/", "HTTP/1.1");
        let reason = |one, other, sent| reason(Kind::HttpRequest, one, other, |_| sent);
        assert_eq!(reason(None, Some(&whole), true), None);
        let cut = Message { cut: true, ..whole.clone() };
        assert_eq!(reason(None, Some(&cut), true), Some(NOT_WHOLE));
        assert_eq!(reason(None, Some(&cut), false), None);
        assert_eq!(reason(Some(&cut), None, true), None);
    }
}
