//! Goes through bodies to the ends of messages, and shows what was asked for.

use super::{Http, content::Content, half::State};
use crate::{
    decode::Out,
    event::{
        Message, Side, Timestamp,
        http::{BodyShown, Ended},
    },
};

impl Http {
    /// Bytes passed that nobody read.
    pub(super) fn pass(&mut self, side: Side, bytes: u64, time: Timestamp, out: &mut Out<'_>) {
        let half = self.half(side);
        if let State::BodyUnlessHead(body) = half.state {
            half.state = State::Body(body);
        }
        match &mut half.state {
            State::Opaque => {}
            State::Undecided { lost } => *lost = true,
            State::Body(body) => {
                let fits = body.pass(bytes);
                let complete = body.is_complete();
                if let Some(content) = half.content.as_mut().filter(|_| fits) {
                    content.pass(bytes);
                    content.latest = time;
                }
                match (fits, complete) {
                    (false, _) => self.lose(side, time, out),
                    (true, true) => self.message_ends(side, time, out),
                    (true, false) => self.show(side, false, time, out),
                }
            }
            State::Head(_)
            | State::Simple(_)
            | State::Rest(_)
            | State::Lost(_)
            | State::BodyUnlessHead(_) => {
                self.lose(side, time, out);
            }
        }
    }

    /// Behind a whole message.
    pub(super) fn message_ends(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        self.content_ends(side, Ended::Whole, time, out);
        self.half(side).state = if side == Side::Client && self.undecided {
            State::Undecided { lost: false }
        } else {
            State::default()
        };
    }

    /// The message at hand, if there is one, has no more content.
    pub(super) fn content_ends(
        &mut self,
        side: Side,
        ended: Ended,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        let nothing_kept = self.records.is_empty();
        let content = &mut self.half(side).content;
        if nothing_kept && content.as_ref().is_some_and(|content| !content.is_rare()) {
            *content = None;
        }
        let Some(content) = content else { return };
        let trailer = content.read_trailer(out.settings.show_secrets);
        self.tell_content(side, time, out);
        self.show(side, true, time, out);
        if let Some(content) = self.half(side).content.take() {
            self.records.ends(side, &content, trailer, ended);
        }
        self.records.tell_complete(self.counted.early, time, out);
    }

    /// Tells of what was wrong with the content so far.
    pub(super) fn tell_content(&mut self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        let content = self.half(side).content.as_mut();
        if let Some((mut odd, told)) = content.and_then(Content::take_odd) {
            odd.tell_new(told, side, time, out);
        }
    }

    /// Shows the body once what is shown of it is complete.
    pub(super) fn show(&mut self, side: Side, end: bool, time: Timestamp, out: &mut Out<'_>) {
        let settings = out.settings;
        let content = self.half(side).content.as_mut();
        let Some(body) = content.and_then(|content| content.take_shown(end, settings)) else {
            return;
        };
        out.emit(side, time, Message::HttpBody(BodyShown::new(side, body.clone())));
        self.records.body(side, body);
    }
}
