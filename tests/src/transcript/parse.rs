//! Reading of transcripts.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail, ensure};
use tracer::{
    decode::{PROTOCOLS, Protocol},
    event::Side,
    output::View,
};

use super::{Act, Expected, Settings, Step, Transcript};
use crate::secret;

/// What stands between the dialogue and its events.
const RULE: &str = "---";

/// Reads a transcript of a protocol; errors begin with the number of the line.
pub(super) fn transcript(protocol: Option<&'static Protocol>, text: &str) -> Result<Transcript> {
    let port = protocol.and_then(|protocol| protocol.ports.first()).copied();
    let settings = Settings {
        view: View::Messages,
        show_secrets: false,
        body: 0,
        envelope: false,
        port: port.unwrap_or_default(),
        opened: [true; 2],
    };
    let mut reader = Reader {
        transcript: Transcript {
            protocol,
            settings,
            steps: Vec::new(),
            expected: Vec::new(),
            secrets: Vec::new(),
            excused: BTreeMap::new(),
        },
        goes_on: false,
    };
    let mut lines = (1..).zip(text.lines());
    let rule = lines.by_ref().find_map(|(number, line)| match line {
        RULE => Some(Ok(())),
        _ => reader.line(line).with_context(|| format!("line {number}: {line}")).err().map(Err),
    });
    rule.with_context(|| format!("no line {RULE} before the events"))??;
    let mut transcript = reader.transcript;
    transcript.expected = expected(lines)?;
    ensure!(!transcript.steps.is_empty(), "nothing is said above {RULE}");
    ensure!(!transcript.expected.is_empty(), "no event is expected behind {RULE}");
    let port = transcript.settings.port;
    let usual = PROTOCOLS.iter().any(|protocol| protocol.ports.contains(&port));
    ensure!(protocol.is_some() || usual, "port {port} is not a protocol's: write `port 80`, say");
    let messages = transcript.messages().count();
    for number in transcript.excused.keys().flatten() {
        ensure!((1..=messages).contains(number), "message {number} is excused; there is none");
    }
    Ok(transcript)
}

/// Reads what stands above the rule.
struct Reader {
    transcript: Transcript,
    /// The next line of the same side belongs to the same message.
    goes_on: bool,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<()> {
        if line.starts_with('#') {
            return Ok(());
        }
        if line.is_empty() {
            self.goes_on = false;
            return Ok(());
        }
        let side = match line.as_bytes() {
            [b'C', b'>' | b'~' | b'!' | b'*', ..] => Side::Client,
            [b'S', b'>' | b'~' | b'!' | b'*', ..] => Side::Server,
            _ => return self.setting(line),
        };
        let (mark, rest) = (line.get(1..2).unwrap_or_default(), line.get(2..).unwrap_or_default());
        let text = match rest.strip_prefix(' ') {
            Some(text) => text,
            None if rest.is_empty() => "",
            None => bail!("one space stands between {mark} and what follows"),
        };
        match mark {
            ">" => self.say(side, text)?,
            "~" => {
                let bytes: u32 = text.parse().context("a number of bytes follows ~")?;
                ensure!(bytes > 0, "no bytes are missing");
                self.act(side, Act::Lose(bytes));
            }
            _ => {
                ensure!(text.is_empty(), "nothing follows {mark}");
                if mark == "!" {
                    self.act(side, Act::Close);
                } else {
                    ensure!(self.transcript.steps.is_empty(), "* stands before all that is said");
                    let [client, server] = &mut self.transcript.settings.opened;
                    *(if side == Side::Client { client } else { server }) = false;
                }
            }
        }
        Ok(())
    }

    fn act(&mut self, side: Side, act: Act) {
        self.transcript.steps.push(Step { side, act });
        self.goes_on = false;
    }

    fn say(&mut self, side: Side, text: &str) -> Result<()> {
        let goes_on = self.goes_on;
        let steps = &mut self.transcript.steps;
        if !(goes_on && steps.last().is_some_and(|step| step.side == side)) {
            steps.push(Step { side, act: Act::Say(Vec::new()) });
        }
        self.goes_on = true;
        let number = steps.len() - 1;
        let Some(Step { act: Act::Say(bytes), .. }) = steps.last_mut() else {
            bail!("nobody says it");
        };
        let mut secret = None;
        let mut characters = text.chars();
        let mut ended = true;
        while let Some(character) = characters.next() {
            match (character, secret) {
                ('‹', None) => secret = Some(bytes.len()),
                ('›', Some(start)) => {
                    let enough = bytes.len() - start >= secret::WINDOW;
                    ensure!(enough, "a secret has {} bytes or more", secret::WINDOW);
                    self.transcript.secrets.push((number, start..bytes.len()));
                    secret = None;
                }
                ('‹' | '›', _) => bail!("‹ and › stand in pairs"),
                ('\\', _) => match characters.next() {
                    None => ended = false,
                    Some('r') => bytes.push(b'\r'),
                    Some('n') => bytes.push(b'\n'),
                    Some('t') => bytes.push(b'\t'),
                    Some('0') => bytes.push(0),
                    Some('\\') => bytes.push(b'\\'),
                    Some('x') => {
                        let rest = characters.as_str();
                        let digits = rest.get(..2).context("two digits follow \\x")?;
                        bytes.push(u8::from_str_radix(digits, 16)?);
                        characters = rest.get(2..).unwrap_or_default().chars();
                    }
                    Some(other) => bail!("\\{other} is no escape"),
                },
                (character, _) => {
                    bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
        ensure!(secret.is_none(), "a secret ends with ›");
        if ended {
            bytes.extend_from_slice(b"\r\n");
        }
        ensure!(!bytes.is_empty(), "nothing is said");
        Ok(())
    }

    fn setting(&mut self, line: &str) -> Result<()> {
        if let Some(rest) = line.strip_prefix("gap-excused") {
            let (numbers, reason) =
                rest.split_once(": ").context("write gap-excused 3,5: reason")?;
            for number in numbers.trim().split(',') {
                let number = match number {
                    "" => None,
                    number => Some(number.parse().context("numbers of messages")?),
                };
                self.transcript.excused.insert(number, reason.to_owned());
            }
            return Ok(());
        }
        ensure!(self.transcript.steps.is_empty(), "settings stand before the first message");
        let settings = &mut self.transcript.settings;
        match line.split_once(' ').unwrap_or((line, "")) {
            ("view", "exchanges") => settings.view = View::Exchanges,
            ("view", "messages") => settings.view = View::Messages,
            ("view", _) => bail!("a transcript shows messages or exchanges"),
            ("show-secrets", "") => settings.show_secrets = true,
            ("body", bytes) => settings.body = bytes.parse().context("bytes of bodies")?,
            ("mail", "envelope") => settings.envelope = true,
            ("port", port) => settings.port = port.parse().context("a port")?,
            _ => bail!("neither said by a side (C> S>) nor a setting"),
        }
        Ok(())
    }
}

/// Reads the events.
fn expected<'a>(lines: impl Iterator<Item = (usize, &'a str)>) -> Result<Vec<Expected>> {
    let mut events: Vec<Expected> = Vec::new();
    let mut json = String::new();
    for (line, text) in lines {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if text.starts_with([' ', '\t']) {
            let event = events.last_mut().with_context(|| format!("line {line}: of no event"))?;
            ensure!(event.fields.is_none(), "line {line}: the event has its fields already");
            json.push_str(text.trim());
            match serde_json::from_str(&json) {
                Ok(fields) => event.fields = Some(fields),
                Err(error) if error.is_eof() => continue,
                Err(error) => bail!("line {line}: {error}"),
            }
            json.clear();
            continue;
        }
        ensure!(json.is_empty(), "line {line}: the object before it does not end");
        let side = text.split_once(':').map(|(side, _)| side);
        ensure!(
            matches!(side, Some("client" | "server" | "-")),
            "line {line}: an event begins with client:, server: or -:"
        );
        events.push(Expected { line, text: text.trim_end().to_owned(), fields: None });
    }
    ensure!(json.is_empty(), "the last object does not end");
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> Result<Transcript> {
        transcript(PROTOCOLS.iter().find(|protocol| protocol.label.name == "http"), text)
    }

    #[test]
    fn lines_of_one_side_are_one_message() {
        let text = "# Shows.\nport 8080\nC> a\nC>\n\nC> b\\x00\\\\\\t\nS> c\\\n# Too.\nS> ‹secret›\\\nC~ 7\nC!\n\
                    gap-excused 1,2: why\n---\nclient: x \n  {\"a\":\n   1}\n-: y\n";
        let read = http(text).unwrap();
        let say = |side, text: &str| Step { side, act: Act::Say(text.as_bytes().to_vec()) };
        assert_eq!(
            read.steps,
            [
                say(Side::Client, "a\r\n\r\n"),
                say(Side::Client, "b\0\\\t\r\n"),
                say(Side::Server, "csecret"),
                Step { side: Side::Client, act: Act::Lose(7) },
                Step { side: Side::Client, act: Act::Close },
            ]
        );
        assert_eq!(read.secrets, [(2, 1..7)]);
        assert_eq!(read.settings.port, 8080);
        assert_eq!(read.excused.len(), 2);
        let texts: Vec<_> = read.expected.iter().map(|event| event.text.as_str()).collect();
        assert_eq!(texts, ["client: x", "-: y"]);
        assert_eq!(read.expected[0].fields, Some(serde_json::json!({ "a": 1 })));
    }

    #[test]
    fn what_does_not_parse_names_its_line() {
        for (text, expected) in [
            ("C> a\n", "no line ---"),
            ("C> a\n---\n", "no event is expected"),
            ("---\nclient: x\n", "nothing is said"),
            ("C>a\n---\nclient: x\n", "line 1: C>a"),
            ("C> a\\q\n---\nclient: x\n", "line 1: C> a\\q"),
            ("C> ‹short›\n---\nclient: x\n", "line 1: C> ‹short›"),
            ("C> ‹a\n---\nclient: x\n", "line 1: C> ‹a"),
            ("C> a\nview exchanges\n---\nclient: x\n", "line 2: view exchanges"),
            ("C> a\nS*\n---\nclient: x\n", "line 2: S*"),
            ("view segments\n---\nclient: x\n", "line 1: view segments"),
            ("gap-excused 2: why\nC> a\n---\nclient: x\n", "message 2 is excused"),
            ("C> a\n---\n  {}\n", "line 3: of no event"),
            ("C> a\n---\nclient: x\n  {]\n", "line 4: "),
            ("C> a\n---\nclient: x\n  {\n", "does not end"),
            ("C> a\n---\nnobody: x\n", "line 3: "),
        ] {
            let error = format!("{:#}", http(text).unwrap_err());
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(transcript(None, "C> a\n---\nclient: x\n").is_err());
    }
}
