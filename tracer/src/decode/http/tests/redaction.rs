//! Secrets never come out, however the bytes are cut.
//!
//! Every secret here is the word `CANARY`.
use super::{PROTOCOL, say};
use crate::{
    decode::{
        Settings,
        testing::{Said, Step, client, run_cut, server},
    },
    event::Side,
};

fn shows_canary(said: &Said) -> bool {
    said.text.iter().any(|line| line.contains("CANARY"))
        || said.json.iter().any(|json| json.to_string().contains("CANARY"))
}

/// The canary is hidden, unless secrets are to be shown.
fn hidden(steps: &[Step]) {
    let said = say(steps);
    assert!(!shows_canary(&said), "{:?} {:?}", said.text, said.json);
    let settings = Settings { show_secrets: true, ..Settings::default() };
    assert!(shows_canary(&run_cut(&PROTOCOL, settings, steps)), "{steps:?}");
}

#[test]
fn secret_fields() {
    for name in [
        "Authorization",
        "PROXY-AUTHORIZATION",
        "Cookie",
        "X-Csrf-Token",
        "X-Api-Key",
        "client-secret",
    ] {
        hidden(&[client(format!("GET / HTTP/1.1\r\nHost: h\r\n{name}: Basic CANARY\r\n\r\n"))]);
        hidden(&[client(format!("GET / HTTP/1.1\r\nHost: h\r\n{name}: Basic\r\n CANARY\r\n\r\n"))]);
        hidden(&[client(format!("GET / HTTP/1.1\r\nHost: h\r\n{name} : CANARY\r\n\r\n"))]);
    }
    hidden(&[server("HTTP/1.1 200 OK\r\nSet-Cookie: a=CANARY; Path=/\r\n\r\n")]);
}

#[test]
fn secret_parts_of_targets() {
    for target in [
        "/?password=CANARY",
        "/?a=b&_pass=CANARY&c=d",
        "/?a=b;passwd=x;CANARY",
        "/?%70ass=CANARY",
        "/?Access_Token=CANARY%20x",
        "/?X-Goog-Signature=CANARY",
        "/?AWSAccessKeyId=CANARY&sig=CANARY",
        "/#token=CANARY",
        "/p;secret=CANARY/q",
        "/?next=%2Fin%3Fpassword%3DCANARY",
        "/?password=a b CANARY",
        "http://user:CANARY@example.org/",
        "//user:CANARY@example.org/",
        "/proxy?u=http://CANARY@example.org/",
    ] {
        hidden(&[client(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"))]);
        hidden(&[client(format!(
            "GET / HTTP/1.1\r\nHost: h\r\nReferer: http://h{target}\r\n\r\n"
        ))]);
        hidden(&[server(format!("HTTP/1.1 302 Found\r\nLocation: http://h/{target}\r\n\r\n"))]);
    }
    hidden(&[client("CONNECT user:CANARY@example.org:443 HTTP/1.1\r\nHost: h\r\n\r\n")]);
    hidden(&[client("GET / HTTP/1.1\r\nHost: h\r\nReferer: http://u:CANARY@h/\r\n\r\n")]);
    hidden(&[client("GET / HTTP/1.1\r\nHost: u:CANARY@h\r\n\r\n")]);
    hidden(&[server("HTTP/1.1 200 OK\r\nRefresh: 5; url=/?token=CANARY\r\n\r\n")]);
    hidden(&[server("HTTP/1.1 200 OK\r\nLink: <http://u:CANARY@h/?sig=CANARY>; rel=next\r\n\r\n")]);
}

#[test]
fn secret_cut_by_a_gap() {
    for head in [
        "GET /?password=CANARY",
        "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\nCookie: a=CANARY",
        "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\nCookie:\r\n CANARY",
    ] {
        for cut in 1..head.len() {
            let said = say(&[
                client(&head[..cut]),
                Step::Gap(Side::Client, Some(4)),
                client(format!("{}\r\n\r\n", &head[cut..])),
                client("GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
            ]);
            assert!(!shows_canary(&said), "{cut}: {:?} {:?}", said.text, said.json);
        }
    }
}

#[test]
fn secret_behind_a_bare_cr() {
    for head in [
        "GET / HTTP/1.1\r\nHost: h\r\nX: y\rAuthorization: CANARY\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nX: y\r\n z\rCookie: CANARY\r\n\r\n",
        "GET /\rCookie: CANARY HTTP/1.1\r\n\r\n",
    ] {
        assert!(!shows_canary(&say(&[client(head)])), "{head:?}");
    }
    assert!(!shows_canary(&say(&[server("HTTP/1.1 200\rSet-Cookie: CANARY\r\n\r\n")])));
}

#[test]
fn line_keeps_its_shape() {
    let said = say(&[client("GET /?_task=login&_pass=x&_token=y&z=1 HTTP/1.1\r\nHost: h\r\n\r\n")]);
    assert_eq!(
        said.text,
        ["client: GET /?_task=login&_pass=[redacted]&_token=[redacted]&z=1 HTTP/1.1"]
    );
    assert_eq!(said.json[0]["url"]["query"], "_task=login&_pass=[redacted]&_token=[redacted]&z=1");
}

#[test]
fn secret_that_looks_like_a_method_behind_a_gap() {
    for lost in [None, Some(4)] {
        let said = say(&[
            Step::Gap(Side::Client, lost),
            client(
                "CANARY of_a_target HTTP/1.1\r\nHost: h\r\n\r\nBREW / HTTP/1.1\r\nHost: h\r\n\r\n",
            ),
        ]);
        assert!(!shows_canary(&said), "{:?}", said.text);
        assert!(said.text.iter().any(|line| line.contains("BREW /")), "{:?}", said.text);
    }
}

#[test]
fn secret_in_words_of_the_server() {
    for reason in ["bad password=CANARY", "no Basic CANARY", "Invalid Cookie: a=CANARY"] {
        hidden(&[server(format!("HTTP/1.1 401 {reason}\r\n\r\n"))]);
        hidden(&[server(format!("HTTP/1.1 401 No\r\nWarning: 199 - {reason}\r\n\r\n"))]);
    }
}
