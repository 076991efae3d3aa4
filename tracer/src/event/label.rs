//! How a protocol is called in the output.

/// What a protocol is called in the output, and how a terminal sets it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Name in `network.protocol` and in `--port NAME=…`.
    pub name: &'static str,
    /// Name in the protocol column of a text row.
    pub column: &'static str,
    /// Colour of that column on a terminal.
    pub hue: Hue,
}

/// The colours of a terminal that say nothing of how well things go, as red and
/// yellow do, and can be read on dark and on light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hue {
    /// Green.
    Green,
    /// Blue.
    Blue,
    /// Magenta.
    Magenta,
    /// Cyan.
    Cyan,
}
