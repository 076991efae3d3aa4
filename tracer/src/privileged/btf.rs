//! Where members stand in the running kernel's structures, by its own type
//! information (BTF, `Documentation/bpf/btf.rst`).

use std::{collections::HashMap, fs, io};

/// Where the kernel shows it.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The first number of it, in this machine's byte order.
const MAGIC: u16 = 0xeb9f;

/// Kinds of types that have members.
const STRUCT: u32 = 4;
const UNION: u32 = 5;

/// Kinds that stand for another type: typedefs, volatile, const, restrict, and
/// tagged types.
const WRAPPERS: [u32; 5] = [8, 9, 10, 11, 18];

/// How deep structures without a name may be nested.
const MAX_DEPTH: usize = 8;

/// Why a member was not found.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It cannot be read.
    #[error("this kernel shows no type information (BTF, {VMLINUX}): {0}")]
    Read(#[from] io::Error),
    /// It is not of the known form.
    #[error("this kernel's type information (BTF) is of a form that is not known")]
    Form,
    /// The kernel has it not, or otherwise.
    #[error("this kernel has no member {0} where it is looked for")]
    Member(String),
}

/// A type that has members, or stands for another.
#[derive(Clone, Copy, Debug)]
struct Type {
    kind: u32,
    /// Whether offsets of members are of 24 bits.
    packed: bool,
    /// Members, or 0.
    members: usize,
    /// Where they begin.
    at: usize,
    /// The type that is stood for.
    of: u32,
}

/// The kernel's types.
#[derive(Debug)]
pub(super) struct Types {
    bytes: Vec<u8>,
    strings: usize,
    all: Vec<Type>,
    /// Structures by their names.
    structures: HashMap<Vec<u8>, usize>,
}

impl Types {
    /// Those of the running kernel.
    pub(super) fn of_kernel() -> Result<Self, Error> {
        Self::parse(fs::read(VMLINUX)?).ok_or(Error::Form)
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let word = |at: usize| number(&bytes, at);
        if half(0)? != MAGIC {
            return None;
        }
        let [header, types, types_len, strings] = [word(4)?, word(8)?, word(12)?, word(16)?];
        let (begin, strings) = ((header + types) as usize, (header + strings) as usize);
        let end = begin.checked_add(types_len as usize)?;
        let mut this =
            Self { strings, all: Vec::new(), structures: HashMap::new(), bytes: Vec::new() };
        // Number 0 is no type.
        this.all.push(Type { kind: 0, packed: false, members: 0, at: 0, of: 0 });
        let mut at = begin;
        while at < end {
            let [name, info, of] = [word(at)?, word(at + 4)?, word(at + 8)?];
            let (kind, len) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
            at += 12;
            let has_members = kind == STRUCT || kind == UNION;
            if has_members && name != 0 {
                let name = text(&bytes, strings, name)?.to_vec();
                this.structures.entry(name).or_insert(this.all.len());
            }
            let members = if has_members { len } else { 0 };
            this.all.push(Type { kind, packed: info >> 31 != 0, members, at, of });
            at += match kind {
                // Integers, variables, and tags of declarations have a word.
                1 | 14 | 17 => 4,
                // Arrays; members; values of 32 and of 64 bits; parameters;
                // variables of a section.
                3 => 12,
                STRUCT | UNION | 15 | 19 => 12 * len,
                6 | 13 => 8 * len,
                _ => 0,
            };
        }
        this.bytes = bytes;
        Some(this)
    }

    /// Offset in bytes of a member, by the name of its structure and those on
    /// the way to it, with dots between: `file.f_path.dentry`.
    pub(super) fn offset(&self, path: &str) -> Result<u32, Error> {
        self.find(path).ok_or_else(|| Error::Member(path.to_owned()))
    }

    fn find(&self, path: &str) -> Option<u32> {
        let mut names = path.split('.');
        let mut number = *self.structures.get(names.next()?.as_bytes())?;
        let mut bits = 0;
        for name in names {
            let (at, of) = self.member(number, name.as_bytes(), MAX_DEPTH)?;
            bits += at;
            number = of;
        }
        (bits % 8 == 0).then_some(bits / 8)
    }

    /// Offset in bits of a member, and its type; also within members that have
    /// no name.
    fn member(&self, number: usize, name: &[u8], depth: usize) -> Option<(u32, usize)> {
        let Type { packed, members, at, .. } = *self.all.get(self.plain(number)?)?;
        for at in (0..members).map(|index| at + 12 * index) {
            let [called, of, offset] = [0, 4, 8].map(|part| number_at(&self.bytes, at + part));
            let offset = if packed { offset & 0x00ff_ffff } else { offset };
            let of = of as usize;
            if called != 0 {
                if text(&self.bytes, self.strings, called)? == name {
                    return Some((offset, of));
                }
            } else if let Some(depth) = depth.checked_sub(1)
                && let Some((inner, of)) = self.member(of, name, depth)
            {
                return Some((offset + inner, of));
            }
        }
        None
    }

    /// The type that another one stands for.
    fn plain(&self, mut number: usize) -> Option<usize> {
        for _ in 0..MAX_DEPTH {
            let Type { kind, of, .. } = *self.all.get(number)?;
            if !WRAPPERS.contains(&kind) {
                return Some(number);
            }
            number = of as usize;
        }
        None
    }
}

/// The word at an offset.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The same where it is known to be there; else 0, which is no name.
fn number_at(bytes: &[u8], at: usize) -> u32 {
    number(bytes, at).unwrap_or_default()
}

/// The string at an offset.
fn text(bytes: &[u8], strings: usize, at: u32) -> Option<&[u8]> {
    bytes.get(strings + at as usize..)?.split(|byte| *byte == 0).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types in the kernel's form: `struct outer { int a; struct { int b; };
    /// const inner c; }`, `struct inner { int x; int y; }`.
    fn types() -> Vec<u8> {
        let strings = b"\0int\0outer\0a\0b\0c\0inner\0x\0y\0";
        let at = |name: &str| {
            let name = format!("\0{name}\0");
            let found = strings.windows(name.len()).position(|part| part == name.as_bytes());
            u32::try_from(found.unwrap() + 1).unwrap()
        };
        let [kind_int, kind_struct, kind_const] = [1 << 24, 4 << 24, 10 << 24];
        let words = [
            // 1: int
            vec![at("int"), kind_int, 4, 32],
            // 2: struct inner
            vec![at("inner"), kind_struct | 2, 8, at("x"), 1, 0, at("y"), 1, 32],
            // 3: const struct inner
            vec![0, kind_const, 2],
            // 4: the structure without a name
            vec![0, kind_struct | 1, 4, at("b"), 1, 0],
            // 5: struct outer
            vec![at("outer"), kind_struct | 3, 16, at("a"), 1, 0, 0, 4, 32, at("c"), 3, 64],
        ];
        let body: Vec<u8> = words.concat().into_iter().flat_map(u32::to_ne_bytes).collect();
        let len = u32::try_from(body.len()).unwrap();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        let strings_len = u32::try_from(strings.len()).unwrap();
        bytes.extend([24, 0, len, len, strings_len].into_iter().flat_map(u32::to_ne_bytes));
        bytes.extend(body);
        bytes.extend(strings);
        bytes
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let types = Types::parse(types()).unwrap();
        for (path, expected) in [
            ("inner.y", Some(4)),
            ("outer.a", Some(0)),
            ("outer.b", Some(4)),
            ("outer.c", Some(8)),
            ("outer.c.y", Some(12)),
            ("outer.x", None),
            ("outer.a.x", None),
            ("other.a", None),
        ] {
            assert_eq!(types.offset(path).ok(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_cut_is_no_type_information() {
        let whole = types();
        for len in 0..whole.len() {
            // Nothing panics; what was cut behind the types finds no name.
            if let Some(types) = Types::parse(whole.get(..len).unwrap().to_vec()) {
                let _ = types.offset("outer.c.y");
            }
        }
    }
}
