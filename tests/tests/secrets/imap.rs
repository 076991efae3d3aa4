//! Secrets of IMAP.

use tracer::event::Side::{Client, Server};

use super::{LOGIN, PASSWORD, PLAIN, Steps};

/// Each secret where it may stand.
pub(crate) fn dialogues() -> Vec<Steps> {
    let mut dialogues = Vec::new();
    for (secret, steps) in [
        (PASSWORD, vec![format!("a1 LOGIN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 login \"eve\" \"{PASSWORD}\"")]),
        (PASSWORD, vec![format!("a1 LOGIN  eve  {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGN eve {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGIN eve {PASSWORD} too much")]),
        (PASSWORD, vec![format!("a1 LOGIN \"e\\\"ve\" \"{PASSWORD}\\\\x\"")]),
        (PASSWORD, vec!["a1 LOGIN eve {15}".into(), PASSWORD.into()]),
        (PASSWORD, vec!["a1 LOGIN {3}".into(), "eve {15}".into(), PASSWORD.into()]),
        (PASSWORD, vec![format!("a1 LOGIN {{3+}}\r\neve {{15+}}\r\n{PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGIN eve {{15-}}\r\n{PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGIN eve ~{{15+}}\r\n{PASSWORD}")]),
        (LOGIN, vec!["a1 AUTHENTICATE CRAM-MD5".into(), LOGIN.into()]),
        (LOGIN, vec!["a1 AUTHENTICATE SCRAM-SHA-256 biws".into(), LOGIN.into()]),
        (PLAIN, vec![format!("a1 AUTHENTICATE XOAUTH2 {PLAIN}")]),
        (PLAIN, vec!["a1 AUTHENTICATE OAUTHBEARER".into(), PLAIN.into()]),
        (PLAIN, vec!["a1 AUTHENTICATE GSSAPI".into(), PLAIN.into(), LOGIN.into()]),
        (
            PASSWORD,
            vec![format!(
                "a1 URLFETCH \"imap://eve@h/in/;uid=2;urlauth=anonymous:internal:{PASSWORD}\""
            )],
        ),
        (
            PASSWORD,
            vec![format!(
                "a1 APPEND in CATENATE (URL \"/in/;uid=2;urlauth=anonymous:internal:{PASSWORD}\")"
            )],
        ),
        (PLAIN, vec![format!("a1 AUTHENTICATE PLAIN {PLAIN}")]),
        (PLAIN, vec![format!("a1 AUTHENTICATE X-NEW {PLAIN}")]),
        (PLAIN, vec![format!("a1 AUTHENTICATE {PLAIN}")]),
        (PLAIN, vec!["a1 AUTHENTICATE PLAIN".into(), PLAIN.into()]),
        (LOGIN, vec!["a1 AUTHENTICATE LOGIN".into(), "ZXZl".into(), LOGIN.into()]),
    ] {
        let sent = steps.len() - 1;
        for refusal in [
            format!("a1 NO [AUTHENTICATIONFAILED] no {secret}"),
            format!("a1 BAD unknown: {secret}"),
            format!("a1 NO [X-{secret}] no"),
        ] {
            let mut dialogue = vec![(Server, "* OK ready\r\n".to_owned())];
            for (number, step) in steps.iter().enumerate() {
                dialogue.push((Client, format!("{step}\r\n")));
                if number < sent {
                    dialogue.push((Server, "+ \r\n".to_owned()));
                }
            }
            dialogue.push((Server, format!("{refusal}\r\n")));
            dialogue.push((Client, "a2 NOOP\r\na3 LOGOUT\r\n".to_owned()));
            dialogue.push((Server, "a2 OK x\r\n* BYE\r\na3 OK\r\n".to_owned()));
            dialogues.push(dialogue);
        }
    }
    dialogues
}
