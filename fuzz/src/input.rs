//! How the bytes of an input stand for a conversation.
//!
//! An input is what the two sides say, one after the other. The byte DLE (16)
//! and the byte behind it are an [`Op`]; DLE twice is the byte itself. So an
//! input is nearly plain text, any bytes are an input, and what a mutation
//! takes away or puts in moves nothing else.

use tracer::event::Side;

/// Begins an [`Op`].
pub(crate) const DLE: u8 = 0x10;

/// What an input can say beside bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    /// `C`, `S`: from here on this side speaks. The client begins.
    Speak(Side),
    /// `|`: a segment ends here when the conversation is cut.
    Cut,
    /// `G` and a byte: so many bytes of the side were not captured.
    Gap(u32),
    /// `F`: the side sends FIN; what it says behind that is left out.
    Close,
    /// `M`: no SYN was seen.
    Midstream,
    /// `E`: exchanges are wanted.
    Exchanges,
    /// `X`: secrets are wanted.
    Secrets,
    /// `P`: pieces of mails are wanted.
    Pieces,
    /// `B`: bodies are wanted.
    Bodies,
    /// `L`: a limit of a stream so low that it is reached.
    Limit,
}

/// A piece of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Bytes to be said.
    Bytes(Vec<u8>),
    /// Something else.
    Op(Op),
}

/// Takes an input apart. Bytes between two ops are one item.
pub(crate) fn items(data: &[u8]) -> Vec<Item> {
    let mut items = Vec::new();
    let mut bytes = Vec::new();
    let mut rest = data.iter().copied();
    while let Some(byte) = rest.next() {
        if byte != DLE {
            bytes.push(byte);
            continue;
        }
        let op = match rest.next() {
            Some(b'C') => Op::Speak(Side::Client),
            Some(b'S') => Op::Speak(Side::Server),
            Some(b'|') => Op::Cut,
            Some(b'G') => Op::Gap(missing(rest.next().unwrap_or_default())),
            Some(b'F') => Op::Close,
            Some(b'M') => Op::Midstream,
            Some(b'E') => Op::Exchanges,
            Some(b'X') => Op::Secrets,
            Some(b'P') => Op::Pieces,
            Some(b'B') => Op::Bodies,
            Some(b'L') => Op::Limit,
            Some(other) => {
                bytes.push(other);
                continue;
            }
            None => break,
        };
        if !bytes.is_empty() {
            items.push(Item::Bytes(std::mem::take(&mut bytes)));
        }
        items.push(Item::Op(op));
    }
    if !bytes.is_empty() {
        items.push(Item::Bytes(bytes));
    }
    items
}

/// The length of a gap: short ones one by one, then up to 16 KiB.
fn missing(byte: u8) -> u32 {
    match u32::from(byte) {
        short @ 0..128 => short + 1,
        long => (long - 127) * 128,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_stand_between_bytes() {
        assert_eq!(
            items(b"a\x10Sb\x10G\x02c\x10\x10d\x10"),
            [
                Item::Bytes(b"a".to_vec()),
                Item::Op(Op::Speak(Side::Server)),
                Item::Bytes(b"b".to_vec()),
                Item::Op(Op::Gap(3)),
                Item::Bytes(b"c\x10d".to_vec()),
            ]
        );
    }
}
