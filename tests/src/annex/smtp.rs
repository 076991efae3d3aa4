//! The webmail hands a mail to the server.

use super::{Client, Conversation, Packet, Server, Ticked, end};

/// The password, and how SASL PLAIN sends it.
pub(super) const SECRETS: &[&str] = &["fauxmotdepasse!", "AGVkb3VhcmQAZmF1eG1vdGRlcGFzc2Uh"];

/// Beginning of the mail, which the webmail sent in two pieces.
const FRAGMENT: &str = "Message-ID: <20160930105630.5BE05780@smtp.domaineel.rt>\r\n";

const MAIL: &str = "\
MIME-Version: 1.0\r
Content-Type: text/plain; charset=US-ASCII;\r
\x20format=flowed\r
Content-Transfer-Encoding: 7bit\r
Date: Fri, 30 Sep 2016 12:56:30 +0200\r
Subject: Re: Test webmail\r
From: Edouard <edouard@smtp.domaineel.rt>\r
To: <utilisateur@localhost>\r
In-Reply-To: <6d2c7b1f0e9a4@smtp.domaineel.rt>\r
References: <6d2c7b1f0e9a4@smtp.domaineel.rt>\r
X-Sender: edouard@smtp.domaineel.rt\r
User-Agent: Roundcube Webmail/1.2\r
\r
On 2016-09-30 12:51, Utilisateur wrote:\r
> Test\r
\r
Bien recu, merci.\r
Le message est arrive en moins de dix s.\r
..\r
Edouard\r
.\r
";

const EXTENSIONS: &str = "\
250-smtp.domaineel.rt\r
250-PIPELINING\r
250-SIZE 10240000\r
250-VRFY\r
250-ETRN\r
250-STARTTLS\r
250-AUTH PLAIN LOGIN\r
250-ENHANCEDSTATUSCODES\r
250-8BITMIME\r
250 DSN\r
";

/// The packets, from the SYN to the last acknowledgement.
pub(super) fn packets() -> Vec<(u64, Packet)> {
    const CLIENT_PORT: u16 = 37_194;
    const OPEN: u32 = 11_595_112;
    const CLOSE: u32 = 11_597_856;
    let mut talk = Conversation::new(end(CLIENT_PORT), end(25));
    let mut seen = Ticked::default();
    for packet in talk.open(OPEN) {
        seen.push(OPEN, packet);
    }
    let mut line = |side, clock, text: &str, acknowledged: Option<(u32, u16)>| {
        seen.push(clock, talk.say(side, clock, text));
        if let Some((clock, window)) = acknowledged {
            seen.push(clock, talk.window(side.other(), window).ack(side.other(), clock));
        }
    };
    line(
        Server,
        11_595_225,
        "220 smtp.domaineel.rt ESMTP Postfix (Ubuntu)\r\n",
        Some((11_595_225, 342)),
    );
    line(Client, 11_595_225, "EHLO smtp.domaineel.rt\r\n", Some((11_595_225, 342)));
    line(Server, 11_595_225, EXTENSIONS, Some((11_595_235, 350)));
    line(
        Client,
        11_597_767,
        "AUTH PLAIN AGVkb3VhcmQAZmF1eG1vdGRlcGFzc2Uh\r\n",
        Some((11_597_777, 342)),
    );
    line(Server, 11_597_786, "235 2.7.0 Authentication successful\r\n", Some((11_597_786, 350)));
    line(Client, 11_597_786, "MAIL FROM:<edouard@smtp.domaineel.rt>\r\n", Some((11_597_786, 342)));
    line(Server, 11_597_786, "250 2.1.0 Ok\r\n", None);
    line(Client, 11_597_786, "RCPT TO:<utilisateur@localhost>\r\n", Some((11_597_796, 342)));
    line(Server, 11_597_808, "250 2.1.5 Ok\r\n", None);
    line(Client, 11_597_808, "DATA\r\n", Some((11_597_808, 342)));
    line(Server, 11_597_808, "354 End data with <CR><LF>.<CR><LF>\r\n", None);
    line(Client, 11_597_808, FRAGMENT, Some((11_597_818, 342)));
    line(Client, 11_597_818, MAIL, Some((11_597_818, 350)));
    line(Server, 11_597_856, "250 2.0.0 Ok: queued as 5BE0578032B\r\n", None);
    line(Client, 11_597_856, "QUIT\r\n", Some((11_597_856, 350)));
    line(Server, 11_597_856, "221 2.0.0 Bye\r\n", None);
    seen.push(CLOSE, talk.fin(Server, CLOSE));
    seen.push(CLOSE, talk.fin(Client, CLOSE));
    seen.push(CLOSE, talk.ack(Server, CLOSE));
    seen.0
}
