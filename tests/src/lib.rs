//! What the tests of the whole tracer share: rebuilt packets and captures;
//! network namespaces, servers and clients that nobody here wrote, and tracer
//! itself as an operator runs it.
//!
//! Everything that a test starts or makes is a guard: it ends, and is removed,
//! when the guard goes, however the test went.

#![expect(clippy::missing_errors_doc, reason = "an error is a test that failed, and says why")]

pub mod annex;
pub mod capture;
pub mod conversation;
pub mod examples;
pub mod foreign;
pub mod host;
pub mod kernel;
pub mod live;
pub mod load;
pub mod machine;
pub mod namespace;
pub mod output;
pub mod packet;
pub mod program;
pub mod replay;
pub mod rings;
pub mod schema;
pub mod secret;
pub mod server;
pub mod slots;
pub mod topology;
pub mod transcript;
pub mod wait;
pub mod wire;
