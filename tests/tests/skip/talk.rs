//! Dialogues of HTTP in which much depends on where bodies end.

/// Random numbers that are the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // Marsaglia's xorshift64.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit.max(1)
    }

    pub(crate) fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
}

/// What the client and the server say in a row, by turns.
pub(crate) fn dialogue(random: &mut Random) -> Vec<(bool, Vec<u8>)> {
    let mut steps = Vec::new();
    for _ in 0..=random.below(8) {
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        let pipelined = if random.chance(3) { random.below(5) } else { 0 };
        for _ in 0..=pipelined {
            exchange(random, &mut asked, &mut answered);
        }
        steps.push((false, asked));
        steps.push((true, answered));
    }
    steps
}

fn exchange(random: &mut Random, asked: &mut Vec<u8>, answered: &mut Vec<u8>) {
    let body = body(random);
    let method = match random.below(8) {
        0 => "HEAD",
        1 | 2 => "POST",
        _ => "GET",
    };
    asked.extend(format!("{method} / HTTP/1.1\r\nHost: h\r\n").bytes());
    if method == "POST" {
        asked.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
        asked.extend(&body);
    } else {
        asked.extend(b"\r\n");
    }
    if random.chance(8) {
        answered.extend(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    }
    let length = format!("Content-Length: {}\r\n", body.len());
    let kind = random.below(12);
    let head = match kind {
        0 => format!("HTTP/1.1 304 Not Modified\r\n{length}\r\n"),
        1 | 10 | 11 => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        2 => format!("HTTP/1.1 200 OK\r\ncontent-length:{}\r\nServer: x\r\n\r\n", body.len()),
        3 => format!("HTTP/1.1 200 OK\n{}\n\n", length.trim_end()),
        4 => format!("HTTP/1.1 200 OK\r\n{length}{length}\r\n"),
        5 => format!("HTTP/1.1 206 Partial Content\r\nX: {:400}\r\n{length}\r\n", 1),
        _ => format!("HTTP/1.1 200 OK\r\n{length}Connection: keep-alive\r\n\r\n"),
    };
    answered.extend(head.bytes());
    if method == "HEAD" || kind == 0 {
        return;
    }
    if !matches!(kind, 1 | 10 | 11) {
        return answered.extend(&body);
    }
    let longest = [400, 3000][usize::try_from(random.below(2)).unwrap()];
    let extension = if random.chance(8) { ";a=b" } else { "" };
    for chunk in body.chunks(1 + usize::try_from(random.below(longest)).unwrap()) {
        answered.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
        answered.extend(chunk);
        answered.extend(b"\r\n");
    }
    answered.extend(if random.chance(8) { &b"0\r\nT: x\r\n\r\n"[..] } else { b"0\r\n\r\n" });
}

/// A body, which may look like messages.
fn body(random: &mut Random) -> Vec<u8> {
    let len = match random.below(6) {
        0 => 0,
        1 => random.below(20),
        2 | 3 => random.below(300),
        _ => random.below(6000),
    };
    let text: &[u8] = match random.below(3) {
        0 => b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n<html>",
        1 => b"0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 700\r\n\r\nx",
        _ => b"text that is nothing else\r\n",
    };
    text.iter().copied().cycle().take(usize::try_from(len).unwrap()).collect()
}
