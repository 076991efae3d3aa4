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
    let mut dialogues = Vec::new();
    for request in requests {
        dialogues.push(vec![(Client, request), (Server, OK.into()), (Client, NEXT.into())]);
    }
    for response in responses {
        dialogues.push(vec![(Client, NEXT.into()), (Server, response), (Client, NEXT.into())]);
    }
    dialogues
}
