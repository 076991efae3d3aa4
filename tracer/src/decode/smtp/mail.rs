//! Mails: the transactions of a session, from MAIL to the final reply.

use super::{command::Path, lines::Lines};
use crate::{
    decode::{Out, Settings, mail::Content},
    event::{
        Common, Outcome, Side, Text, Timestamp,
        smtp::{self, DataFields, DataMode, FinalReply, MailObject, Recipient},
    },
};

/// Mails of one connection that may wait for their final reply: a client that
/// sends chunks need not wait for any.
const MAILS_LIMIT: usize = 8;
/// Bytes of a mail's envelope that are kept, which is some 2,000 recipients;
/// servers take 1,000 (Postfix: `smtpd_recipient_limit`).
const ENVELOPE_LIMIT: usize = 64 * 1024;
/// What a recipient costs beside its address.
const RECIPIENT_COST: usize = size_of::<To>();

/// Number of a mail on its connection.
pub(super) type MailId = u32;

/// A recipient.
#[derive(Clone, Debug)]
pub(super) struct To {
    address: Box<[u8]>,
    /// As sent, separated by blanks.
    parameters: Box<[u8]>,
    reply: Option<u16>,
    /// RCPT was refused.
    refused: bool,
}

/// One transaction.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts of their own, not one state")]
pub(super) struct Mail {
    pub(super) id: MailId,
    /// When MAIL was sent, or what was seen first of the transaction.
    started: Timestamp,
    from: Option<Box<[u8]>>,
    /// Those of MAIL, as sent, separated by blanks.
    parameters: Box<[u8]>,
    to: Vec<To>,
    envelope: usize,
    /// The envelope has reached its limit.
    pub(super) full: bool,
    /// How it is sent, once that began.
    pub(super) mode: Option<DataMode>,
    pub(super) content: Content,
    /// The lines of its data.
    pub(super) lines: Lines,
    /// All of its data has passed.
    pub(super) ended: bool,
    /// Bytes of it, or its end, are missing.
    pub(super) incomplete: bool,
    /// Some of its commands did not wait for a reply.
    pub(super) pipelined: bool,
    /// Final replies so far (LMTP: one for each recipient).
    pub(super) replies: usize,
    /// Whether one of them accepted the mail.
    pub(super) accepted: bool,
    /// The client has left the transaction before the end of a mail.
    pub(super) left: bool,
    /// The reply that decided on it so far.
    reply: Option<Decision>,
}

/// A reply that decides what becomes of a mail.
#[derive(Clone, Debug)]
struct Decision {
    code: u16,
    enhanced: Option<Box<[u8]>>,
    time: Timestamp,
}

impl Mail {
    /// Adds a recipient; returns its index unless the envelope is full.
    pub(super) fn recipient(&mut self, path: &Path<'_>) -> Option<u32> {
        let cost = RECIPIENT_COST + path.address.len() + path.parameters.len();
        if self.envelope + cost > ENVELOPE_LIMIT {
            return None;
        }
        self.envelope += cost;
        let (address, parameters) = (path.address.into(), path.parameters.into());
        self.to.push(To { address, parameters, reply: None, refused: false });
        u32::try_from(self.to.len() - 1).ok()
    }

    /// Takes a reply that decides on the mail: the final one, or one that
    /// refuses something.
    pub(super) fn decide(&mut self, code: u16, enhanced: Option<&[u8]>, time: Timestamp) {
        self.reply = Some(Decision { code, enhanced: enhanced.map(Box::from), time });
    }

    /// Whether none of it was sent and the server refused something.
    pub(super) fn is_refused(&self) -> bool {
        self.mode.is_none() && self.reply.is_some()
    }

    /// Its data begins.
    pub(super) fn begin(&mut self, mode: DataMode) {
        if self.mode.replace(mode).is_none() {
            // What was refused before did not decide on it.
            self.reply = None;
        }
    }

    /// Bytes of it are missing.
    pub(super) fn missing(&mut self, bytes: u64) {
        self.incomplete = true;
        self.content.missing(bytes);
        self.lines.missing();
    }

    /// Whether the client declared that its envelope may be UTF-8, or nobody
    /// saw whether it did.
    pub(super) fn is_utf8(&self) -> bool {
        self.from.is_none()
            || parameters(&self.parameters).any(|one| one.eq_ignore_ascii_case(b"SMTPUTF8"))
    }

    /// Whether the client declared that the mail has bytes beyond ASCII (RFC
    /// 6152, 3030 and 6531), or nobody saw whether it did.
    fn is_8bit_declared(&self) -> bool {
        let declares = |parameter: &[u8]| {
            let is = |name: &str| parameter.eq_ignore_ascii_case(name.as_bytes());
            is("BODY=8BITMIME") || is("BODY=BINARYMIME") || is("SMTPUTF8")
        };
        self.from.is_none() || parameters(&self.parameters).any(declares)
    }

    /// Tells of what is odd about it.
    pub(super) fn tell_odd(&self, time: Timestamp, out: &mut Out<'_>) {
        for (code, detail) in self.lines.odd(self.is_8bit_declared()) {
            out.anomaly(Side::Client, time, code, Some(Text::from(detail)));
        }
        for code in self.content.odd() {
            out.anomaly(Side::Client, time, code, None);
        }
    }

    /// Takes the reply to a recipient.
    pub(super) fn recipient_reply(&mut self, index: u32, code: u16) {
        if let Some(to) = self.to.get_mut(index as usize) {
            to.refused = code >= 300;
            to.reply = Some(code);
        }
    }

    /// Takes a final reply; returns whether it was the last one.
    pub(super) fn final_reply(&mut self, code: u16, lmtp: bool) -> bool {
        self.accepted |= code < 300;
        self.replies += 1;
        if !lmtp {
            return true;
        }
        // RFC 2033 section 4.2: one for each recipient whose RCPT was accepted.
        let replies = self.replies;
        let mut recipients = self.to.iter_mut().filter(|to| !to.refused);
        if let Some(to) = recipients.nth(replies - 1) {
            to.reply = Some(code);
        }
        recipients.next().is_none()
    }

    /// Bytes on the heap.
    fn held(&self) -> usize {
        let from = self.from.as_ref().map_or(0, |from| from.len());
        let reply = self.reply.as_ref().and_then(|reply| reply.enhanced.as_ref());
        let reply = reply.map_or(0, |enhanced| enhanced.len());
        self.envelope + from + self.parameters.len() + reply + self.content.held()
    }
}

/// What a mail's event says beside the mail.
#[derive(Clone, Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) helo: Option<&'a [u8]>,
    pub(super) auth: Option<smtp::Auth<'a>>,
    pub(super) starttls: bool,
    pub(super) queue_id: Option<Text<'a>>,
    pub(super) outcome: Option<Outcome>,
}

/// The mails of a connection that are not yet told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Mails {
    /// Oldest first.
    #[expect(clippy::vec_box, reason = "a session between mails holds room for one word")]
    untold: Vec<Box<Mail>>,
    /// The transaction that the client is in.
    pub(super) current: Option<MailId>,
    next: MailId,
}

impl Mails {
    /// Begins a transaction. Returns the oldest mail if there are too many.
    pub(super) fn begin(
        &mut self,
        from: Option<Path<'_>>,
        content: Content,
        time: Timestamp,
    ) -> Option<Box<Mail>> {
        let id = self.next;
        self.next = self.next.wrapping_add(1);
        if self.untold.capacity() == 0 {
            self.untold.reserve_exact(1);
        }
        self.untold.push(Box::new(Mail {
            id,
            started: time,
            from: from.map(|path| path.address.into()),
            parameters: from.map(|path| path.parameters.into()).unwrap_or_default(),
            to: Vec::new(),
            envelope: 0,
            full: false,
            mode: None,
            content,
            lines: Lines::default(),
            ended: false,
            incomplete: false,
            pipelined: false,
            replies: 0,
            accepted: false,
            left: false,
            reply: None,
        }));
        self.current = Some(id);
        (self.untold.len() > MAILS_LIMIT).then(|| self.untold.remove(0))
    }

    /// The mail of a number, if it is still waited for.
    pub(super) fn find(&mut self, id: MailId) -> Option<&mut Mail> {
        self.untold.iter_mut().rev().find(|mail| mail.id == id).map(|mail| &mut **mail)
    }

    /// The mail that the client is about.
    pub(super) fn current(&mut self) -> Option<&mut Mail> {
        self.current.and_then(|id| self.find(id))
    }

    /// Takes a mail away to tell of it.
    pub(super) fn take(&mut self, id: MailId) -> Option<Box<Mail>> {
        if self.current == Some(id) {
            self.current = None;
        }
        let at = self.untold.iter().position(|mail| mail.id == id)?;
        Some(self.untold.remove(at))
    }

    /// Leaves the current transaction.
    pub(super) fn leave_current(&mut self) {
        if let Some(mail) = self.current() {
            mail.left = true;
        }
        self.current = None;
    }

    /// Takes a transaction that the client has left and whose replies are all
    /// in.
    pub(super) fn take_left(&mut self, is_open: impl Fn(MailId) -> bool) -> Option<Box<Mail>> {
        let at = self.untold.iter().position(|mail| mail.left && !is_open(mail.id))?;
        Some(self.untold.remove(at))
    }

    /// Takes the oldest mail.
    pub(super) fn pop(&mut self) -> Option<Box<Mail>> {
        self.current = None;
        (!self.untold.is_empty()).then(|| self.untold.remove(0))
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        let mails = self.untold.iter().map(|mail| size_of::<Mail>() + mail.held());
        self.untold.capacity() * size_of::<Box<Mail>>() + mails.sum::<usize>()
    }
}

/// The parameters that stand in a command, one by one.
fn parameters(all: &[u8]) -> impl Iterator<Item = &[u8]> {
    all.split(u8::is_ascii_whitespace).filter(|parameter| !parameter.is_empty())
}

/// Gives the event of a mail.
pub(super) fn event<'a>(mail: &'a Mail, told: Told<'a>, settings: Settings) -> smtp::Mail<'a> {
    let duration = mail.reply.as_ref().map(|reply| reply.time.since(mail.started));
    let common = Common { duration, outcome: told.outcome, ..Common::default() };
    let smtp = MailObject {
        helo: told.helo.map(Text::from),
        mail_from: mail.from.as_deref().map(Text::from),
        mail_parameters: parameters(&mail.parameters).map(Text::from).collect(),
        rcpt_to: mail
            .to
            .iter()
            .map(|to| Recipient {
                address: Text::from(&*to.address),
                reply: to.reply,
                parameters: parameters(&to.parameters).map(Text::from).collect(),
            })
            .collect(),
        data: mail.mode.map(|mode| DataFields {
            mode,
            bytes: mail.content.bytes(),
            incomplete: mail.incomplete || !mail.ended,
        }),
        reply: mail.reply.as_ref().map(|reply| FinalReply {
            code: reply.code,
            enhanced: reply.enhanced.as_deref().map(Text::from),
        }),
        auth: told.auth,
        starttls: told.starttls,
        pipelined: mail.pipelined,
        queue_id: told.queue_id,
    };
    let content = Some(&mail.content).filter(|content| !content.is_unread());
    smtp::Mail {
        email: content.map(|content| Box::new(content.email(settings.brief))),
        smtp: Box::new(smtp),
        headline: content.filter(|_| !settings.headless).map(Content::headline),
        common,
    }
}
