//! Secrets of HTTP.

use tracer::event::Side::{Client, Server};

use super::{PASSWORD, Steps};

/// Each secret where it may stand.
pub(crate) fn dialogues() -> Vec<Steps> {
    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const NEXT: &str = "GET /next HTTP/1.1\r\n\r\n";
    let mut requests = Vec::new();
    let mut responses = Vec::new();
    for name in ["Authorization", "PROXY-AUTHORIZATION", "Cookie", "X-Auth-Token", "x-api-key"] {
        for value in [
            format!(" Basic {PASSWORD}"),
            format!("\r\n\t{PASSWORD}"),
            format!(" a=b;\r\n c={PASSWORD}"),
            format!(" é{PASSWORD}"),
            format!("{PASSWORD}\u{1}"),
        ] {
            requests.push(format!("GET / HTTP/1.1\r\n{name}:{value}\r\nAccept: x\r\n\r\n"));
        }
        requests.push(format!("GET / HTTP/1.1\n{name} : {PASSWORD}\n\n"));
        requests.push(format!("GET / HTTP/1.1\r\nX: y\r\n {name}: {PASSWORD}\r\n\r\n"));
    }
    for target in [
        format!("/?password={PASSWORD}"),
        format!("/?a=b&_pass={PASSWORD}&c=d"),
        format!("/?PASSWD={PASSWORD};x"),
        format!("/?%70%61ss={PASSWORD}"),
        format!("/?X-Goog-Signature={PASSWORD}&AWSAccessKeyId={PASSWORD}"),
        format!("/#token={PASSWORD}"),
        format!("/?next=%2Fin%3Fpassword%3D{PASSWORD}"),
        format!("/login%3Fsecret%3D{PASSWORD}"),
        format!("http://u:{PASSWORD}@h/?a=b"),
        format!("/proxy?u=http://{PASSWORD}@h/"),
    ] {
        requests.push(format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n"));
        requests.push(format!("GET / HTTP/1.1\r\nReferer: http://h{target}\r\n\r\n"));
        for (name, before, after) in
            [("Location", "", ""), ("Refresh", "0; url=", ""), ("Link", "<", ">; rel=next")]
        {
            responses
                .push(format!("HTTP/1.1 302 Found\r\n{name}: {before}{target}{after}\r\n\r\n"));
        }
        responses.push(format!("HTTP/1.1 404 No {target} here\r\n\r\n"));
    }
    responses.push(format!("HTTP/1.1 401 Invalid Authorization: Basic {PASSWORD}\r\n\r\n"));
    responses.push(format!("HTTP/1.1 200 OK\r\nSet-Cookie: a={PASSWORD}; Path=/\r\n\r\n"));
    for key in [
        "pass",
        "passwd",
        "_pass",
        "token",
        "secret",
        "sig",
        "signature",
        "AWSAccessKeyId",
        "X-Goog-Signature",
    ] {
        requests.push(format!("GET /?a=b&{key}={PASSWORD} HTTP/1.1\r\nHost: h\r\n\r\n"));
    }
    for (media, text) in bodies() {
        requests.push(message("POST /in HTTP/1.1", &media, &text));
        requests.push(chunked("POST /in HTTP/1.1", &media, &text));
        responses.push(message("HTTP/1.1 200 OK", &media, &text));
    }
    for name in ["Authorization", "Cookie", "X-Token", "Set-Cookie"] {
        let trailers = format!("0\r\n{name}: a=b;\r\n {PASSWORD}\r\n\r\n");
        requests.push(format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}"));
        responses.push(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{trailers}"));
    }
    let mut dialogues = Vec::new();
    for request in requests {
        dialogues.push(vec![(Client, request), (Server, OK.into()), (Client, NEXT.into())]);
    }
    for response in responses {
        dialogues.push(vec![(Client, NEXT.into()), (Server, response), (Client, NEXT.into())]);
    }
    dialogues
}

/// Bodies that hold a secret, with their media types.
fn bodies() -> Vec<(String, String)> {
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    let part = |name: &str| {
        format!(
            "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\neve\r\n\
             --b\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{PASSWORD}\r\n--b--\r\n"
        )
    };
    [
        (form, format!("user=eve&password={PASSWORD}&go=1")),
        (form, format!("_%70ass={PASSWORD}")),
        (form, format!("next=%2F%3Ftoken%3D{PASSWORD}")),
        (json, format!("{{\"user\":\"eve\",\"password\":\"{PASSWORD}\"}}")),
        (json, format!("{{\"a\":[{{\"api_token\" : \"{PASSWORD}\"}}],\"b\":1}}")),
        (json, format!("{{\"pass\\u0077ord\":\"{PASSWORD}\"}}")),
        (json, format!("{{\"secret\":[\"x\",{{\"y\":\"{PASSWORD}\"}}]}}")),
        (json, format!("{{\"password\":\"\\\"{PASSWORD}")),
        ("multipart/form-data; boundary=b", part("password")),
        ("multipart/form-data; boundary=\"b\"", part("user_token")),
    ]
    .map(|(media, text)| (media.to_owned(), text))
    .to_vec()
}

/// Bytes of a text on the wire, without the marks of secrets.
fn len(text: &str) -> usize {
    text.replace(['‹', '›'], "").len()
}

fn message(start: &str, media: &str, text: &str) -> String {
    format!("{start}\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{text}", len(text))
}

/// The same in two chunks, cut within the secret.
fn chunked(start: &str, media: &str, text: &str) -> String {
    let at = text.find('‹').unwrap_or(0) + '‹'.len_utf8() + 3;
    let (one, other) = text.split_at(at);
    // What hides the secret's first half hides its second.
    let (one, other) = (format!("{one}›"), format!("‹{other}"));
    format!(
        "{start}\r\nContent-Type: {media}\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{one}\r\n{:x}\r\n{other}\r\n0\r\n\r\n",
        len(&one),
        len(&other)
    )
}
