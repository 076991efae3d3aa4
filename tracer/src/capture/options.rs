//! The options of a TCP header (RFC 9293 section 3.1).

use std::fmt;

/// Bytes of the longest list: a header of 60 bytes, of which 20 are fixed.
const MAX_LEN: usize = 40;

/// Options that a row shows or a window needs, as they stand in the header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TcpOptions {
    list: [u8; MAX_LEN],
    len: u8,
}

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// Maximum segment size (RFC 9293 section 3.7.1).
    MaximumSegmentSize(u16),
    /// Shift count for the sender's windows (RFC 7323 section 2.2).
    WindowScale(u8),
    /// Selective acknowledgement permitted (RFC 2018 section 2).
    SackPermitted,
    /// Blocks of a selective acknowledgement (RFC 2018 section 3).
    Sack(SackBlocks<'a>),
    /// Timestamps (RFC 7323 section 3).
    Timestamps(Timestamps),
}

/// The timestamps option (RFC 7323 section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamps {
    /// `TSval`, the sender's clock.
    pub value: u32,
    /// `TSecr`, the echo of the peer's.
    pub echo: u32,
}

/// Left and right edges, as sequence numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SackBlocks<'a>(&'a [u8]);

impl SackBlocks<'_> {
    /// Each block's first sequence number and the one behind its last.
    pub fn edges(self) -> impl Iterator<Item = (u32, u32)> {
        self.0.chunks_exact(8).filter_map(|block| match *block {
            [l0, l1, l2, l3, r0, r1, r2, r3] => {
                Some((u32::from_be_bytes([l0, l1, l2, l3]), u32::from_be_bytes([r0, r1, r2, r3])))
            }
            _ => None,
        })
    }
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self { list: [0; MAX_LEN], len: 0 }
    }
}

impl fmt::Debug for TcpOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}

impl TcpOptions {
    /// The options in a list as the header has it, of which some may be cut.
    pub fn new(list: &[u8]) -> Self {
        let mut options = Self::default();
        let list = list.get(..MAX_LEN).unwrap_or(list);
        let (words, rest) = list.as_chunks::<4>();
        let (to, _) = options.list.as_chunks_mut::<4>();
        for (to, from) in to.iter_mut().zip(words) {
            *to = *from;
        }
        // Headers have whole words, unless they are cut.
        for (to, from) in options.list.iter_mut().skip(4 * words.len()).zip(rest) {
            *to = *from;
        }
        options.len = u8::try_from(list.len()).unwrap_or_default();
        options
    }

    /// The options up to the first that is broken or cut, in their order; kinds
    /// that nobody asked for are passed over.
    pub fn iter(&self) -> impl Iterator<Item = TcpOption<'_>> {
        let list = self.list.get(..usize::from(self.len)).unwrap_or_default();
        Iter { list }
    }

    /// The window scale; of several the last, as hosts take it.
    pub fn window_scale(&self) -> Option<u8> {
        self.last(|option| match option {
            TcpOption::WindowScale(shift) => Some(shift),
            _ => None,
        })
    }

    /// The maximum segment size.
    pub fn maximum_segment_size(&self) -> Option<u16> {
        self.last(|option| match option {
            TcpOption::MaximumSegmentSize(size) => Some(size),
            _ => None,
        })
    }

    /// The timestamps.
    pub fn timestamps(&self) -> Option<Timestamps> {
        self.last(|option| match option {
            TcpOption::Timestamps(timestamps) => Some(timestamps),
            _ => None,
        })
    }

    /// The blocks of a selective acknowledgement.
    pub fn sack(&self) -> Option<SackBlocks<'_>> {
        self.last(|option| match option {
            TcpOption::Sack(blocks) => Some(blocks),
            _ => None,
        })
    }

    /// Whether selective acknowledgements are permitted.
    pub fn sack_permitted(&self) -> bool {
        self.iter().any(|option| option == TcpOption::SackPermitted)
    }

    fn last<'a, T>(&'a self, wanted: impl FnMut(TcpOption<'a>) -> Option<T>) -> Option<T> {
        self.iter().filter_map(wanted).last()
    }
}

struct Iter<'a> {
    list: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        const END: u8 = 0;
        const NO_OPERATION: u8 = 1;

        loop {
            self.list = match self.list {
                [NO_OPERATION, rest @ ..] => rest,
                [] | [END, ..] | [_] => return None,
                [_, len, ..] => {
                    let len = usize::from(*len);
                    let (option, rest) = self.list.split_at_checked(len)?;
                    self.list = rest;
                    match option {
                        [] | [_] => {
                            self.list = &[];
                            return None;
                        }
                        [2, 4, a, b] => {
                            let size = u16::from_be_bytes([*a, *b]);
                            return Some(TcpOption::MaximumSegmentSize(size));
                        }
                        [3, 3, shift] => return Some(TcpOption::WindowScale(*shift)),
                        [4, 2] => return Some(TcpOption::SackPermitted),
                        [5, _, blocks @ ..] if len >= 10 && len % 8 == 2 => {
                            return Some(TcpOption::Sack(SackBlocks(blocks)));
                        }
                        [8, 10, v0, v1, v2, v3, e0, e1, e2, e3] => {
                            return Some(TcpOption::Timestamps(Timestamps {
                                value: u32::from_be_bytes([*v0, *v1, *v2, *v3]),
                                echo: u32::from_be_bytes([*e0, *e1, *e2, *e3]),
                            }));
                        }
                        _ => rest,
                    }
                }
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        TcpOption::{MaximumSegmentSize, Sack, SackPermitted, WindowScale},
        *,
    };

    fn options(list: &[u8]) -> TcpOptions {
        TcpOptions::new(list)
    }

    #[test]
    fn options_keep_the_order_of_the_header() {
        let all = options(&[2, 4, 5, 180, 1, 3, 3, 8, 1, 1, 4, 2]);
        let expected = [MaximumSegmentSize(1460), WindowScale(8), SackPermitted];
        assert!(all.iter().eq(expected));
        assert_eq!((all.maximum_segment_size(), all.window_scale()), (Some(1460), Some(8)));
        assert!(all.sack_permitted());
    }

    #[test]
    fn blocks_of_a_selective_acknowledgement() {
        let list = [1, 1, 5, 18, 0, 0, 0, 9, 0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 2];
        let all = options(&list);
        let Some(Sack(blocks)) = all.iter().next() else { panic!("{all:?}") };
        assert!(blocks.edges().eq([(9, 12), (1, 2)]));
        // Half a block, and none.
        assert_eq!(options(&[5, 6, 0, 0, 0, 9]).sack(), None);
        assert_eq!(options(&[5, 2, 4, 2]).sack(), None);
    }

    #[test]
    fn broken_option_lists_end_where_they_break() {
        for list in [
            &[2, 4, 5, 180, 8, 0, 3, 3, 7][..],
            &[2, 4, 5, 180, 8, 1, 3, 3, 7],
            &[2, 4, 5, 180, 8, 200, 3, 3, 7],
            &[2, 4, 5, 180, 0, 3, 3, 7],
            &[2, 4, 5, 180, 3],
        ] {
            assert!(options(list).iter().eq([MaximumSegmentSize(1460)]), "{list:?}");
        }
        // A length that is not the kind's, and a kind that is unknown.
        assert!(options(&[3, 4, 7, 7, 30, 3, 1, 4, 2]).iter().eq([SackPermitted]));
    }

    #[test]
    fn of_an_option_that_stands_twice_the_last_counts() {
        assert_eq!(options(&[3, 3, 7, 3, 3, 9]).window_scale(), Some(9));
    }
}
