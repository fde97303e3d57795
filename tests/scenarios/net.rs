//! `TestNet` itself: it does what a test asks of it, twice alike, and its judges judge right.

mod compare;
mod links;
mod parties;
mod taps;
mod udp;
