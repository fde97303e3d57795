//! The table over real sockets, in real time: libp2p's timers follow no virtual clock. What needs
//! hours is tested beside the records, which take the time as an argument.

mod introsets;
mod liars;
mod life;
mod places;
mod support;
