//! HTTP as browsers and nginx speak it.

use anyhow::Result;
use tests::{conversation::Conversation, packet::Packet};
use tracer::event::Side;

use super::{
    Pcap,
    client::{self, close},
    mixer::{Script, mix},
};
use crate::figures::Random;

/// Connections at a time.
const CONNECTIONS: u64 = 100;

/// Exchanges of a connection that is kept, which is nginx's usual limit of
/// requests divided by ten: browsers close earlier.
const KEPT: u64 = 100;

/// One in so many connections is for a single exchange.
const SINGLE: usize = 8;

const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "curl/8.5.0",
];

/// What is asked for, and what it is.
const DOCUMENTS: [(&str, &str); 5] = [
    ("/", "text/html"),
    ("/css/site.css?v=17", "text/css"),
    ("/js/app.min.js", "application/javascript"),
    ("/api/v1/items?page=3&sort=name", "application/json"),
    ("/images/logo-small.svg", "image/svg+xml"),
];

/// Small exchanges, most on connections that are kept.
pub(super) fn small(exchanges: u64, pcap: &mut Pcap) -> Result<()> {
    let scripts = (0..CONNECTIONS).map(|number| {
        let share = exchanges / CONNECTIONS + u64::from(number < exchanges % CONNECTIONS);
        Small { number, connections: 0, left: share, open: None, random: Random(number) }
    });
    mix(scripts.collect(), pcap)
}

/// A client: one connection after the other.
struct Small {
    number: u64,
    connections: u64,
    /// Exchanges that are still to come.
    left: u64,
    /// The connection, and exchanges that it is still good for.
    open: Option<(Conversation, u64)>,
    random: Random,
}

impl Script for Small {
    fn next(&mut self, clock: u32) -> Option<Vec<Packet>> {
        let Some((mut conversation, good_for)) = self.open.take() else {
            if self.left == 0 {
                return None;
            }
            let mut conversation = self.connect();
            let packets = conversation.open(clock).to_vec();
            let single = self.random.below(SINGLE) == 0;
            let good_for = if single { 1 } else { KEPT.min(self.left) };
            self.open = Some((conversation, good_for));
            return Some(packets);
        };
        if good_for == 0 {
            return Some(close(&mut conversation, clock));
        }
        self.left -= 1;
        let mut packets = Vec::with_capacity(4);
        let (request, response) = self.exchange(good_for == 1);
        packets.push(conversation.say(Side::Client, clock, request));
        packets.push(conversation.say(Side::Server, clock, response));
        packets.push(conversation.ack(Side::Client, clock));
        self.open = Some((conversation, good_for - 1));
        Some(packets)
    }
}

impl Small {
    fn connect(&mut self) -> Conversation {
        self.connections += 1;
        client::connect(self.number, self.connections, 80, &mut self.random)
    }

    /// A request and its answer.
    fn exchange(&mut self, last: bool) -> (String, String) {
        let agent = self.random.pick(&AGENTS).copied().unwrap_or_default();
        let (path, kind) = self.random.pick(&DOCUMENTS).copied().unwrap_or_default();
        let connection = if last { "close" } else { "keep-alive" };
        let common = format!(
            "Host: www.example.test\r\nUser-Agent: {agent}\r\n\
             Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n\
             Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\n\
             Connection: {connection}\r\n"
        );
        let answer = "Server: nginx/1.22.1\r\nDate: Thu, 01 Jan 2026 10:00:00 GMT\r\n";
        match self.random.below(10) {
            // A form that is sent.
            0 => (
                format!(
                    "POST /cart/add HTTP/1.1\r\n{common}\
                     Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 27\r\n\r\n\
                     item=4711&quantity=2&go=now"
                ),
                format!(
                    "HTTP/1.1 302 Found\r\n{answer}Content-Type: text/html\r\n\
                     Content-Length: 0\r\nConnection: {connection}\r\nLocation: /cart\r\n\r\n"
                ),
            ),
            // What the browser has already.
            1 => (
                format!(
                    "GET {path} HTTP/1.1\r\n{common}If-None-Match: \"669e1b2c-c8\"\r\n\
                     If-Modified-Since: Mon, 22 Jul 2024 08:41:16 GMT\r\n\r\n"
                ),
                format!(
                    "HTTP/1.1 304 Not Modified\r\n{answer}\
                     Last-Modified: Mon, 22 Jul 2024 08:41:16 GMT\r\n\
                     Connection: {connection}\r\nETag: \"669e1b2c-c8\"\r\n\r\n"
                ),
            ),
            _ => {
                let len = 100 + self.random.below(200);
                let body = "a line of what was asked for\n".repeat(len / 29 + 1);
                let body = body.get(..len).unwrap_or_default();
                (
                    format!(
                        "GET {path} HTTP/1.1\r\n{common}Referer: http://www.example.test/\r\n\
                         Cookie: session=c0ffee5e5510; theme=dark\r\n\r\n"
                    ),
                    format!(
                        "HTTP/1.1 200 OK\r\n{answer}Content-Type: {kind}\r\n\
                         Content-Length: {len}\r\n\
                         Last-Modified: Mon, 22 Jul 2024 08:41:16 GMT\r\n\
                         Connection: {connection}\r\nETag: \"669e1b2c-c8\"\r\n\
                         Accept-Ranges: bytes\r\n\r\n{body}"
                    ),
                )
            }
        }
    }
}
