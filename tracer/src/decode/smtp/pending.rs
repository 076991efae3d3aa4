//! Commands that wait for their replies (RFC 2920: replies come in order).

use std::collections::VecDeque;

use super::mail::MailId;
use crate::event::Timestamp;

/// Commands of one connection that may wait for a reply. More than a client
/// can have in flight; it matters where the server's side was never seen.
const PENDING_LIMIT: usize = 1024;

/// Commands for which there is room while none waits.
const KEPT: usize = 1;

/// What a reply would be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// EHLO or LHLO, and HELO, which offers no extensions.
    Hello {
        /// Its reply lists extensions.
        extended: bool,
    },
    /// MAIL
    Mail(MailId),
    /// RCPT, and the recipient's index if it is kept.
    Rcpt(MailId, Option<u32>),
    /// DATA
    Data(Option<MailId>),
    /// A chunk of a mail that is not the last.
    Chunk(MailId),
    /// The end of a mail's data; BDAT … LAST.
    Final(MailId),
    /// AUTH, or a SASL response.
    Auth,
    /// STARTTLS
    StartTls,
    /// QUIT
    Quit,
    /// Any other command.
    Other,
    /// Bytes are missing here, and what commands stood in them is unknown.
    Missing,
}

impl Kind {
    /// Whether a reply with this code can be an answer.
    const fn takes(self, code: u16) -> bool {
        match self {
            Self::Data(_) => code == 354 || code >= 400,
            Self::Auth => code == 235 || code == 334 || code >= 400,
            Self::StartTls => code == 220 || code >= 400,
            Self::Quit => code == 221 || code >= 400,
            Self::Hello { .. }
            | Self::Mail(_)
            | Self::Rcpt(..)
            | Self::Chunk(_)
            | Self::Final(_)
            | Self::Other => code != 220 && code != 354 && code != 334,
            Self::Missing => false,
        }
    }

    /// The mail that a reply would be about, unless it is the final one.
    const fn transaction(self) -> Option<MailId> {
        match self {
            Self::Mail(id) | Self::Rcpt(id, _) | Self::Data(Some(id)) | Self::Chunk(id) => Some(id),
            _ => None,
        }
    }
}

/// A command that waits for its reply.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) kind: Kind,
    /// When the command was complete.
    pub(super) time: Timestamp,
    /// What was redacted in it: the reply must not tell.
    pub(super) secret: Option<Box<[u8]>>,
}

/// The commands in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Queue {
    commands: VecDeque<Pending>,
    /// So many commands at the front may have been answered by replies that
    /// are missing.
    unsure: usize,
    /// Bytes of all secrets.
    secrets: usize,
}

impl Queue {
    pub(super) fn push(&mut self, kind: Kind, time: Timestamp, secret: Option<&[u8]>) {
        if self.commands.len() >= PENDING_LIMIT {
            self.pop(0);
            self.missing_replies();
        }
        self.secrets += secret.map_or(0, <[u8]>::len);
        if self.commands.capacity() == 0 {
            // Many clients wait for each reply.
            self.commands.reserve_exact(1);
        }
        self.commands.push_back(Pending { kind, time, secret: secret.map(Box::from) });
    }

    /// Commands may be missing behind those that are here.
    pub(super) fn missing_commands(&mut self, time: Timestamp) {
        if self.commands.back().is_none_or(|last| last.kind != Kind::Missing) {
            self.push(Kind::Missing, time, None);
        }
    }

    /// Replies to commands that are here may be missing.
    pub(super) fn missing_replies(&mut self) {
        self.unsure = self.commands.len();
    }

    /// The index of the command that a reply with this code answers.
    pub(super) fn answered(&self, code: u16) -> Option<usize> {
        // A client that went on got the answers that are missing.
        let find = |is: fn(Kind) -> bool| {
            let mut found = (0..).zip(&self.commands).filter(|(_, command)| is(command.kind));
            let first = found.next().map(|(at, _)| at)?;
            if first >= self.unsure {
                return Some(first);
            }
            Some(found.map(|(at, _)| at).find(|at| *at >= self.unsure).unwrap_or(first))
        };
        // These codes say themselves what they answer.
        match code {
            354 => return find(|kind| matches!(kind, Kind::Data(_))),
            334 => return find(|kind| kind == Kind::Auth),
            221 => {
                if let Some(quit) = find(|kind| kind == Kind::Quit) {
                    return Some(quit);
                }
            }
            _ => {}
        }
        if self.unsure > 0 {
            return self.answered_in_doubt(code);
        }
        let missing = self.commands.front().is_some_and(|first| first.kind == Kind::Missing);
        let at = usize::from(missing);
        (self.commands.len() > at).then_some(at)
    }

    /// As above, where replies to the commands at the front may be missing.
    fn answered_in_doubt(&self, code: u16) -> Option<usize> {
        // A client that went on got its answers.
        let later = self.commands.iter().skip(self.unsure);
        if later.len() > 0 {
            let known = later.take_while(|command| command.kind != Kind::Missing).count();
            return (known > 0).then_some(self.unsure);
        }
        let mut takes =
            self.commands.iter().enumerate().filter(|(_, command)| command.kind.takes(code));
        let only = takes.next().map(|(at, _)| at);
        // One of several: nobody knows which.
        if takes.next().is_some() { None } else { only }
    }

    /// The command at an index.
    pub(super) fn peek(&self, at: usize) -> Option<&Pending> {
        self.commands.get(at)
    }

    /// Takes the command at an index; those before it will get no answer.
    pub(super) fn pop(&mut self, at: usize) -> Option<Pending> {
        self.unsure = self.unsure.saturating_sub(at + 1);
        let mut last = None;
        for _ in 0..=at {
            let Some(command) = self.commands.pop_front() else { break };
            self.secrets -= command.secret.as_ref().map_or(0, |secret| secret.len());
            last = Some(command);
        }
        if self.commands.is_empty() && self.commands.capacity() > KEPT {
            self.commands = VecDeque::new();
        }
        last
    }

    /// All secrets that a reply might quote.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &[u8]> {
        let any = if self.secrets > 0 { self.commands.len() } else { 0 };
        self.commands.iter().take(any).filter_map(|command| command.secret.as_deref())
    }

    /// Whether the reply that seems to answer the command at `answered` may
    /// as well answer one that nobody saw.
    pub(super) fn may_answer_missing(&self, answered: Option<usize>) -> bool {
        let is_auth = |at| self.peek(at).is_some_and(|command| command.kind == Kind::Auth);
        let from = answered.filter(|at| is_auth(*at)).unwrap_or(0);
        self.commands.iter().skip(from).any(|command| command.kind == Kind::Missing)
    }

    /// Whether replies to a mail's commands may still come.
    pub(super) fn is_open(&self, id: MailId) -> bool {
        self.commands.iter().any(|command| command.kind.transaction() == Some(id))
    }

    /// Whether the client sent commands behind the one at an index before the
    /// reply to that, which came at `time`, as far as can be known.
    pub(super) fn is_hurried(&self, at: usize, time: Timestamp) -> bool {
        let next = self.commands.get(at + 1).filter(|next| next.kind != Kind::Missing);
        self.unsure == 0 && next.is_some_and(|next| next.time < time)
    }

    /// The mails that commands behind the one at an index are about.
    pub(super) fn mails_behind(&self, at: usize) -> impl Iterator<Item = MailId> {
        self.commands.iter().skip(at + 1).filter_map(|command| match command.kind {
            Kind::Final(id) => Some(id),
            kind => kind.transaction(),
        })
    }

    /// Whether no command waits for its reply.
    pub(super) fn is_empty(&self) -> bool {
        self.commands.iter().all(|command| command.kind == Kind::Missing)
    }

    /// Bytes on the heap.
    pub(super) fn held(&self) -> usize {
        self.commands.capacity() * size_of::<Pending>() + self.secrets
    }
}
