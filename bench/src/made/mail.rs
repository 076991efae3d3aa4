//! Mails, as one server hands them to another.

use std::fmt::Write as _;

use anyhow::Result;
use tests::{conversation::Conversation, packet::Packet};
use tracer::event::Side;

use super::{
    Pcap,
    client::{self, close, say},
    mixer::{Script, mix},
};
use crate::figures::Random;

/// Connections at a time.
const CONNECTIONS: u64 = 20;

/// Most mails of a connection.
const MAILS: usize = 3;

/// Bytes of a mail, more or less.
const SIZE: usize = 4096;

/// Mails of about 4 KiB: text alone, text and HTML, with an attachment.
pub(super) fn write(mails: u64, pcap: &mut Pcap) -> Result<()> {
    send(mails, false, pcap)
}

/// The same without anything that is not in every client.
pub(super) fn plain(mails: u64, pcap: &mut Pcap) -> Result<()> {
    send(mails, true, pcap)
}

fn send(mails: u64, plain: bool, pcap: &mut Pcap) -> Result<()> {
    let scripts = (0..CONNECTIONS).map(|number| {
        let left = mails / CONNECTIONS + u64::from(number < mails % CONNECTIONS);
        Sender { number, connections: 0, left, plain, open: None, random: Random(number) }
    });
    mix(scripts.collect(), pcap)
}

/// A server that has mails to hand over.
struct Sender {
    number: u64,
    connections: u64,
    left: u64,
    plain: bool,
    /// The connection, mails that it is still good for, and whether the sender
    /// says all of an envelope at once (RFC 2920).
    open: Option<(Conversation, u64, bool)>,
    random: Random,
}

impl Script for Sender {
    fn next(&mut self, clock: u32) -> Option<Vec<Packet>> {
        let Some((mut conversation, good_for, pipelining)) = self.open.take() else {
            return self.greet(clock);
        };
        let conversation = &mut conversation;
        let mut packets = Vec::new();
        if good_for == 0 {
            packets.extend(say(conversation, Side::Client, clock, "QUIT\r\n"));
            packets.extend(say(conversation, Side::Server, clock, "221 2.0.0 Bye\r\n"));
            packets.extend(close(conversation, clock));
            return Some(packets);
        }
        self.left -= 1;
        let id = self.random.next();
        let space = if self.plain { " " } else { "" };
        let envelope = [
            format!("MAIL FROM:{space}<anna.{}@example.test> SIZE={SIZE}\r\n", id % 1000),
            format!("RCPT TO:{space}<bert.{}@example.net>\r\n", id % 777),
            "DATA\r\n".to_owned(),
        ];
        let replies =
            ["250 2.1.0 Ok\r\n", "250 2.1.5 Ok\r\n", "354 End data with <CR><LF>.<CR><LF>\r\n"];
        if pipelining {
            packets.extend(say(conversation, Side::Client, clock, envelope.concat()));
            packets.extend(say(conversation, Side::Server, clock, replies.concat()));
        } else {
            for (command, reply) in envelope.iter().zip(replies) {
                packets.extend(say(conversation, Side::Client, clock, command));
                packets.extend(say(conversation, Side::Server, clock, reply));
            }
        }
        let mut mail = mail(&mut self.random);
        mail.push_str(".\r\n");
        packets.extend(say(conversation, Side::Client, clock, mail));
        let queued = format!("250 2.0.0 Ok: queued as {:X}\r\n", id >> 20);
        packets.extend(say(conversation, Side::Server, clock, queued));
        self.open = Some((conversation.clone(), good_for - 1, pipelining));
        Some(packets)
    }
}

impl Sender {
    fn greet(&mut self, clock: u32) -> Option<Vec<Packet>> {
        if self.left == 0 {
            return None;
        }
        self.connections += 1;
        let mut conversation = client::connect(self.number, self.connections, 25, &mut self.random);
        let mut packets = conversation.open(clock).to_vec();
        for (side, text) in [
            (Side::Server, "220 mx.example.net ESMTP Postfix (Debian/GNU)\r\n"),
            (Side::Client, "EHLO mail.example.test\r\n"),
            (
                Side::Server,
                "250-mx.example.net\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-VRFY\r\n\
                 250-ETRN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n\
                 250-SMTPUTF8\r\n250 CHUNKING\r\n",
            ),
        ] {
            packets.extend(say(&mut conversation, side, clock, text));
        }
        let most = if self.plain { 1 } else { 1 + self.random.below(MAILS) as u64 };
        let good_for = self.left.min(most);
        let pipelining = !self.plain && self.random.below(2) == 0;
        self.open = Some((conversation, good_for, pipelining));
        Some(packets)
    }
}

/// A mail, without the dot that ends it.
pub(super) fn mail(random: &mut Random) -> String {
    let id = random.next();
    let mut mail = format!(
        "Received: from relay.example.test (relay.example.test [192.0.2.7])\r\n\
         \tby mail.example.test (Postfix) with ESMTP id {:X}\r\n\
         \tfor <bert@example.net>; Thu, 1 Jan 2026 10:00:00 +0000 (UTC)\r\n\
         Date: Thu, 1 Jan 2026 10:00:00 +0000\r\n\
         From: \"Anna Example\" <anna.{}@example.test>\r\n\
         To: Bert <bert.{}@example.net>, =?utf-8?q?Zo=C3=AB?= <zoe@example.net>\r\n\
         Subject: =?utf-8?q?Bericht_f=C3=BCr?= week {}\r\n\
         Message-ID: <{id:x}@mail.example.test>\r\n\
         User-Agent: Mozilla Thunderbird\r\nMIME-Version: 1.0\r\n",
        id >> 20,
        id % 1000,
        id % 777,
        id % 53,
    );
    match random.below(3) {
        0 => {
            mail.push_str(
                "Content-Type: text/plain; charset=UTF-8; format=flowed\r\n\
                 Content-Transfer-Encoding: 8bit\r\n\r\n",
            );
            lines(&mut mail, SIZE);
        }
        1 => {
            mail.push_str("Content-Type: multipart/alternative; boundary=\"b1\"\r\n\r\n");
            mail.push_str("--b1\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n");
            lines(&mut mail, SIZE / 2);
            mail.push_str("--b1\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<html><body>\r\n");
            lines(&mut mail, SIZE);
            mail.push_str("</body></html>\r\n--b1--\r\n");
        }
        _ => {
            mail.push_str("Content-Type: multipart/mixed; boundary=\"=_b2\"\r\n\r\n");
            mail.push_str("--=_b2\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\n");
            lines(&mut mail, SIZE / 2);
            mail.push_str(
                "--=_b2\r\nContent-Type: application/pdf; name=\"report.pdf\"\r\n\
                 Content-Disposition: attachment; filename=\"report.pdf\"\r\n\
                 Content-Transfer-Encoding: base64\r\n\r\n",
            );
            while mail.len() < SIZE {
                for _ in 0..4 {
                    let _ = write!(mail, "{:016x}", random.next());
                }
                mail.push_str("JVBERi0xLjQK\r\n");
            }
            mail.push_str("--=_b2--\r\n");
        }
    }
    mail
}

/// Text until the mail has that size.
fn lines(mail: &mut String, size: usize) {
    while mail.len() < size {
        mail.push_str("Dear all, these are the figures of the week, and what they mean to us.\r\n");
    }
}
