//! Webmails at their IMAP server.

use std::fmt::Write as _;

use anyhow::Result;
use tests::{conversation::Conversation, packet::Packet};
use tracer::event::Side;

use super::{
    Pcap,
    client::{self, close, say},
    mail,
    mixer::{Script, mix},
};
use crate::figures::Random;

/// Connections at a time.
const CONNECTIONS: u64 = 20;

/// Commands of a session between LOGIN and LOGOUT.
const COMMANDS: usize = 30;

/// Sessions with so many commands in all.
pub(super) fn write(commands: u64, pcap: &mut Pcap) -> Result<()> {
    let scripts = (0..CONNECTIONS).map(|number| {
        let left = commands / CONNECTIONS + u64::from(number < commands % CONNECTIONS);
        Webmail { number, connections: 0, left, open: None, random: Random(number) }
    });
    mix(scripts.collect(), pcap)
}

struct Webmail {
    number: u64,
    connections: u64,
    /// Commands that are still to be given.
    left: u64,
    open: Option<Session>,
    random: Random,
}

struct Session {
    conversation: Conversation,
    /// Number of the last command, which its tag has.
    tag: u64,
    /// Commands that are still to be given, the LOGOUT with them.
    left: u64,
}

impl Script for Webmail {
    fn next(&mut self, clock: u32) -> Option<Vec<Packet>> {
        let Some(mut session) = self.open.take() else { return self.connect(clock) };
        if session.left == 0 {
            return Some(close(&mut session.conversation, clock));
        }
        self.left -= 1;
        session.left -= 1;
        session.tag += 1;
        let tag = format!("A{:04}", session.tag);
        let said = match (session.tag, session.left) {
            (_, 0) => exchange(&tag, "LOGOUT", "* BYE Logging out\r\n", "Logout"),
            (1, _) => {
                let command = format!("LOGIN user{}@example.test sesame", self.number);
                exchange(&tag, &command, "", "[CAPABILITY IMAP4rev1 IDLE] Login")
            }
            _ => self.command(&tag),
        };
        let mut packets = Vec::new();
        for (side, text) in said {
            packets.extend(say(&mut session.conversation, side, clock, text));
        }
        self.open = Some(session);
        Some(packets)
    }
}

impl Webmail {
    fn connect(&mut self, clock: u32) -> Option<Vec<Packet>> {
        if self.left == 0 {
            return None;
        }
        self.connections += 1;
        let mut conversation =
            client::connect(self.number, self.connections, 143, &mut self.random);
        let mut packets = conversation.open(clock).to_vec();
        let greeting = "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE \
                        LITERAL+ AUTH=PLAIN] Dovecot (Debian) ready.\r\n";
        packets.extend(say(&mut conversation, Side::Server, clock, greeting));
        let left = self.left.min(2 + self.random.below(2 * COMMANDS) as u64);
        self.open = Some(Session { conversation, tag: 0, left });
        Some(packets)
    }

    /// What a webmail asks for, the more often the more often it comes.
    fn command(&mut self, tag: &str) -> Vec<(Side, String)> {
        let uid = 1 + self.random.below(9000);
        match self.random.below(10) {
            0 => exchange(
                tag,
                "SELECT INBOX",
                "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r\n\
                 * OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] \
                 Flags permitted.\r\n* 42 EXISTS\r\n* 1 RECENT\r\n\
                 * OK [UIDVALIDITY 1479900000] UIDs valid\r\n* OK [UIDNEXT 9001] Predicted\r\n",
                "[READ-WRITE] Select",
            ),
            1 => exchange(
                tag,
                "LIST \"\" \"*\"",
                "* LIST (\\HasNoChildren \\Drafts) \".\" Drafts\r\n\
                 * LIST (\\HasNoChildren \\Sent) \".\" Sent\r\n\
                 * LIST (\\HasNoChildren) \".\" INBOX\r\n",
                "List",
            ),
            2 => exchange(tag, "NOOP", "", "NOOP"),
            3 => exchange(
                tag,
                &format!("UID STORE {uid} +FLAGS (\\Seen)"),
                &format!("* 17 FETCH (UID {uid} FLAGS (\\Seen))\r\n"),
                "Store",
            ),
            4 => {
                let mail = mail::mail(&mut self.random);
                let command = format!("APPEND Sent (\\Seen) {{{}}}", mail.len());
                vec![
                    (Side::Client, format!("{tag} {command}\r\n")),
                    (Side::Server, "+ OK\r\n".to_owned()),
                    (Side::Client, format!("{mail}\r\n")),
                    (
                        Side::Server,
                        format!("{tag} OK [APPENDUID 1479900000 {uid}] Append completed.\r\n"),
                    ),
                ]
            }
            5 | 6 => {
                let mail = mail::mail(&mut self.random);
                exchange(
                    tag,
                    &format!("UID FETCH {uid} (BODY.PEEK[])"),
                    &format!("* 17 FETCH (UID {uid} BODY[] {{{}}}\r\n{mail})\r\n", mail.len()),
                    "Fetch",
                )
            }
            _ => {
                let mut flags = String::new();
                for message in 1..20 {
                    let uid = uid + message;
                    let _ = write!(flags, "* {message} FETCH (UID {uid} FLAGS (\\Seen))\r\n");
                }
                exchange(tag, &format!("UID FETCH {uid}:* (UID FLAGS)"), &flags, "Fetch")
            }
        }
    }
}

/// A command, what comes in between, and its completion.
fn exchange(tag: &str, command: &str, between: &str, completed: &str) -> Vec<(Side, String)> {
    vec![
        (Side::Client, format!("{tag} {command}\r\n")),
        (Side::Server, format!("{between}{tag} OK {completed} completed.\r\n")),
    ]
}
