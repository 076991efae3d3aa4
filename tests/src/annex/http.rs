//! A user looks at the inbox and sends a mail with the webmail.

use super::{Client, Conversation, Packet, Server, TICK_TIME, end};

/// The session. The webmail's token against forged requests is none: no rule of
/// redaction knows the field that it stands in, `X-Roundcube-Request`.
pub(super) const SECRETS: &[&str] =
    &["6h2k9v4m1q8s3t7u5w0x2y4z6a", "S5f1d3b7a9c2e4f6081a3c5e7092b4d6f8e0a1c3e"];

/// When the capture began: 26.265817 s before the segment whose time is known.
const BEGIN: u64 = TICK_TIME - 26_265_817;

const REFRESH: &str = "\
POST /roundcube/?_task=mail&_action=refresh HTTP/1.1\r
Host: 192.168.1.25\r
User-Agent: Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:49.0) Gecko/20100101 Firefox/49.0\r
Accept: application/json, text/javascript, */*; q=0.01\r
Accept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3\r
Accept-Encoding: gzip, deflate\r
Content-Type: application/x-www-form-urlencoded; charset=UTF-8\r
X-Roundcube-Request: 0f3c5d1e7a9b24680f3c5d1e7a9b2468\r
X-Requested-With: XMLHttpRequest\r
Referer: http://192.168.1.25/roundcube/?_task=mail&_mbox=INBOX\r
Content-Length: 86\r
Cookie: roundcube_sessid=6h2k9v4m1q8s3t7u5w0x2y4z6a; \
roundcube_sessauth=S5f1d3b7a9c2e4f6081a3c5e7092b4d6f8e0a1c3e\r
Connection: keep-alive\r
\r
_list=1&_mbox=INBOX&_remote=1&_unlock=0&_quota=1&_folderlist=1&_uid=7&_last_check=1475";

const REFRESHED: &str = "\
HTTP/1.1 200 OK\r
Date: Fri, 30 Sep 2016 10:54:43 GMT\r
Server: Apache/2.4.18 (Ubuntu)\r
Expires: Fri, 30 Sep 2016 10:54:43 GMT\r
Last-Modified: Fri, 30 Sep 2016 10:54:43 GMT\r
Cache-Control: private, no-cache, no-store, must-revalidate\r
Pragma: no-cache\r
X-Frame-Options: sameorigin\r
Content-Length: 90\r
Keep-Alive: timeout=5, max=100\r
Connection: Keep-Alive\r
Content-Type: text/plain;charset=UTF-8\r
\r
{\"action\":\"refresh\",\"unlock\":0,\"exec\":\"this.set_unread_count(\\\"INBOX\\\",6,true,\\\"\\\");\\n\\n\"}";

const SEND: &str = "\
POST /roundcube/?_task=mail&_unlock=loading1475232887448&lang=en&_framed=1 HTTP/1.1\r
Host: 192.168.1.25\r
User-Agent: Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:49.0) Gecko/20100101 Firefox/49.0\r
Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r
Accept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3\r
Accept-Encoding: gzip, deflate\r
Referer: http://192.168.1.25/roundcube/?_task=mail&_action=compose\r
Content-Type: application/x-www-form-urlencoded\r
Content-Length: 349\r
Cookie: roundcube_sessid=6h2k9v4m1q8s3t7u5w0x2y4z6a; \
roundcube_sessauth=S5f1d3b7a9c2e4f6081a3c5e7092b4d6f8e0a1c3e\r
Connection: keep-alive\r
Upgrade-Insecure-Requests: 1\r
\r
_token=0f3c5d1e7a9b24680f3c5d1e7a9b2468&_task=mail&_action=send&_from=1\
&_to=utilisateur%40localhost&_cc=&_bcc=&_subject=Re%3A+Test+webmail&_priority=0\
&_message=Bien+recu%2C+merci.%0D%0ALe+message+est+arrive+en+moins+de+dix+s.%0D%0AEdouard\
&_draft_saveid=&_attachments=&_is_html=0&_framed=1&_store_target=Sent&_dsn=0&_mdn=0\
&_mailbox=INBOX&_attachcnt=0";

/// The packets: one of another connection, with which the capture began, then
/// the handshake and what followed.
pub(super) fn packets() -> Vec<(u64, Packet)> {
    const CLIENT_PORT: u16 = 49_240;
    let mut other = Conversation::new(end(38_022), end(22)).open_since(11_565_200);
    let mut talk = Conversation::new(end(CLIENT_PORT), end(80));
    let mut seen = vec![(BEGIN, other.say(Client, 11_565_264, "an encrypted packet"))];
    let mut push = |micros: u64, packet: Packet| seen.push((BEGIN + micros, packet));

    for (micros, packet) in (22_337_150..).step_by(11).zip(talk.open(11_570_848)) {
        push(micros, packet);
    }
    push(22_337_218, talk.say(Client, 11_570_848, REFRESH));
    push(22_337_243, talk.window(Server, 354).ack(Server, 11_570_848));
    push(22_345_876, talk.say(Server, 11_570_850, REFRESHED));
    push(22_345_892, talk.window(Client, 350).ack(Client, 11_570_850));
    push(26_265_817, talk.say(Client, 11_571_830, SEND));
    push(26_302_530, talk.window(Server, 370).ack(Server, 11_571_840));
    seen
}
