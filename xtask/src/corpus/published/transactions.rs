//! Tracer's events as what others publish: a request with its response, a mail.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::fact::{Field, end, normal};
use crate::corpus::found::{list, text};

/// A request with its response, or a mail, or what a mail client said.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// `ip port`.
    pub(super) client: String,
    /// `ip port`.
    pub(super) server: String,
    values: HashMap<Field, Vec<String>>,
}

/// All of a capture.
pub(super) struct Transactions {
    pub(super) all: Vec<Transaction>,
}

impl Transaction {
    /// Whether it has that value, in whatever form.
    pub(super) fn agrees(&self, field: Field, value: &str) -> bool {
        let wanted = normal(field, value);
        let own = self.values.get(&field).map_or(&[][..], Vec::as_slice);
        match field {
            // A request without one.
            Field::Version if value == "0.9" => {
                self.values.get(&Field::RequestVersion).is_none_or(Vec::is_empty)
            }
            // Lists: each of those wanted.
            Field::Recipient | Field::To | Field::Cc | Field::From => {
                wanted.split(", ").all(|wanted| own.iter().any(|own| normal(field, own) == wanted))
            }
            _ => own.iter().any(|own| {
                let own = normal(field, own);
                own == wanted || both_long(&own, &wanted)
            }),
        }
    }

    fn set(&mut self, field: Field, values: impl IntoIterator<Item = String>) {
        let own = self.values.entry(field).or_default();
        own.extend(values.into_iter().filter(|value| !value.is_empty()));
    }
}

/// Whether one is the other, cut: programs have limits of their own.
fn both_long(one: &str, other: &str) -> bool {
    const LONG: usize = 60;
    one.len().min(other.len()) >= LONG && (one.starts_with(other) || other.starts_with(one))
}

/// A connection's requests that have no response yet: their places in the list.
type Waiting = HashMap<(String, String), Vec<usize>>;

impl Transactions {
    pub(super) fn of(events: &[Json]) -> Self {
        let mut all: Vec<Transaction> = Vec::new();
        let mut waiting = Waiting::new();
        for event in events {
            let end = |name: &str| {
                let of = |what: &str| text(event, &format!("/{name}/{what}"));
                end(&of("ip"), &of("port"))
            };
            let (client, server) = (end("client"), end("server"));
            let ends = (client.clone(), server.clone());
            let mut new = Transaction { client, server, values: HashMap::new() };
            match text(event, "/event/action").as_str() {
                "http-request" => {
                    request(event, &mut new);
                    waiting.entry(ends).or_default().push(all.len());
                    all.push(new);
                }
                "http-response" => {
                    let interim = text(event, "/http/response/status_code");
                    let interim = interim.starts_with('1') && interim != "101";
                    let queue = waiting.entry(ends).or_default();
                    if interim || queue.is_empty() {
                        response(event, &mut new);
                        all.push(new);
                    } else if let Some(answered) = all.get_mut(queue.remove(0)) {
                        response(event, answered);
                    }
                }
                "smtp-message" => {
                    message(event, &mut new);
                    all.push(new);
                }
                "smtp-command" => {
                    let verb = text(event, "/smtp/command/verb");
                    let field = match verb.as_str() {
                        "EHLO" | "HELO" | "LHLO" => Field::Helo,
                        "MAIL" => Field::Sender,
                        "RCPT" => Field::Receiver,
                        _ => continue,
                    };
                    new.set(field, [text(event, "/smtp/command/argument")]);
                    all.push(new);
                }
                "imap-response" if event.get("email").is_some() => {
                    message(event, &mut new);
                    all.push(new);
                }
                _ => {}
            }
        }
        Self { all }
    }
}

fn request(event: &Json, new: &mut Transaction) {
    let target = text(event, "/url/original");
    let host = text(event, "/http/request/header/host/0");
    new.set(Field::Url, [format!("{host}{target}"), target.clone()]);
    // Some show the path of an absolute target.
    let path =
        target.split_once("://").and_then(|(_, rest)| rest.find('/').and_then(|at| rest.get(at..)));
    new.set(Field::Target, [path.unwrap_or_default().to_owned(), target.clone()]);
    new.set(Field::Host, [host, text(event, "/url/domain")]);
    new.set(Field::Method, [text(event, "/http/request/method")]);
    new.set(Field::UserAgent, [text(event, "/user_agent/original")]);
    new.set(Field::Referrer, [text(event, "/http/request/referrer")]);
    let version = text(event, "/http/version");
    new.set(Field::RequestVersion, [version.clone()]);
    new.set(Field::Version, [version]);
}

fn response(event: &Json, new: &mut Transaction) {
    new.set(Field::Status, [text(event, "/http/response/status_code")]);
    new.set(Field::Reason, [text(event, "/http/response/reason")]);
    new.set(Field::ContentType, [text(event, "/http/response/header/content-type/0")]);
    new.set(Field::Version, [text(event, "/http/version")]);
}

fn message(event: &Json, new: &mut Transaction) {
    new.set(Field::Helo, [text(event, "/smtp/helo")]);
    new.set(Field::MailFrom, [text(event, "/smtp/mail_from")]);
    let recipients = event.pointer("/smtp/rcpt_to").and_then(Json::as_array);
    let recipients = recipients.into_iter().flatten().map(|one| text(one, "/address"));
    let recipients: Vec<String> = recipients.collect();
    new.set(Field::Receiver, recipients.clone());
    for field in ["to", "cc", "bcc"] {
        new.set(Field::Receiver, list(event, &format!("/email/{field}/address")));
    }
    new.set(Field::Recipient, recipients);
    let envelope = [text(event, "/smtp/mail_from")];
    new.set(Field::Sender, [list(event, "/email/from/address"), envelope.to_vec()].concat());
    new.set(Field::From, list(event, "/email/from/address"));
    new.set(Field::To, list(event, "/email/to/address"));
    new.set(Field::Cc, list(event, "/email/cc/address"));
    new.set(Field::Subject, [text(event, "/email/subject")]);
    new.set(Field::MessageId, [text(event, "/email/message_id")]);
    new.set(Field::XMailer, [text(event, "/email/x_mailer")]);
    let attachments = event.pointer("/email/attachments").and_then(Json::as_array);
    let names = attachments.into_iter().flatten().map(|one| text(one, "/file/name"));
    new.set(Field::Attachment, names);
}
