//! Appends numbers, addresses and displayed text to a buffer, without the
//! detour that `io::Write` takes.

use std::{fmt, net::IpAddr};

use crate::append;

/// Decimal digits of the largest number.
const MAX_DIGITS: usize = 20;

/// All pairs of decimal digits.
static PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0_u8;
    while number < 100 {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        }
        number += 1;
    }
    pairs
};

/// All octets in decimal digits with a point behind them, and their count.
static OCTETS: [([u8; 4], u8); 256] = {
    let mut octets = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < octets.len() {
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            let [[_, hundreds], [tens, ones]] = [PAIRS[octet / 100], PAIRS[octet % 100]];
            octets[octet] = match octet {
                ..10 => ([ones, b'.', 0, 0], 2),
                10..100 => ([tens, ones, b'.', 0], 3),
                100.. => ([hundreds, tens, ones, b'.'], 4),
            };
        }
        octet += 1;
    }
    octets
};

/// The last two decimal digits of a number.
#[inline]
fn pair(number: u64) -> [u8; 2] {
    let place = usize::try_from(number % 100).unwrap_or_default();
    PAIRS.get(place).copied().unwrap_or_default()
}

/// Appends a number in decimal digits.
#[inline]
pub(super) fn decimal(buffer: &mut Vec<u8>, number: u64) {
    match number {
        0..10 => buffer.push(digit(number)),
        10..100 => append::pieces(buffer, [&pair(number)]),
        100..1_000 => {
            let [tens, ones] = pair(number);
            append::pieces(buffer, [&[digit(number / 100), tens, ones]]);
        }
        _ => long_decimal(buffer, number),
    }
}

fn long_decimal(buffer: &mut Vec<u8>, number: u64) {
    let mut digits = [[0; 2]; MAX_DIGITS / 2];
    let mut rest = number;
    let mut places = digits.len();
    for place in digits.iter_mut().rev() {
        *place = pair(rest);
        rest /= 100;
        places -= 1;
        if rest == 0 {
            break;
        }
    }
    let digits = digits.as_flattened().get(places * 2..).unwrap_or_default();
    append::few(buffer, digits.strip_prefix(b"0").unwrap_or(digits));
}

/// The last `N` decimal digits of a number, with zeros in front.
#[inline]
pub(super) fn digits<const N: usize>(number: u64) -> [u8; N] {
    let mut digits = [0; N];
    let mut rest = number;
    for place in digits.rchunks_mut(2) {
        let two = pair(rest);
        match place {
            [only] => *only = two[1],
            _ => place.copy_from_slice(&two),
        }
        rest /= 100;
    }
    digits
}

/// Appends an address.
pub(super) fn address(buffer: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            let mut text = [0; 16];
            let mut len = 0;
            for octet in address.octets() {
                let (digits, count) = OCTETS.get(usize::from(octet)).copied().unwrap_or_default();
                if let Some(room) = text.get_mut(len..).and_then(<[u8]>::first_chunk_mut) {
                    *room = digits;
                }
                len += usize::from(count);
            }
            // Without the point behind the last.
            append::few(buffer, text.get(..len - 1).unwrap_or_default());
        }
        IpAddr::V6(address) => display(buffer, &address),
    }
}

/// Appends what a value displays.
pub(super) fn display(buffer: &mut Vec<u8>, value: &dyn fmt::Display) {
    // A buffer takes everything; what a `Display` refuses is cut short.
    let _ = fmt::write(&mut Characters(buffer), format_args!("{value}"));
}

fn digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).unwrap_or_default()
}

/// A buffer that text is formatted into.
struct Characters<'a>(&'a mut Vec<u8>);

impl fmt::Write for Characters<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        append::few(self.0, text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(append: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut buffer = Vec::new();
        append(&mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn numbers_are_written_as_display_writes_them() {
        for number in [0, 7, 10, 99, 100, 999, 1_000, 65_535, 100_000, 1_000_000_007, u64::MAX] {
            assert_eq!(appended(|buffer| decimal(buffer, number)), number.to_string());
        }
        assert_eq!(digits::<6>(42), *b"000042");
        assert_eq!(digits::<3>(123_456), *b"456");
    }

    #[test]
    fn addresses_are_written_as_display_writes_them() {
        for text in ["0.0.0.0", "10.200.3.255", "::", "2001:db8::1:2", "::ffff:1.2.3.4"] {
            let ip: IpAddr = text.parse().unwrap();
            assert_eq!(appended(|buffer| address(buffer, ip)), ip.to_string());
        }
    }
}
