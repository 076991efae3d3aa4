//! Secrets of POP3.

use tracer::event::Side::{Client, Server};

use super::{LOGIN, PASSWORD, PLAIN, Steps};

/// A digest of APOP.
const DIGEST: &str = "‹c4c9334bac560ecc979e58001b3e22fb›";

/// Each secret where it may stand.
pub(crate) fn dialogues() -> Vec<Steps> {
    let mut dialogues = Vec::new();
    for (secret, steps) in [
        (PASSWORD, vec!["USER eve".into(), format!("PASS {PASSWORD}")]),
        (PASSWORD, vec!["USER eve".into(), format!("pass  {PASSWORD} and more")]),
        (PASSWORD, vec![format!("PASS {PASSWORD}")]),
        (PASSWORD, vec![format!(" PASS {PASSWORD}")]),
        (PASSWORD, vec![format!("a1 LOGIN eve {PASSWORD}")]),
        (DIGEST, vec![format!("APOP eve {DIGEST}")]),
        (PLAIN, vec![format!("AUTH PLAIN {PLAIN}")]),
        (PLAIN, vec!["AUTH PLAIN".into(), PLAIN.into()]),
        (LOGIN, vec!["AUTH LOGIN".into(), "ZXZl".into(), LOGIN.into()]),
        (LOGIN, vec!["AUTH CRAM-MD5".into(), LOGIN.into()]),
        (PLAIN, vec![format!("AUTH XOAUTH2 {PLAIN}")]),
        (LOGIN, vec!["AUTH X-NEW".into(), LOGIN.into()]),
    ] {
        for refusal in ["-ERR no", "-ERR [AUTH] denied:"] {
            let quote = if refusal.ends_with(':') { secret } else { "" };
            let mut dialogue = vec![(Server, "+OK ready <1896.7@h>\r\n".to_owned())];
            for (number, step) in steps.iter().enumerate() {
                dialogue.push((Client, format!("{step}\r\n")));
                let last = number + 1 == steps.len();
                let go_on = if step.starts_with("USER") { "+OK\r\n" } else { "+ \r\n" };
                let answer = format!("{refusal} {quote}\r\n");
                dialogue.push((Server, if last { answer } else { go_on.to_owned() }));
            }
            dialogue.push((Client, "QUIT\r\n".to_owned()));
            dialogue.push((Server, "+OK bye\r\n".to_owned()));
            dialogues.push(dialogue);
        }
    }
    dialogues
}
