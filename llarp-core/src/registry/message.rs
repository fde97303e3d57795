//! What nodes ask each other about the directory, and answer.
//!
//! In: bytes of another node. Out: a [`Request`] or a [`Reply`] whose every count is bounded; and
//! back. *Not* here: who answers ([`super::Directory::answer`]) and who asks ([`super::sync`]).
//! Requests and replies are bodies of a link's request, or of a stream through a tunnel: each at
//! most 60 KiB. Specification: `docs/spec/10-directory.md` §7.

mod parts;
mod reply;
mod request;

pub use reply::{Head, Reply, SnapshotPart, TreeHead};
pub use request::{Request, SnapshotAsk};
