//! Mails: the transactions of a session, from MAIL to the final reply.

use std::collections::VecDeque;

use crate::{
    decode::mail::Content,
    event::{
        Common, Outcome, Text, Timestamp,
        smtp::{self, DataFields, DataMode, MailObject, Recipient},
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
pub(super) type MailId = u64;

/// A recipient.
#[derive(Clone, Debug)]
pub(super) struct To {
    address: Box<[u8]>,
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
    to: Vec<To>,
    envelope: usize,
    /// The envelope has reached its limit.
    pub(super) full: bool,
    /// How it is sent, once that began.
    pub(super) mode: Option<DataMode>,
    pub(super) content: Content,
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
}

impl Mail {
    /// Adds a recipient; returns its index unless the envelope is full.
    pub(super) fn recipient(&mut self, address: &[u8]) -> Option<usize> {
        let cost = RECIPIENT_COST + address.len();
        if self.envelope + cost > ENVELOPE_LIMIT {
            return None;
        }
        self.envelope += cost;
        self.to.push(To { address: address.into(), reply: None, refused: false });
        Some(self.to.len() - 1)
    }

    /// Takes the reply to a recipient.
    pub(super) fn recipient_reply(&mut self, index: usize, code: u16) {
        if let Some(to) = self.to.get_mut(index) {
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
        self.envelope + self.from.as_ref().map_or(0, |from| from.len()) + self.content.held()
    }
}

/// What a mail's event says beside the mail.
#[derive(Clone, Debug, Default)]
pub(super) struct Told<'a> {
    pub(super) helo: Option<&'a [u8]>,
    pub(super) auth: Option<smtp::Auth<'a>>,
    pub(super) starttls: bool,
    pub(super) queue_id: Option<Text<'a>>,
    /// Time of the final reply, if one came.
    pub(super) replied: Option<Timestamp>,
    pub(super) outcome: Option<Outcome>,
}

/// The mails of a connection that are not yet told of.
#[derive(Clone, Debug, Default)]
pub(super) struct Mails {
    /// Oldest first.
    untold: VecDeque<Mail>,
    /// The transaction that the client is in.
    pub(super) current: Option<MailId>,
    next: MailId,
}

impl Mails {
    /// Begins a transaction. Returns the oldest mail if there are too many.
    pub(super) fn begin(&mut self, from: Option<&[u8]>, time: Timestamp) -> Option<Mail> {
        self.drop_current();
        let id = self.next;
        self.next += 1;
        self.untold.push_back(Mail {
            id,
            started: time,
            from: from.map(Box::from),
            to: Vec::new(),
            envelope: 0,
            full: false,
            mode: None,
            content: Content::default(),
            ended: false,
            incomplete: false,
            pipelined: false,
            replies: 0,
            accepted: false,
        });
        self.current = Some(id);
        if self.untold.len() > MAILS_LIMIT { self.untold.pop_front() } else { None }
    }

    /// The mail of a number, if it is still waited for.
    pub(super) fn find(&mut self, id: MailId) -> Option<&mut Mail> {
        self.untold.iter_mut().rev().find(|mail| mail.id == id)
    }

    /// The mail that the client is about.
    pub(super) fn current(&mut self) -> Option<&mut Mail> {
        self.current.and_then(|id| self.find(id))
    }

    /// Takes a mail away to tell of it.
    pub(super) fn take(&mut self, id: MailId) -> Option<Mail> {
        if self.current == Some(id) {
            self.current = None;
        }
        let at = self.untold.iter().position(|mail| mail.id == id)?;
        self.untold.remove(at)
    }

    /// Forgets the current transaction if nothing of its data was sent;
    /// returns it otherwise.
    pub(super) fn drop_current(&mut self) -> Option<Mail> {
        let id = self.current.take()?;
        self.take(id).filter(|mail| mail.mode.is_some())
    }

    /// Takes the oldest mail of which data was sent.
    pub(super) fn pop(&mut self) -> Option<Mail> {
        self.current = None;
        loop {
            let mail = self.untold.pop_front()?;
            if mail.mode.is_some() {
                return Some(mail);
            }
        }
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.untold.capacity() * size_of::<Mail>()
            + self.untold.iter().map(Mail::held).sum::<usize>()
    }
}

/// Gives the event of a mail.
pub(super) fn event<'a>(mail: &'a Mail, told: Told<'a>) -> smtp::Mail<'a> {
    let duration = told.replied.map(|time| time.since(mail.started));
    let common = Common { duration, outcome: told.outcome, ..Common::default() };
    let smtp = MailObject {
        helo: told.helo.map(Text::from),
        mail_from: mail.from.as_deref().map(Text::from),
        rcpt_to: mail
            .to
            .iter()
            .map(|to| Recipient { address: Text::from(&*to.address), reply: to.reply })
            .collect(),
        data: DataFields {
            mode: mail.mode.unwrap_or_default(),
            bytes: mail.content.bytes(),
            incomplete: mail.incomplete || !mail.ended,
        },
        auth: told.auth,
        starttls: told.starttls,
        pipelined: mail.pipelined,
        queue_id: told.queue_id,
    };
    smtp::Mail {
        email: Box::new(mail.content.email()),
        smtp: Box::new(smtp),
        headline: mail.content.headline(),
        common,
    }
}
