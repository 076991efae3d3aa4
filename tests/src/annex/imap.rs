//! The webmail fetches mail: two connections, interleaved, both older than the
//! capture.

use super::{Client, Conversation, Packet, Server, Side, Ticked, end};

/// The passwords, as LOGIN sends them.
pub(super) const SECRETS: &[&str] = &["1234", "fauxmotdepasse!"];

const LOGGED_IN: &str = "A00001 OK [CAPABILITY IMAP4rev1 LITERAL+ SASL-IR LOGIN-REFERRALS ID \
    ENABLE IDLE SORT SORT=DISPLAY THREAD=REFERENCES THREAD=REFS THREAD=ORDEREDSUBJECT MULTIAPPEND \
    URL-PARTIAL CATENATE UNSELECT CHILDREN NAMESPACE UIDPLUS LIST-EXTENDED I18NLEVEL=1 CONDSTORE \
    QRESYNC ESEARCH ESORT SEARCHRES WITHIN CONTEXT=SEARCH LIST-STATUS BINARY MOVE SPECIAL-USE] \
    Logged in\r\n";

const LIST: &str = "LIST \"\" \"*\" RETURN (CHILDREN SUBSCRIBED STATUS (MESSAGES UNSEEN \
    UIDVALIDITY UIDNEXT HIGHESTMODSEQ) SPECIAL-USE)\r\n";

const STATUS: &str = "STATUS INBOX (MESSAGES UNSEEN UIDVALIDITY UIDNEXT HIGHESTMODSEQ)\r\n";

const INBOX_OF_SIX: &str =
    "* STATUS INBOX (MESSAGES 7 UIDNEXT 8 UIDVALIDITY 1474293589 UNSEEN 6 HIGHESTMODSEQ 5)\r\n";

const INBOX_OF_ONE: &str =
    "* STATUS INBOX (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1474294051 UNSEEN 0 HIGHESTMODSEQ 3)\r\n";

const SENT: &str =
    "* STATUS Sent (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 1474294053 UNSEEN 0 HIGHESTMODSEQ 3)\r\n";

const SELECTED: &str = "\
* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)\r
* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft \\*)] Flags permitted.\r
* 7 EXISTS\r
* 1 RECENT\r
* OK [UNSEEN 2] First unseen.\r
* OK [UIDVALIDITY 1474293589] UIDs valid\r
* OK [UIDNEXT 8] Predicted next UID\r
* OK [HIGHESTMODSEQ 5] Highest\r
A00007 OK [READ-WRITE] Select completed (0.000 + 0.000 secs).\r
";

/// 668 bytes.
const HEADER: &str = "\
Return-Path: <edouard@smtp.domaineel.rt>\r
X-Original-To: utilisateur@localhost\r
Delivered-To: utilisateur@localhost\r
Received: from smtp.domaineel.rt (localhost [127.0.0.1])\r
\tby smtp.domaineel.rt (Postfix) with ESMTP id 3C1A078032A\r
\tfor <utilisateur@localhost>; Fri, 30 Sep 2016 12:51:02 +0200 (CEST)\r
MIME-Version: 1.0\r
Content-Type: text/plain; charset=US-ASCII; format=flowed\r
Content-Transfer-Encoding: 7bit\r
Date: Fri, 30 Sep 2016 12:51:02 +0200\r
From: Edouard <edouard@smtp.domaineel.rt>\r
To: utilisateur@localhost\r
Subject: Test webmail\r
Message-ID: <6d2c7b1f0e9a4@smtp.domaineel.rt>\r
X-Sender: edouard@smtp.domaineel.rt\r
User-Agent: Roundcube Webmail/1.2\r
\r
";

/// The two connections and what was seen of them.
struct Webmail {
    talks: [Conversation; 2],
    seen: Ticked,
}

/// Which connection, by the client's port.
#[derive(Clone, Copy)]
enum Port {
    P51150,
    P51152,
}

impl Webmail {
    fn say(&mut self, port: Port, side: Side, clock: u32, text: &str) {
        let [one, two] = &mut self.talks;
        let talk = if matches!(port, Port::P51150) { one } else { two };
        self.seen.push(clock, talk.say(side, clock, text));
    }

    fn ack(&mut self, port: Port, side: Side, clock: u32, window: u16) {
        let [one, two] = &mut self.talks;
        let talk = if matches!(port, Port::P51150) { one } else { two };
        self.seen.push(clock, talk.window(side, window).ack(side, clock));
    }
}

/// The packets, from the first LOGIN on.
pub(super) fn packets() -> Vec<(u64, Packet)> {
    use Port::{P51150, P51152};
    let completed =
        |tag: &str, what: &str| format!("{tag} OK {what} completed (0.000 + 0.000 secs).\r\n");
    let namespace = |tag: &str| {
        format!("* NAMESPACE ((\"\" \".\")) NIL NIL\r\n{tag} OK Namespace completed.\r\n")
    };
    let mut mail = Webmail {
        talks: [51_150, 51_152]
            .map(|port| Conversation::new(end(port), end(143)).open_since(11_582_640)),
        seen: Ticked::default(),
    };

    mail.say(P51150, Client, 11_582_648, "A00001 LOGIN utilisateur 1234\r\n");
    mail.ack(P51150, Server, 11_582_648, 342);
    mail.say(P51152, Client, 11_582_717, "A00001 LOGIN edouard fauxmotdepasse!\r\n");
    mail.say(P51152, Server, 11_582_727, LOGGED_IN);
    mail.ack(P51152, Client, 11_582_727, 350);
    mail.say(P51152, Client, 11_582_727, "A00002 NAMESPACE\r\n");
    mail.ack(P51152, Server, 11_582_727, 342);
    mail.say(P51152, Server, 11_582_727, &namespace("A00002"));
    mail.say(P51152, Client, 11_582_727, &format!("A00003 {LIST}"));
    mail.say(P51150, Server, 11_582_728, LOGGED_IN);
    mail.ack(P51150, Client, 11_582_728, 350);
    mail.say(P51150, Client, 11_582_728, "A00004 NAMESPACE\r\n");
    mail.ack(P51150, Server, 11_582_728, 342);
    mail.say(P51150, Server, 11_582_728, &namespace("A00004"));
    mail.say(P51150, Client, 11_582_728, &format!("A00005 {LIST}"));
    let boxes = format!(
        "* LIST (\\Subscribed \\HasNoChildren \\Sent) \".\" Sent\r\n{SENT}\
         * LIST (\\HasNoChildren) \".\" INBOX\r\n{INBOX_OF_ONE}{}",
        completed("A00005", "List")
    );
    mail.say(P51150, Server, 11_582_728, &boxes);
    mail.ack(P51152, Server, 11_582_737, 342);
    mail.ack(P51150, Client, 11_582_738, 359);
    let boxes = format!(
        "* LIST (\\HasNoChildren) \".\" INBOX\r\n{INBOX_OF_SIX}{}",
        completed("A00003", "List")
    );
    mail.say(P51152, Server, 11_582_828, &boxes);
    mail.ack(P51152, Client, 11_582_838, 359);

    mail.say(P51152, Client, 11_583_841, &format!("A00006 {STATUS}"));
    mail.ack(P51152, Server, 11_583_841, 342);
    let status = format!("{INBOX_OF_SIX}{}", completed("A00006", "Status"));
    mail.say(P51152, Server, 11_583_841, &status);
    mail.ack(P51152, Client, 11_583_841, 367);
    mail.say(P51152, Client, 11_583_841, "A00007 SELECT INBOX\r\n");
    mail.say(P51152, Server, 11_583_841, SELECTED);
    mail.say(P51152, Client, 11_583_841, "A00008 UID FETCH 7:* (UID FLAGS)\r\n");
    let flags = format!("* 7 FETCH (UID 7 FLAGS (\\Recent))\r\n{}", completed("A00008", "Fetch"));
    mail.say(P51152, Server, 11_583_841, &flags);
    let fetch = "A00009 UID FETCH 7 (RFC822.SIZE RFC822.HEADER FLAGS)\r\n";
    mail.say(P51152, Client, 11_583_841, fetch);
    mail.ack(P51152, Server, 11_583_851, 342);
    let header = format!(
        "* 7 FETCH (UID 7 RFC822.SIZE 685 FLAGS (\\Recent) RFC822.HEADER {{{}}}\r\n{HEADER})\r\n{}",
        HEADER.len(),
        completed("A00009", "Fetch")
    );
    mail.say(P51152, Server, 11_583_858, &header);
    mail.ack(P51152, Client, 11_583_868, 388);

    mail.say(P51150, Client, 11_583_944, &format!("A00010 {STATUS}"));
    let status = format!("{INBOX_OF_ONE}{}", completed("A00010", "Status"));
    mail.say(P51150, Server, 11_583_944, &status);
    mail.ack(P51150, Client, 11_583_944, 367);
    mail.seen.0
}
