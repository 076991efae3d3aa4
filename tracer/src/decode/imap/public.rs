//! How much of a response may be shown: what it may quote of what the client
//! said.

use super::{
    Imap,
    client::{Expect, Question},
    command::{Head, Kind as Command},
    mail,
    message::Parts,
    pending::Tag,
    response::{Kind, Line},
};
use crate::decode::Settings;

impl Imap {
    /// Whether bytes wait that the client sent without leave, and that a refusal
    /// makes lines of: what was asked for may be a secret.
    fn holds_back_secret(&self, question: Question) -> bool {
        let asks = match question {
            Question::Sasl => true,
            Question::Literal(_) => Head::parse(self.client.message.parts().line, false)
                .is_none_or(|head| head.kind.is_none_or(|kind| kind != Command::Other)),
            Question::Upgrade => false,
        };
        asks && self.looked > 0
    }

    /// Whether a response is to something that was seen.
    pub(super) fn is_awaited(&self, line: &Line<'_>, tag: Tag) -> bool {
        let asked = match self.expect.asked() {
            Some((_, question)) if self.holds_back_secret(question) => return false,
            asked => asked.map(|(tag, _)| tag),
        };
        // The response that is refused may be missing.
        let unheard = self.authentication.as_ref().is_some_and(|authentication| {
            authentication.tag == tag
                && (!authentication.heard || matches!(self.expect, Expect::Sasl))
        });
        match line.kind {
            Kind::Tagged if unheard => false,
            Kind::Tagged => self.pending.has_whole(tag) || asked == Some(tag),
            _ if line.status == Some("BAD") => self.pending.any_whole() || asked.is_some(),
            Kind::Untagged | Kind::Continuation => true,
        }
    }

    /// How many bytes of a response are to be shown: those that may be, as far as
    /// the operator wants to know.
    pub(super) fn public(
        &self,
        line: &Line<'_>,
        parts: Parts<'_>,
        known: bool,
        settings: &Settings,
    ) -> usize {
        let whole = parts.line.len();
        let public = if settings.show_secrets { whole } else { self.quoteless(line, parts, known) };
        if settings.envelope { public.min(mail::outside(line, parts.line)) } else { public }
    }

    /// How many bytes of a response give no secret away. Text for humans may quote
    /// what the client sent: values that were replaced, and what stood in bytes
    /// that were not read. `known` tells that nothing of the latter is refused.
    fn quoteless(&self, line: &Line<'_>, parts: Parts<'_>, known: bool) -> usize {
        let length = parts.line.len();
        if line.status.is_none() && line.kind != Kind::Continuation {
            return length;
        }
        let refuses = matches!(line.status, Some("NO" | "BAD"));
        let quotes = |at: usize| self.secrets.quoted_in(parts.line.get(at..).unwrap_or_default());
        let odd = line.status == Some("BAD") || memchr::memchr(b']', line.tag).is_some();
        if !known && line.kind == Kind::Tagged && refuses && odd {
            // Servers take the first word of any line for the tag; and the end
            // of a code looks like one behind a late start.
            0
        } else if parts.cut && !self.secrets.is_empty() {
            line.rest
        } else if quotes(line.rest) {
            if line.code.is_some_and(|code| self.secrets.quoted_in(code)) {
                line.rest
            } else {
                line.text
            }
        } else if refuses && (self.secrets.vague || !known) {
            let is_word = |byte: &u8| byte.is_ascii_uppercase() || *byte == b'-';
            if line.code.is_some_and(|code| !code.iter().all(is_word)) {
                line.rest
            } else {
                line.text
            }
        } else {
            length
        }
    }
}
