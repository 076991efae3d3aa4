//! Header fields with bytes of their own.

use std::ops::Range;

use httparse::Header;

/// Header fields that outlive the bytes in which they stood.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    bytes: Vec<u8>,
    spans: Vec<(Range<usize>, Range<usize>)>,
}

impl Fields {
    /// A copy of these fields.
    pub(super) fn of(headers: &[Header<'_>]) -> Self {
        let length = headers.iter().map(|header| header.name.len() + header.value.len()).sum();
        let mut fields =
            Self { bytes: Vec::with_capacity(length), spans: Vec::with_capacity(headers.len()) };
        for header in headers {
            fields.push(header.name, header.value);
        }
        fields
    }

    /// Adds a field.
    pub(super) fn push(&mut self, name: &str, value: &[u8]) {
        let name = self.append(name.as_bytes());
        let value = self.append(value);
        self.spans.push((name, value));
    }

    /// Adds to the value of the last field.
    pub(super) fn extend_last(&mut self, value: &[u8]) {
        let end = self.append(value).end;
        if let Some((_, value)) = self.spans.last_mut() {
            value.end = end;
        }
    }

    fn append(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }

    /// All fields, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        self.spans.iter().filter_map(|(name, value)| {
            let name = str::from_utf8(self.bytes.get(name.clone())?).ok()?;
            Some(Header { name, value: self.bytes.get(value.clone())? })
        })
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        self.bytes.capacity() + self.spans.capacity() * size_of::<(Range<usize>, Range<usize>)>()
    }
}
