//! The reference's SMTP commands, replies and mails.

use super::{Collector, Frame};
use crate::corpus::{
    mail,
    message::{Kind, Value},
};

pub(super) fn messages(frame: &Frame, collector: &mut Collector) {
    for (index, line) in frame.all("smtp.command_line").into_iter().enumerate() {
        let line = mail::unfolded(line);
        collector.push(frame, Kind::SmtpCommand, index, vec![("line", Value::Is(line))]);
    }
    replies(frame, collector);
    let is_mail = frame.first("frame.protocols").contains(":smtp:imf");
    if is_mail {
        mails(frame, collector);
    }
}

/// Each code begins a reply; all lines of a frame are in one list. Which lines
/// belong to which code can be told by number alone if there is one code, or
/// one line for each.
fn replies(frame: &Frame, collector: &mut Collector) {
    let codes = frame.all("smtp.response.code");
    let lines = frame.all("smtp.rsp.parameter");
    for (index, code) in codes.iter().enumerate() {
        let text = if codes.len() == 1 {
            Value::Is(lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" | "))
        } else {
            match frame.of("smtp.rsp.parameter", index, codes.len()) {
                Value::Is(line) => Value::Is(line.trim().to_owned()),
                unknown @ Value::Unknown => unknown,
            }
        };
        let fields = vec![("code", Value::Is((*code).to_owned())), ("text", text)];
        collector.push(frame, Kind::SmtpReply, index, fields);
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
