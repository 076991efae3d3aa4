//! Writes events: text rows or JSON lines.
