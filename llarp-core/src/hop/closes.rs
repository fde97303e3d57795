//! Paths that are closed here, of which a neighbour is still to be told.

use std::collections::VecDeque;

use crate::cell::PathId;
use crate::wire::limits::{CLOSE_IDS_MAX, CLOSES_WAITING_MAX};

/// The paths' ids at that neighbour. The oldest are forgotten when there are too many: they are
/// the first to end by themselves.
#[derive(Debug, Default)]
pub struct Closes(VecDeque<PathId>);

impl Closes {
    /// A path more of which the neighbour is to be told.
    pub fn push(&mut self, path: PathId) {
        if self.0.len() >= CLOSES_WAITING_MAX {
            self.0.pop_front();
        }
        self.0.push_back(path);
    }

    /// As many as one message takes, the youngest first: they would live longest.
    pub fn take(&mut self) -> Vec<PathId> {
        let keep = self.0.len().saturating_sub(CLOSE_IDS_MAX);
        self.0.split_off(keep).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_neighbour_is_not_told_is_bounded_and_the_oldest_goes() {
        let mut closes = Closes::default();
        let id = |n: usize| PathId((n as u64).to_be_bytes());
        let all = CLOSES_WAITING_MAX + 1000;
        (0..all).for_each(|n| closes.push(id(n)));
        let mut told = Vec::new();
        loop {
            let message = closes.take();
            if message.is_empty() {
                break;
            }
            assert!(message.len() <= CLOSE_IDS_MAX);
            told.extend(message);
        }
        told.sort_unstable();
        assert_eq!(told, (1000..all).map(id).collect::<Vec<_>>());
    }
}
