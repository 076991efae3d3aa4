//! The framing of netlink: messages with a header, attributes in them
//! (`linux/netlink.h`). All numbers are in host order.

use std::io;

/// Message kind: an error, or with code 0 the acknowledgement of a request.
pub(super) const ERROR: u16 = 2;
/// Message kind: the end of a list.
pub(super) const DONE: u16 = 3;

/// Bytes of a message's header.
const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;
/// Flag bits in an attribute's type.
const ATTRIBUTE_FLAGS: u16 = 0xc000;

/// Reads a `u16` at an offset; `None` beyond the end.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

/// Reads a `u32` at an offset; `None` beyond the end.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// The text before the first NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned()
}

/// The messages of a datagram.
pub(super) struct Messages<'a> {
    rest: &'a [u8],
}

/// One message.
pub(super) struct Message<'a> {
    /// What it is; above 15 as the protocol says.
    pub(super) kind: u16,
    /// The number of the request that it answers.
    pub(super) sequence: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(super) const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let len = usize::try_from(u32_at(self.rest, 0)?).ok()?;
        let message = self.rest.get(..len)?;
        let payload = message.get(HEADER..)?;
        let (kind, sequence) = (u16_at(message, 4)?, u32_at(message, 8)?);
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, sequence, payload })
    }
}

impl Message<'_> {
    /// What an [`ERROR`] message says.
    pub(super) fn error(&self) -> io::Result<()> {
        match u32_at(self.payload, 0).map(u32::cast_signed) {
            Some(0) => Ok(()),
            Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The attributes of a message or of a nested attribute: type and value.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let len = usize::from(u16_at(self.rest, 0)?);
        let kind = u16_at(self.rest, 2)? & !ATTRIBUTE_FLAGS;
        let value = self.rest.get(ATTRIBUTE_HEADER..len)?;
        self.rest = self.rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    }
}

/// A request in the making.
pub(super) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// Starts a request with the protocol's own header behind netlink's.
    /// `NLM_F_REQUEST` and `NLM_F_ACK` need not be given.
    pub(super) fn new(kind: u16, flags: i32, header: &[u8]) -> Self {
        // Flags of the header have 16 bits; libc gives them as int.
        let flags = u16::try_from(flags | libc::NLM_F_REQUEST | libc::NLM_F_ACK).unwrap_or(0);
        let mut bytes = vec![0; HEADER];
        for (to, from) in bytes.iter_mut().skip(4).zip([kind, flags].map(u16::to_ne_bytes).concat())
        {
            *to = from;
        }
        bytes.extend_from_slice(header);
        Self { bytes }
    }

    /// Adds an attribute.
    pub(super) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        put(&mut self.bytes, kind, value);
        self
    }

    /// The bytes to send.
    pub(super) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let len = u32::try_from(self.bytes.len()).unwrap_or(0).to_ne_bytes();
        let sequence = sequence.to_ne_bytes();
        let offsets = (0..4).chain(8..12);
        for (offset, value) in offsets.zip(len.into_iter().chain(sequence)) {
            if let Some(byte) = self.bytes.get_mut(offset) {
                *byte = value;
            }
        }
        self.bytes
    }
}

/// Appends an attribute, padded to four bytes.
pub(super) fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let len = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(0);
    bytes.extend_from_slice(&len.to_ne_bytes());
    bytes.extend_from_slice(&kind.to_ne_bytes());
    bytes.extend_from_slice(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_back_as_it_was_written() {
        let request = Request::new(18, libc::NLM_F_DUMP, &[1, 2, 3, 4])
            .attribute(3, b"eth0\0")
            .attribute(9, &7_u32.to_ne_bytes());
        let bytes = request.finish(42);
        assert_eq!(u16_at(&bytes, 6), Some(0x0305));
        let message = Messages::new(&bytes).next().unwrap();
        assert_eq!((message.kind, message.sequence), (18, 42));
        let attributes: Vec<_> = Attributes::new(&message.payload[4..]).collect();
        assert_eq!(attributes, [(3, &b"eth0\0"[..]), (9, &7_u32.to_ne_bytes()[..])]);
        assert!(Messages::new(&bytes).nth(1).is_none());
    }

    #[test]
    fn an_answer_cut_anywhere_is_read_as_far_as_it_goes() {
        let bytes = Request::new(16, 0, &[0; 4]).attribute(3, b"eth0\0").finish(1);
        for len in 0..bytes.len() {
            for message in Messages::new(&bytes[..len]) {
                assert_eq!(Attributes::new(message.payload).count(), 0);
            }
        }
    }

    #[test]
    fn lengths_that_contradict_themselves_end_the_list() {
        for len in [0_u32, 3, 15, 17, u32::MAX] {
            let mut bytes = vec![0; 16];
            bytes[..4].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(Messages::new(&bytes).count(), 0, "{len}");
        }
        for len in [0_u16, 3, 9, u16::MAX] {
            let mut bytes = vec![0; 8];
            bytes[..2].copy_from_slice(&len.to_ne_bytes());
            assert_eq!(Attributes::new(&bytes).count(), 0, "{len}");
        }
    }
}
