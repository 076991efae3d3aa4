//! Compact JSON out of what the events' types derive. It differs from
//! `serde_json` in what the rate of events makes worth it: names of fields are
//! known to hold nothing to escape, strings are looked at in blocks while they
//! are copied, and text need not be known to be UTF-8 before.

use std::fmt;

use serde::{
    Serialize,
    ser::{
        self, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple,
        SerializeTupleStruct,
    },
};

use super::string;
use crate::{append, event::LOWER_CASE, output::put};

/// What cannot be said: a fault of the type, not of the value.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// A type that no event has.
    #[error("{0} are not written in events")]
    Unsupported(&'static str),
    /// Of the type's own `Serialize`.
    #[error("{0}")]
    Type(String),
}

impl ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Type(message.to_string())
    }
}

impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// Which part of an object is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// Its brace and its members: others will follow.
    Begin,
    /// Its members, behind others, and no brace.
    Members,
}

/// Appends a value to a buffer.
///
/// It is [not human readable](ser::Serializer::is_human_readable): so types know
/// that it takes text as bytes, and strings in a newtype named [`LOWER_CASE`].
pub(super) struct Serializer<'a> {
    buffer: &'a mut Vec<u8>,
    part: Part,
    is_lower_case: bool,
}

impl<'a> Serializer<'a> {
    /// For a value by itself.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "so that it is known what the value is part of")]
    pub(super) const fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self::of(buffer, Part::Whole)
    }

    /// For a part of an object.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    pub(super) const fn of(buffer: &'a mut Vec<u8>, part: Part) -> Self {
        Self { buffer, part, is_lower_case: false }
    }
}

/// An array or an object that is being written.
pub(super) struct Compound<'a> {
    buffer: &'a mut Vec<u8>,
    /// What stands before the next member: that which begins it, or a comma.
    before: u8,
    /// What ends it.
    end: Option<u8>,
}

impl<'a> Compound<'a> {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "so that it is known what begins it")]
    const fn array(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer, before: b'[', end: Some(b']') }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn object(buffer: &'a mut Vec<u8>, part: Part) -> Self {
        let before = if part == Part::Members { b',' } else { b'{' };
        Self { buffer, before, end: (part == Part::Whole).then_some(b'}') }
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.buffer.push(std::mem::replace(&mut self.before, b','));
        value.serialize(Serializer::new(self.buffer))
    }

    /// Inlined, so that the name's length is known where it is copied.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "measured: a third of what a field takes")]
    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let before = std::mem::replace(&mut self.before, b',');
        append::pieces(self.buffer, [&[before, b'"'], name.as_bytes(), b"\":"]);
        value.serialize(Serializer::new(self.buffer))
    }

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as above")]
    fn close(self) {
        if self.before != b',' {
            self.buffer.push(self.before);
        }
        self.buffer.extend(self.end);
    }
}

/// Numbers without a sign.
macro_rules! unsigned {
    ($($method:ident: $number:ty,)+) => {
        $(#[inline]
        fn $method(self, number: $number) -> Result<(), Error> {
            put::decimal(self.buffer, number.into());
            Ok(())
        })+
    };
}

/// Numbers with a sign.
macro_rules! signed {
    ($($method:ident: $number:ty,)+) => {
        $(#[inline]
        fn $method(self, number: $number) -> Result<(), Error> {
            if number < 0 {
                self.buffer.push(b'-');
            }
            put::decimal(self.buffer, number.unsigned_abs().into());
            Ok(())
        })+
    };
}

/// What no event has.
macro_rules! unsupported {
    ($($method:ident($value:ty): $name:literal,)+) => {
        $(fn $method(self, _: $value) -> Result<(), Error> {
            Err(Error::Unsupported($name))
        })+
    };
}

impl<'a> ser::Serializer for Serializer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Impossible<(), Error>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Impossible<(), Error>;

    unsigned! {
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
    }

    signed! {
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
    }

    unsupported! {
        serialize_f32(f32): "fractions",
        serialize_f64(f64): "fractions",
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.buffer.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, text: &str) -> Result<(), Error> {
        if self.is_lower_case {
            string::lower_case(self.buffer, text);
        } else {
            string::write(self.buffer, text);
        }
        Ok(())
    }

    /// Text, which is in Base64 where it is not UTF-8.
    #[inline]
    fn serialize_bytes(self, text: &[u8]) -> Result<(), Error> {
        string::text(self.buffer, text);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Error> {
        string::write(self.buffer, &value.to_string());
        Ok(())
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.buffer.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let is_lower_case = name == LOWER_CASE;
        value.serialize(Serializer { is_lower_case, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        let mut object = Compound::object(self.buffer, Part::Whole);
        object.field(variant, value)?;
        object.close();
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(Compound::array(self.buffer))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, Error> {
        Ok(Compound::array(self.buffer))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        Ok(Compound::array(self.buffer))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error::Unsupported("variants with several values"))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, Error> {
        Ok(Compound::object(self.buffer, self.part))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, Error> {
        Ok(Compound::object(self.buffer, self.part))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, Error> {
        Err(Error::Unsupported("variants with fields"))
    }
}

/// Arrays, whatever they were in Rust.
macro_rules! arrays {
    ($($of:ident::$method:ident,)+) => {
        $(impl $of for Compound<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close();
                Ok(())
            }
        })+
    };
}

arrays! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
}

impl SerializeStruct for Compound<'_> {
    type Ok = ();
    type Error = Error;

    #[inline(always)]
    #[expect(clippy::inline_always, reason = "as for `field`")]
    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.field(name, value)
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = Error;

    /// Keys are strings: of any other type, the line would be no JSON, which
    /// the schema's test would see.
    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.element(key)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.buffer.push(b':');
        value.serialize(Serializer::new(self.buffer))
    }

    fn end(self) -> Result<(), Error> {
        self.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use httparse::Header;
    use serde_json::{Value, json};

    use super::*;
    use crate::event::{Text, http::Headers};

    #[derive(Serialize)]
    enum Kind {
        Bare,
        Holds(u8),
    }

    #[derive(Serialize)]
    struct Newtype(i64);

    #[derive(Serialize)]
    struct All {
        numbers: (u8, i8, u16, i16, u32, i32, u64, i64),
        text: String,
        letter: char,
        is: [bool; 2],
        absent: Option<u8>,
        present: Option<&'static str>,
        kinds: Vec<Kind>,
        newtype: Newtype,
        map: BTreeMap<String, Vec<()>>,
        empty: BTreeMap<String, u8>,
        sent: Vec<Text<'static>>,
        fields: Headers<'static>,
    }

    fn written(value: &impl Serialize) -> String {
        let mut buffer = Vec::new();
        value.serialize(Serializer::new(&mut buffer)).unwrap();
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn it_is_what_serde_json_writes() {
        let all = All {
            numbers: (u8::MAX, i8::MIN, 0, i16::MIN, 10, i32::MIN, u64::MAX, i64::MIN),
            text: String::from("a\"b\\c\n\u{1}d é"),
            letter: '\t',
            is: [true, false],
            absent: None,
            present: Some(""),
            kinds: vec![Kind::Bare, Kind::Holds(3)],
            newtype: Newtype(-1),
            map: BTreeMap::from([(String::from("a\"b"), vec![(), ()]), (String::new(), vec![])]),
            empty: BTreeMap::new(),
            sent: [&b"plain"[..], b"a \"b\" \\c", "\"\u{e9}\"".as_bytes(), b"\"\xff\"", b""]
                .map(Text::from)
                .to_vec(),
            fields: Headers(&[
                Header { name: "Content-Type", value: b"text/html" },
                Header { name: "X-A-Long-Name-Of-A-Field", value: b"\"\\\"" },
                Header { name: "Via", value: b"\x80" },
                Header { name: "CONTENT-TYPE", value: b"" },
            ]),
        };
        assert_eq!(written(&all), serde_json::to_string(&all).unwrap());
        let value = json!({"a": [1, {"b": null}, [], {}], "c": "d"});
        assert_eq!(written(&value), value.to_string());
    }

    #[test]
    fn what_no_event_has_is_refused() {
        assert!(1.5_f64.serialize(Serializer::new(&mut Vec::new())).is_err());
        assert!(Value::from(1.5).serialize(Serializer::new(&mut Vec::new())).is_err());
    }
}
