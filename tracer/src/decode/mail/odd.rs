//! What is odd about the structure of mails.

/// What is odd about a mail's structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// Parts within parts beyond what is followed, which are not looked into.
    TooDeep,
    /// More attachments than are kept.
    TooManyAttachments,
    /// A part's header is longer than what is kept of it.
    HeaderTooLong,
    /// A multipart that does not say what separates its parts.
    NoBoundary,
    /// A multipart that does not end.
    Unclosed,
}

/// All of [`Odd`], with their anomalies' codes.
pub(super) const ODD: [(Odd, &str); 5] = [
    (Odd::TooDeep, "mime-too-deep"),
    (Odd::TooManyAttachments, "too-many-attachments"),
    (Odd::HeaderTooLong, "header-too-long"),
    (Odd::NoBoundary, "mime-no-boundary"),
    (Odd::Unclosed, "mime-unclosed"),
];
