//! What peers do wrong in HTTP.

use crate::{
    decode::{Out, redact},
    event::{Side, Text, Timestamp},
};

/// Bytes of an anomaly's detail: enough for a list of numbers or codings.
const DETAIL_LIMIT: usize = 64;

/// Makes the anomalies, their codes, and the order in which they are told.
macro_rules! odd {
    ($($(#[$documentation:meta])* $name:ident => $code:literal,)+) => {
        /// A kind of anomaly in a head or a body.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Odd {
            $($(#[$documentation])* $name,)+
        }

        impl Odd {
            const ALL: &[Self] = &[$(Self::$name,)+];

            /// The value of `tracer.anomaly.code`.
            pub(super) const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)+
                }
            }
        }
    };
}

odd! {
    /// The head is longer than what a stream may hold.
    HeadTooLong => "head-too-long",
    /// More header fields than are told of.
    TooManyHeaders => "too-many-headers",
    /// White space in the start line other than one space between its parts
    /// (RFC 9112 section 3).
    SpaceInStartLine => "space-in-start-line",
    /// A request line without a target (RFC 9112 section 3).
    MissingTarget => "missing-target",
    /// A line of the head that is no header field.
    InvalidHeader => "invalid-header",
    /// Space between a field's name and its colon (RFC 9112 section 5.1).
    SpaceBeforeColon => "space-before-colon",
    /// A folded header field (RFC 9112 section 5.2).
    ObsFold => "obs-fold",
    /// A line of the head or of a chunk's size that ends in LF alone
    /// (RFC 9112 sections 2.2 and 7.1).
    BareLf => "bare-lf",
    /// A CR within a line; what stands behind it in a field's value is not
    /// shown (RFC 9112 section 2.2).
    BareCr => "bare-cr",
    /// A NUL in a field (RFC 9110 section 5.5).
    NulInHeader => "nul-in-header",
    /// Another control character in a field (RFC 9110 section 5.5).
    ControlInHeader => "control-in-header",
    /// A request of HTTP/1.1 without Host (RFC 9112 section 3.2).
    MissingHost => "missing-host",
    /// Host twice (RFC 9112 section 3.2).
    SeveralHosts => "several-hosts",
    /// Content-Length twice, or a list, with equal values (RFC 9110 section
    /// 8.6).
    RepeatedContentLength => "repeated-content-length",
    /// Content-Length twice, with different values (RFC 9112 section 6.3).
    ContentLengthConflict => "content-length-conflict",
    /// Content-Length that is no number (RFC 9112 section 6.3).
    InvalidContentLength => "invalid-content-length",
    /// Content-Length beside Transfer-Encoding (RFC 9112 section 6.1).
    ContentLengthWithTransferEncoding => "content-length-with-transfer-encoding",
    /// A transfer coding that nobody has registered (RFC 9112 section 7).
    UnknownTransferCoding => "unknown-transfer-coding",
    /// `chunked` twice or not last, or a request whose last encoding is
    /// another (RFC 9112 sections 6.1 and 6.3).
    InvalidTransferEncoding => "invalid-transfer-encoding",
    /// Transfer-Encoding before HTTP/1.1 (RFC 9112 section 6.1).
    TransferEncodingInOldVersion => "transfer-encoding-in-old-version",
    /// Fields that frame a body, in a response that has none (RFC 9110
    /// section 8.6, RFC 9112 section 6.1).
    UnexpectedFraming => "unexpected-framing",
    /// A chunk's size is no number, or too large a one (RFC 9112 section 7.1).
    InvalidChunkSize => "invalid-chunk-size",
    /// Something else than a line's end stands behind a chunk's data.
    InvalidChunkEnd => "invalid-chunk-end",
    /// The line of a chunk's size is longer than any extension is.
    ChunkLineTooLong => "chunk-line-too-long",
    /// A trailer section of which the end is not told.
    TrailerTooLong => "trailer-too-long",
    /// A field that frames or routes, in a trailer section (RFC 9110 section
    /// 6.5.1).
    ForbiddenTrailer => "forbidden-trailer",
    /// The bytes begin no message of HTTP/1.
    NotHttp => "not-http",
    /// A request line without a version, as HTTP/0.9 had them.
    NoVersion => "no-version",
    /// A version other than HTTP/1.0 and HTTP/1.1.
    UnknownVersion => "unknown-version",
    /// 101 to a request that offered no other protocol (RFC 9110 section
    /// 15.2.2).
    UnaskedUpgrade => "unasked-upgrade",
    /// More responses than requests (RFC 9112 section 9.2).
    UnaskedResponse => "unasked-response",
    /// More requests wait for their responses than are remembered.
    PipelineTooLong => "pipeline-too-long",
    /// What an exchange would say is longer than what is kept for exchanges.
    ExchangeTooLong => "exchange-too-long",
}

const _: () = assert!(Odd::ALL.len() <= u64::BITS as usize, "each has a bit");

/// The anomalies of one message, each once, with the detail of its first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Oddities {
    bits: u64,
    details: Vec<(Odd, Vec<u8>)>,
}

impl Oddities {
    /// Whether nothing was odd.
    pub(super) const fn is_empty(&self) -> bool {
        self.bits == 0
    }

    /// Adds one.
    pub(super) const fn insert(&mut self, odd: Odd) {
        self.bits |= 1 << odd as u8;
    }

    /// Adds one that is about these bytes.
    pub(super) fn insert_of(&mut self, odd: Odd, bytes: &[u8]) {
        if !self.has(odd) {
            let shown = redact::text(bytes);
            let shown = shown.get(..DETAIL_LIMIT).unwrap_or(&shown);
            if !shown.is_empty() {
                self.details.push((odd, shown.to_vec()));
            }
        }
        self.insert(odd);
    }

    /// Adds all of the other's.
    pub(super) fn extend(&mut self, other: Self) {
        let (has, others) = (self.bits, other.details.into_iter());
        self.details.extend(others.filter(|(odd, _)| has & (1 << *odd as u8) == 0));
        self.bits |= other.bits;
    }

    const fn has(&self, odd: Odd) -> bool {
        self.bits & (1 << odd as u8) != 0
    }

    /// Tells of all of them, in the order in which they are declared.
    pub(super) fn tell(&self, side: Side, time: Timestamp, out: &mut Out<'_>) {
        if self.bits == 0 {
            return;
        }
        for odd in Odd::ALL.iter().filter(|odd| self.has(**odd)) {
            let detail = self.details.iter().find(|(of, _)| of == odd);
            let detail = detail.map(|(_, detail)| Text::from(detail.as_slice()));
            out.anomaly(side, time, odd.code(), detail);
        }
    }

    /// Tells of those that `told` does not have yet, and adds them to it.
    pub(super) fn tell_new(
        &mut self,
        told: &mut Self,
        side: Side,
        time: Timestamp,
        out: &mut Out<'_>,
    ) {
        self.bits &= !told.bits;
        self.tell(side, time, out);
        told.bits |= self.bits;
        *self = Self::default();
    }

    /// Bytes held on the heap.
    pub(super) fn held(&self) -> usize {
        let details = self.details.iter().map(|(_, detail)| detail.capacity()).sum::<usize>();
        self.details.capacity() * size_of::<(Odd, Vec<u8>)>() + details
    }
}
