//! A mail on its way: data and chunks, their ends, and gaps in them.

use memchr::memchr;

use super::{
    Smtp,
    client::{Mode, Step},
    command::Path,
    data::Scan,
    mail::{Mail, MailId},
    pending::Kind,
};
use crate::{
    decode::{Input, Out, mail::Content},
    event::{
        Message, Side, Timestamp,
        smtp::{self, DataObject, PieceFields},
    },
};

impl Smtp {
    /// Begins a transaction.
    pub(super) fn begin_mail(
        &mut self,
        from: Option<Path<'_>>,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let content = if out.settings.envelope { Content::unread() } else { Content::default() };
        if let Some(oldest) = self.mails.begin(from, content, time) {
            self.tell_unanswered(&oldest, time, out);
        }
    }

    /// The transaction at hand; a new one if its MAIL was not seen.
    pub(super) fn ensure_mail(&mut self, time: Timestamp, out: &mut Out<'_>) -> Option<&mut Mail> {
        if self.mails.current().is_none() {
            self.begin_mail(None, time, out);
        }
        self.mails.current()
    }

    /// Bytes of a mail that DATA sends.
    pub(super) fn mail_data(
        &mut self,
        mut scan: Scan,
        rest: &[u8],
        input: &Input<'_>,
        out: &mut Out<'_>,
    ) -> Step {
        let Some(mail) = self.mails.current() else {
            self.client.mode = Mode::Lost;
            return Step::Took(0);
        };
        // A reply that waits may be about an end in any line.
        let line = self.server.waiting.and_then(|_| memchr(b'\n', rest));
        let rest = line.and_then(|at| rest.get(..=at)).unwrap_or(rest);
        let (scanned, ended) = scan.scan(rest, &mut mail.content);
        if !mail.content.is_unread() {
            mail.lines.push(rest.get(..scanned).unwrap_or_default());
        }
        self.client.mode = Mode::Data(scan);
        if ended {
            self.end_content();
        }
        self.piece(scanned, ended, input.time, out);
        if ended {
            self.end_data(input.time, out);
        }
        Step::Took(scanned)
    }

    /// Bytes of a chunk.
    pub(super) fn chunk(
        &mut self,
        left: u64,
        last: bool,
        rest: &[u8],
        input: &Input<'_>,
        out: &mut Out<'_>,
    ) -> Step {
        let taken = usize::try_from(left).map_or(rest.len(), |left| left.min(rest.len()));
        let left = left - taken as u64;
        self.client.mode = Mode::Chunk { left, last };
        let mut idle = true;
        if let Some(mail) = self.mails.current() {
            mail.content.push(rest.get(..taken).unwrap_or_default());
            idle = mail.content.is_idle();
        }
        let ended = left == 0 && last;
        if ended {
            self.end_content();
        }
        self.piece(taken, ended, input.time, out);
        if left == 0 {
            self.end_chunk(last, input.time, out);
        } else if idle && !out.settings.pieces {
            return Step::Skip(left);
        }
        Step::Took(taken)
    }

    /// Bytes of a chunk have passed that nobody looked at.
    pub(super) fn chunk_skipped(&mut self, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        let Mode::Chunk { left, last } = self.client.mode else { return };
        let bytes = bytes.min(left);
        self.client.moved = true;
        if let Some(mail) = self.mails.current() {
            mail.content.count(bytes);
        }
        self.client.mode = Mode::Chunk { left: left - bytes, last };
        if bytes == left {
            self.end_chunk(last, time, out);
        }
    }

    /// A chunk has passed.
    pub(super) fn end_chunk(&mut self, last: bool, time: Timestamp, out: &mut Out<'_>) {
        self.client.mode = Mode::Command;
        if last {
            self.end_content();
            self.end_mail(time, out);
        }
    }

    /// The line with the dot has passed.
    fn end_data(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.client.mode = Mode::Command;
        if let Some(id) = self.end_mail(time, out) {
            self.queue.push(Kind::Final(id), time, None);
        }
    }

    /// The data has ended in bytes that are missing: the server answered it.
    pub(super) fn data_ended_unseen(&mut self, time: Timestamp, out: &mut Out<'_>) {
        self.end_content();
        self.end_data(time, out);
        self.client.mode = Mode::Lost;
    }

    /// The server took an end that is none by the rules.
    pub(super) fn data_ended_oddly(&mut self, dot: u64, time: Timestamp, out: &mut Out<'_>) {
        if let Some(mail) = self.mails.current() {
            mail.content.take_back(dot);
        }
        self.end_content();
        self.end_data(time, out);
    }

    /// The mail's data is over: tells of what was odd about it.
    fn end_mail(&mut self, time: Timestamp, out: &mut Out<'_>) -> Option<MailId> {
        let mail = self.mails.current()?;
        mail.ended = true;
        mail.tell_odd(time, out);
        self.mails.current.take()
    }

    fn end_content(&mut self) {
        if let Some(mail) = self.mails.current() {
            mail.content.end();
        }
    }

    /// Bytes of the mail at hand are missing.
    pub(super) fn mail_gap(&mut self, bytes: u64) {
        if let Some(mail) = self.mails.current() {
            mail.missing(bytes);
        }
    }

    /// Tells of a piece of a mail's data, for the segments view.
    fn piece(&mut self, bytes: usize, ended: bool, time: Timestamp, out: &mut Out<'_>) {
        if !out.settings.pieces || bytes == 0 {
            return;
        }
        let smtp = DataObject { data: PieceFields { bytes: bytes as u64 } };
        let mail = self.mails.current().filter(|mail| ended && !mail.content.is_unread());
        let mail = mail.filter(|_| !out.settings.headless);
        let headline = mail.map(|mail| mail.content.headline());
        let data = smtp::Data { smtp, headline };
        out.emit(Side::Client, time, Message::SmtpData(data));
    }
}
