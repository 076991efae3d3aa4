//! What peers do wrong in HTTP.

/// A kind of anomaly in a head or a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Odd {
    /// The head is longer than what a stream may hold.
    HeadTooLong,
    /// More header fields than are told of.
    TooManyHeaders,
    /// A line of the head that is no header field.
    InvalidHeader,
    /// Space between a field's name and its colon (RFC 9112 section 5.1).
    SpaceBeforeColon,
    /// A folded header field (RFC 9112 section 5.2).
    ObsFold,
    /// A line of the head that ends in LF alone (RFC 9112 section 2.2).
    BareLf,
    /// A CR within a field's value; what stands behind it is not shown
    /// (RFC 9112 section 2.2).
    BareCr,
    /// Content-Length twice, with different values (RFC 9112 section 6.3).
    ContentLengthConflict,
    /// Content-Length that is no number (RFC 9112 section 6.3).
    InvalidContentLength,
    /// Content-Length beside Transfer-Encoding (RFC 9112 section 6.1).
    ContentLengthWithTransferEncoding,
    /// `chunked` twice or not last, or a request whose last encoding is
    /// another (RFC 9112 sections 6.1 and 6.3).
    InvalidTransferEncoding,
    /// Transfer-Encoding before HTTP/1.1 (RFC 9112 section 6.1).
    TransferEncodingInOldVersion,
    /// A chunk's size is no number, or too large a one (RFC 9112 section 7.1).
    InvalidChunkSize,
    /// Something else than a line's end stands behind a chunk's data.
    InvalidChunkEnd,
    /// The line of a chunk's size is longer than any extension is.
    ChunkLineTooLong,
    /// The bytes begin no message of HTTP/1.
    NotHttp,
    /// A request line without a version, as HTTP/0.9 had them.
    NoVersion,
    /// A version other than HTTP/1.0 and HTTP/1.1.
    UnknownVersion,
    /// More requests wait for their responses than are remembered.
    PipelineTooLong,
}

impl Odd {
    const ALL: [Self; 19] = [
        Self::HeadTooLong,
        Self::TooManyHeaders,
        Self::InvalidHeader,
        Self::SpaceBeforeColon,
        Self::ObsFold,
        Self::BareLf,
        Self::BareCr,
        Self::ContentLengthConflict,
        Self::InvalidContentLength,
        Self::ContentLengthWithTransferEncoding,
        Self::InvalidTransferEncoding,
        Self::TransferEncodingInOldVersion,
        Self::InvalidChunkSize,
        Self::InvalidChunkEnd,
        Self::ChunkLineTooLong,
        Self::NotHttp,
        Self::NoVersion,
        Self::UnknownVersion,
        Self::PipelineTooLong,
    ];

    /// The value of `tracer.anomaly.code`.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::HeadTooLong => "head-too-long",
            Self::TooManyHeaders => "too-many-headers",
            Self::InvalidHeader => "invalid-header",
            Self::SpaceBeforeColon => "space-before-colon",
            Self::ObsFold => "obs-fold",
            Self::BareLf => "bare-lf",
            Self::BareCr => "bare-cr",
            Self::ContentLengthConflict => "content-length-conflict",
            Self::InvalidContentLength => "invalid-content-length",
            Self::ContentLengthWithTransferEncoding => "content-length-with-transfer-encoding",
            Self::InvalidTransferEncoding => "invalid-transfer-encoding",
            Self::TransferEncodingInOldVersion => "transfer-encoding-in-old-version",
            Self::InvalidChunkSize => "invalid-chunk-size",
            Self::InvalidChunkEnd => "invalid-chunk-end",
            Self::ChunkLineTooLong => "chunk-line-too-long",
            Self::NotHttp => "not-http",
            Self::NoVersion => "no-version",
            Self::UnknownVersion => "unknown-version",
            Self::PipelineTooLong => "pipeline-too-long",
        }
    }
}

/// The anomalies of one message, each once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities(u32);

impl Oddities {
    /// Adds one.
    pub(super) const fn insert(&mut self, odd: Odd) {
        self.0 |= 1 << odd as u8;
    }

    /// Adds all of the other's.
    pub(super) const fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// All of them, in the order in which they are declared.
    pub(super) fn iter(self) -> impl Iterator<Item = Odd> {
        Odd::ALL.into_iter().filter(move |odd| self.0 & (1 << *odd as u8) != 0)
    }
}
