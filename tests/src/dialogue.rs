//! Dialogues of the three protocols, apart from how they are cut.

use tracer::event::Side::{self, Client, Server};

/// What the two ends of one connection say to each other.
#[derive(Clone, Debug)]
pub struct Dialogue {
    /// What it is about.
    pub name: String,
    /// The server's port.
    pub port: u16,
    /// Who says what.
    pub steps: Vec<(Side, Vec<u8>)>,
    /// Events that are expected of it, by `event.action`.
    pub actions: Vec<&'static str>,
}

fn dialogue(
    name: &str,
    port: u16,
    steps: &[(Side, &str)],
    actions: &[(&'static str, usize)],
) -> Dialogue {
    Dialogue {
        name: name.to_owned(),
        port,
        steps: steps.iter().map(|(side, text)| (*side, text.as_bytes().to_vec())).collect(),
        actions: actions.iter().flat_map(|(action, times)| vec![*action; *times]).collect(),
    }
}

/// All dialogues; the events of each are counted, in no order.
pub fn all() -> Vec<Dialogue> {
    vec![http_pipelined(), http_until_close(), smtp_pipelined(), imap_literals(), imap_idle()]
}

fn http_pipelined() -> Dialogue {
    dialogue(
        "pipelined requests, chunked, without body, and asked to go on",
        80,
        &[
            (
                Client,
                "GET /one HTTP/1.1\r\nHost: h\r\n\r\n\
                 HEAD /two HTTP/1.1\r\nHost: h\r\n\r\n\
                 POST /three HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
                 5;why=not\r\nhello\r\n0\r\nX-Trailer: yes\r\n\r\n",
            ),
            (
                Server,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n\
                 8\r\nGET / HT\r\n3\r\nTP/\r\n0\r\n\r\n\
                 HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n\
                 HTTP/1.1 204 No Content\r\n\r\n",
            ),
            (
                Client,
                "POST /four HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
            ),
            (Server, "HTTP/1.1 100 Continue\r\n\r\n"),
            (Client, "GET /not\r\n"),
            (Server, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\nETag: \"x\"\r\n\r\n"),
        ],
        &[("http-request", 4), ("http-response", 5)],
    )
}

fn http_until_close() -> Dialogue {
    dialogue(
        "a body that ends with the connection",
        80,
        &[
            (Client, "GET / HTTP/1.0\r\n\r\n"),
            (Server, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nHTTP/1.1 500 No\r\n\r\n"),
        ],
        &[("http-request", 1), ("http-response", 1)],
    )
}

fn smtp_pipelined() -> Dialogue {
    dialogue(
        "two mails with pipelining, dots and commands in the text",
        25,
        &[
            (Server, "220 mx.example ESMTP\r\n"),
            (Client, "EHLO client.example\r\n"),
            (Server, "250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n"),
            (
                Client,
                "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n\
                 RCPT TO:<nobody@example.org>\r\nDATA\r\n",
            ),
            (Server, "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550 5.1.1 No such user\r\n354 Go on\r\n"),
            (
                Client,
                "From: A <a@example.org>\r\nTo: b@example.org\r\nSubject: =?utf-8?q?caf=C3=A9?=\r\n\
                 Message-ID: <1@example.org>\r\n\r\n\
                 QUIT\r\n..\r\n. \r\n.\r\n\
                 MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n",
            ),
            (
                Server,
                "250 2.0.0 Ok: queued as 4F1A2B3C4D\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 Go on\r\n",
            ),
            (Client, "Subject: bounce\r\n\r\n.\r\nQUIT\r\n"),
            (Server, "550 5.7.1 Refused\r\n221 2.0.0 Bye\r\n"),
        ],
        &[("smtp-command", 9), ("smtp-reply", 12), ("smtp-message", 2)],
    )
}

fn imap_literals() -> Dialogue {
    dialogue(
        "literals that look like lines, of both kinds, both ways",
        143,
        &[
            (Server, "* OK [CAPABILITY IMAP4rev1 LITERAL+] ready\r\n"),
            (Client, "a1 LOGIN {5}\r\n"),
            (Server, "+ go on\r\n"),
            (Client, "alice {6+}\r\nse\r\nat\r\n"),
            (Server, "a1 OK logged in\r\n"),
            (Client, "a2 UID FETCH 1:2 (BODY[])\r\na3 NOOP\r\n"),
            (
                Server,
                "* 1 FETCH (UID 7 BODY[] {29}\r\nSubject: x\r\n\r\na2 OK fake\r\n+\r\n FLAGS (\\Seen))\r\n\
                 * 2 FETCH (UID 8 BODY[] {0}\r\n)\r\na2 OK done\r\na3 OK nothing\r\n",
            ),
            (Client, "a4 APPEND \"Sent items\" (\\Seen) {14+}\r\nSubject: y\r\n\r\n\r\n"),
            (Server, "a4 OK [APPENDUID 38505 3955] done\r\n"),
            (Client, "a5 LOGOUT\r\n"),
            (Server, "* BYE see you\r\na5 OK done\r\n"),
        ],
        &[("imap-command", 5), ("imap-response", 10)],
    )
}

fn imap_idle() -> Dialogue {
    dialogue(
        "idling",
        143,
        &[
            (Server, "* PREAUTH ready\r\n"),
            (Client, "i1 IDLE\r\n"),
            (Server, "+ idling\r\n"),
            (Server, "* 4 EXISTS\r\n"),
            (Client, "DONE\r\n"),
            (Server, "i1 OK done\r\n"),
            (Client, "i2 LOGOUT\r\n"),
            (Server, "* BYE\r\ni2 OK\r\n"),
        ],
        &[("imap-response", 6)],
    )
}
