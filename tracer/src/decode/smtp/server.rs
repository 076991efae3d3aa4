//! The server's stream: replies, matched to commands.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use super::{
    REST, Smtp,
    client::{Answer, Mode},
    is_tls,
    pending::{Kind, Pending},
    reply::{self, Frame, Framer, REPLY_LIMIT, Whole},
};
use crate::{
    decode::{End as Ended, Input, Out, Progress, quote},
    event::{
        Message, Side, Text, Timestamp,
        smtp::{self, ReplyFields, ReplyLines, ReplyObject},
    },
};

/// Longest line of a reply, its end included (RFC 5321 section 4.5.3.1.5).
const LINE_LIMIT: usize = 512;

/// State of the server's stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Server {
    framer: Framer,
    /// Bytes are missing before what stands at the front.
    lost: bool,
    /// The rest of the line at the front is not looked at.
    skip_line: bool,
    /// The greeting has passed, or will never be seen.
    greeted: bool,
    /// Code of a reply that was told of without its last lines.
    cut: Option<u16>,
    /// Code of a reply that waits until more of the client's bytes have come.
    pub(super) waiting: Option<u16>,
}

impl Smtp {
    pub(super) fn server_data(&mut self, input: &Input<'_>, out: &mut Out<'_>) -> Progress {
        self.server.waiting = None;
        let mut at = 0;
        loop {
            let rest = input.bytes.get(at..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::more(at);
            }
            // Bytes for which the client's stream was held back come first.
            let waits = matches!(self.client.mode, Mode::Await(_)) && !self.answer_is_lost();
            let released = self.client.blocked && !waits;
            if released && input.end.is_none() {
                return Progress::peer(at);
            }
            if self.server.skip_line {
                let end = memchr(b'\n', rest);
                self.server.skip_line = end.is_none();
                let len = end.map_or(rest.len(), |end| end + 1);
                out.undecoded(len as u64);
                at += len;
                continue;
            }
            match is_tls(rest) {
                Some(true) => {
                    self.upgrade(Side::Server, input.time, out);
                    return Progress::skip(input.bytes.len(), REST);
                }
                None if input.end.is_none() => return Progress::more(at),
                _ => {}
            }
            let taken = match self.server.framer.frame(rest) {
                Frame::Partial if input.end.is_none() || self.server.lost => 0,
                Frame::Partial => self.cut_reply(rest, input, out),
                Frame::TooLong => {
                    let taken = rest.get(..REPLY_LIMIT).unwrap_or(rest);
                    self.server.skip_line = !taken.ends_with(b"\n");
                    if self.server.cut.is_none() {
                        out.anomaly(Side::Server, input.time, "reply-too-long", None);
                        self.cut_reply(taken, input, out)
                    } else {
                        out.undecoded(taken.len() as u64);
                        taken.len()
                    }
                }
                Frame::Other(len) => {
                    if !self.server.lost {
                        self.once(Side::Server, input.time, "not-a-reply", None, out);
                    }
                    out.undecoded(len as u64);
                    self.server.skip_line = rest.get(len.saturating_sub(1)) != Some(&b'\n');
                    len
                }
                Frame::Reply(whole) => {
                    if self.is_early(whole.code, input.started, out) && input.end.is_none() {
                        self.server.framer.reset();
                        self.server.waiting = Some(whole.code);
                        return Progress::peer(at);
                    }
                    self.whole_reply(&whole, rest, input, out);
                    whole.len
                }
            };
            if taken == 0 {
                return Progress::more(at);
            }
            at += taken;
            self.server.framer.reset();
            if self.session.opaque {
                return Progress::skip(input.bytes.len(), REST);
            }
        }
    }

    /// Whether a reply is about bytes of the client that did not come yet.
    pub(super) fn is_early(&mut self, code: u16, time: Timestamp, out: &mut Out<'_>) -> bool {
        if !self.server.greeted {
            return false;
        }
        match self.queue.answered(code).and_then(|at| self.queue.peek(at)) {
            Some(Pending { kind: Kind::Final(id), .. }) => {
                let id = *id;
                self.mails.find(id).is_some_and(|mail| !mail.ended && !mail.incomplete)
            }
            Some(_) => false,
            None => match self.client.mode {
                Mode::Data(scan) if let Some(dot) = scan.odd_end() => {
                    self.data_ended_oddly(dot, time, out);
                    false
                }
                Mode::Data(_) if self.mails.current().is_some_and(|mail| mail.incomplete) => {
                    self.data_ended_unseen(time, out);
                    false
                }
                Mode::Data(_) | Mode::Chunk { .. } | Mode::Sasl | Mode::Tls => true,
                _ => false,
            },
        }
    }

    fn whole_reply(&mut self, whole: &Whole, rest: &[u8], input: &Input<'_>, out: &mut Out<'_>) {
        self.server.lost = false;
        if let Some(code) = self.server.cut.take()
            && reply::parse(rest)
                .is_some_and(|(first, more)| first == code && (more || self.queue.is_empty()))
        {
            // The end of a reply that was told of.
            out.undecoded(whole.len as u64);
            return;
        }
        if whole.bare {
            self.once(Side::Server, input.time, "bare-lf", Some(Text::from("reply")), out);
        }
        let raw = rest.get(..whole.len).unwrap_or_default();
        self.reply_faults(whole, raw, input.time, out);
        self.reply(raw, whole.code, false, input.time, out);
    }

    /// Tells of what is odd about a reply.
    fn reply_faults(&mut self, whole: &Whole, raw: &[u8], time: Timestamp, out: &mut Out<'_>) {
        if whole.codes_differ {
            let (first, last) = (reply::parse(raw).map_or(0, |(code, _)| code), whole.code);
            let detail = Text::from(format!("from {first} to {last}"));
            out.anomaly(Side::Server, time, "reply-codes-differ", Some(detail));
        }
        if !reply::is_known(whole.code) {
            let detail = Text::from(whole.code.to_string());
            self.once(Side::Server, time, "unknown-reply-code", Some(detail), out);
        }
        let long = |line: &[u8]| line.len() > LINE_LIMIT;
        if long(raw) && raw.split_inclusive(|byte| *byte == b'\n').any(long) {
            self.once(Side::Server, time, "line-too-long", Some(Text::from("reply")), out);
        }
    }

    /// A reply of which no more will come; returns how many bytes were taken.
    fn cut_reply(&mut self, rest: &[u8], input: &Input<'_>, out: &mut Out<'_>) -> usize {
        let Some((code, _)) = reply::parse(rest).filter(|_| rest.len() > 3) else { return 0 };
        self.server.cut = Some(code);
        self.server.skip_line |= input.end == Some(Ended::Limit);
        self.reply(rest, code, true, input.time, out);
        rest.len()
    }

    fn reply(&mut self, raw: &[u8], code: u16, cut: bool, time: Timestamp, out: &mut Out<'_>) {
        let greeting =
            !std::mem::replace(&mut self.server.greeted, true) && (code == 220 || code >= 400);
        let answered = if greeting { None } else { self.queue.answered(code) };
        self.pipelining(greeting, answered, time, out);
        let mut lines = Cow::Borrowed(raw);
        if !out.settings.show_secrets {
            // Of a quote that is cut short too little is left to know it by.
            let hidden = cut || self.quotes_the_unknown(code, answered);
            if code >= 400 && !greeting && hidden {
                lines = Cow::Owned(reply::without_text(&lines));
            }
            lines = quote::redacted(lines, &self.client.hidden);
            if let Some(auth) = &self.session.auth {
                lines = quote::redacted(lines, auth.secret());
                for sent in auth.sent() {
                    lines = quote::redacted(lines, sent);
                }
            }
            for secret in self.queue.secrets() {
                lines = quote::redacted(lines, secret);
            }
        }
        let lines = ReplyLines(lines);
        let text = lines.iter().last().map_or(&b""[..], |(_, text)| text);
        let kind = answered.and_then(|at| self.queue.peek(at)).map(|command| command.kind);
        let duration =
            answered.and_then(|at| self.queue.peek(at)).map(|command| time.since(command.time));
        let last = self.about_mail(kind, code, text, time, out);
        if let Some(at) = answered {
            // All final replies of LMTP answer the same end of data.
            let at = if last { Some(at) } else { at.checked_sub(1) };
            at.and_then(|at| self.queue.pop(at));
        }
        let enhanced = reply::enhanced(text, code).map(Text::from);
        let challenge = if code == 334 { text.to_vec() } else { Vec::new() };
        let extensions = self.extensions(kind, code, &lines, out);
        let fields = ReplyFields { code, enhanced, lines: lines.clone(), extensions };
        let reply = smtp::Reply { smtp: ReplyObject { reply: fields }, duration };
        out.emit(Side::Server, time, Message::SmtpReply(reply));
        self.answer(kind, code, &challenge, time, out);
        self.settle(time, out);
    }

    /// The keywords of the extensions that a reply offers (RFC 5321 section
    /// 4.1.1.1).
    fn extensions<'a>(
        &mut self,
        kind: Option<Kind>,
        code: u16,
        lines: &'a ReplyLines<'_>,
        out: &Out<'_>,
    ) -> Vec<Text<'a>> {
        let Some(Kind::Hello { extended }) = kind.filter(|_| code == 250) else {
            return Vec::new();
        };
        let offered = || {
            let texts = lines.iter().skip(1).filter(|_| extended).map(|(_, text)| text);
            texts.map(|text| {
                memchr3(b' ', b'=', b'\t', text).and_then(|end| text.get(..end)).unwrap_or(text)
            })
        };
        self.session.pipelining =
            Some(offered().any(|keyword| keyword.eq_ignore_ascii_case(b"PIPELINING")));
        if out.settings.brief {
            return Vec::new();
        }
        let upper = |keyword: &'a [u8]| {
            let is_upper = !keyword.iter().any(u8::is_ascii_lowercase);
            if is_upper { Text::from(keyword) } else { Text::from(keyword.to_ascii_uppercase()) }
        };
        offered().filter(|keyword| !keyword.is_empty()).map(upper).collect()
    }

    /// Notes what the client did not wait for, which shows when the reply comes,
    /// and tells once if it had to (RFC 2920 section 3.1).
    fn pipelining(
        &mut self,
        greeting: bool,
        answered: Option<usize>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let hurried = answered.filter(|at| self.queue.is_hurried(*at, time));
        for id in hurried.into_iter().flat_map(|at| self.queue.mails_behind(at)) {
            if let Some(mail) = self.mails.find(id) {
                mail.pipelined = true;
            }
        }
        let hurried = hurried.is_some();
        let awaited = self.client.blocked && !self.client.answer_lost;
        let kind = answered.and_then(|at| self.queue.peek(at)).map(|command| command.kind);
        let detail = match (kind, self.client.mode) {
            _ if greeting && !self.queue.is_empty() => "before the greeting",
            (Some(Kind::Hello { .. }), _) if hurried => "behind EHLO",
            (Some(Kind::Data(_)), Mode::Await(Answer::Data { .. })) if awaited => "behind DATA",
            (Some(Kind::Auth), Mode::Await(Answer::Auth)) if awaited => "behind AUTH",
            (Some(Kind::StartTls), Mode::Await(Answer::Tls)) if awaited => "behind STARTTLS",
            _ if hurried && self.session.pipelining == Some(false) => "not offered",
            _ => return,
        };
        self.once(Side::Client, time, "unexpected-pipelining", Some(Text::from(detail)), out);
    }

    /// Whether a refusal may quote a line that nobody saw, or that is still
    /// missing: then nobody knows whether that was a secret.
    fn quotes_the_unknown(&self, code: u16, answered: Option<usize>) -> bool {
        // 421 answers nothing: the server closes down (RFC 5321 section 3.8).
        let alone = answered.is_none() && code != 421;
        // A SASL response that is due was sent behind our back, or one waits
        // for an answer that came before its question.
        let unseen = match self.client.mode {
            Mode::Sasl => true,
            Mode::Await(Answer::Auth) => self.client.blocked,
            _ => false,
        };
        alone || unseen || self.queue.may_answer_missing(answered)
    }

    pub(super) fn server_gap(&mut self, bytes: Option<u64>) {
        self.server.framer.reset();
        self.server.lost = true;
        self.server.skip_line = false;
        self.server.greeted = true;
        if bytes.is_some() {
            self.queue.missing_replies();
            self.client.answer_lost = true;
        }
    }
}
