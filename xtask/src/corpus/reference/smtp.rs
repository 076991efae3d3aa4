//! The reference's SMTP commands, replies and mails.

use std::collections::HashMap;

use super::{Collector, Frame};
use crate::corpus::{
    mail,
    message::{Direction, Kind, Value},
};

/// Remembers replies whose first line came in a packet of its own, as the
/// reference shows each packet's lines by themselves.
#[derive(Default)]
pub(super) struct Replies {
    begun: HashMap<Direction, String>,
}

impl Replies {
    pub(super) fn messages(&mut self, frame: &Frame, collector: &mut Collector) {
        // Lines of AUTH LOGIN have fields of their own.
        let secrets =
            frame.all("smtp.auth.username").into_iter().chain(frame.all("smtp.auth.password"));
        let lines = frame.all("smtp.command_line").into_iter().chain(secrets);
        for (index, line) in lines.enumerate() {
            collector.push(
                frame,
                Kind::SmtpCommand,
                index,
                vec![("line", Value::Is(command(line)))],
            );
        }
        self.replies(frame, collector);
        if frame.first("frame.protocols").contains(":smtp:imf") {
            mails(frame, collector);
        }
    }

    /// Each code begins a reply; all lines of a frame are in one list. Which
    /// lines belong to which code can be told by number alone if there is one
    /// code, or one line for each.
    fn replies(&mut self, frame: &Frame, collector: &mut Collector) {
        let codes = frame.all("smtp.response.code");
        let lines = frame.all("smtp.rsp.parameter");
        for (index, code) in codes.iter().enumerate() {
            let own: Option<Vec<String>> = if codes.len() == 1 {
                Some(lines.iter().map(|line| line.trim().to_owned()).collect())
            } else {
                let line = lines.get(index).filter(|_| lines.len() == codes.len());
                line.map(|line| vec![line.trim().to_owned()])
            };
            let begun = self.begun.remove(&frame.direction());
            let goes_on = codes.len() == 1
                && lines.len() <= 1
                && frame.first("_ws.col.Info").contains(&format!("S: {code}-"));
            if goes_on {
                self.begun.insert(frame.direction(), (*code).to_owned());
            }
            let text = own.map_or(Value::Unknown, |own| Value::Is(own.join(" | ")));
            if begun.as_deref() == Some(code) {
                collector.extend(frame, Kind::SmtpReply, &text);
            } else {
                let fields = vec![("code", Value::Is((*code).to_owned())), ("text", text)];
                collector.push(frame, Kind::SmtpReply, index, fields);
            }
        }
    }
}

/// The line with its verb in upper case (case means nothing in it, RFC 5321 section 2.4).
fn command(line: &str) -> String {
    let line = mail::unfolded(line);
    match line.split_once(' ') {
        Some((verb, argument)) => format!("{} {argument}", verb.to_uppercase()),
        // A SASL response is no verb.
        None if line.len() > 4 => line,
        None => line.to_uppercase(),
    }
}

fn mails(frame: &Frame, collector: &mut Collector) {
    let addresses = |name| match frame.first(name) {
        // An encoded word may hide anything.
        raw if raw.contains("=?") => Value::Unknown,
        raw => Value::Is(mail::addresses(raw)),
    };
    let subject = match frame.first("imf.subject") {
        raw if raw.contains("=?") => Value::Unknown,
        raw => Value::Is(mail::unfolded(raw)),
    };
    let date = match frame.first("imf.date") {
        "" => Value::Is(String::new()),
        raw => mail::date(raw).map_or(Value::Unknown, Value::Is),
    };
    let message_id = frame.first("imf.message_id").trim().trim_matches(['<', '>']).to_owned();
    collector.push(
        frame,
        Kind::Mail,
        0,
        vec![
            ("from", addresses("imf.from")),
            ("to", addresses("imf.to")),
            ("subject", subject),
            ("message_id", Value::Is(message_id)),
            ("date", date),
        ],
    );
}
