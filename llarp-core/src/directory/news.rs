//! What is to be told to other relays.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::registry::Document;
use crate::wire::limits::{DIRECTORY_MESSAGE_MAX, GOSSIP_NEWS_MAX};

/// Documents that wait to be offered to others.
#[derive(Debug, Default)]
pub(super) struct News {
    waiting: Mutex<Vec<Document>>,
    pub(super) there: Arc<Notify>,
}

impl News {
    /// Lets documents wait. Above [`GOSSIP_NEWS_MAX`] they are dropped: others compare.
    pub(super) fn push(&self, documents: impl IntoIterator<Item = Document>) {
        let mut waiting = self.waiting();
        for document in documents {
            if waiting.len() < GOSSIP_NEWS_MAX {
                waiting.push(document);
            }
        }
        if !waiting.is_empty() {
            self.there.notify_one();
        }
    }

    /// As many as one offer holds.
    pub(super) fn next_offer(&self) -> Vec<Document> {
        // Version, kind and count.
        let mut left = DIRECTORY_MESSAGE_MAX - 4;
        let mut waiting = self.waiting();
        let fit = waiting.iter().take_while(|document| {
            let rest = left.checked_sub(2 + document.encoded_len());
            left = rest.unwrap_or_default();
            rest.is_some()
        });
        let fit = fit.count();
        waiting.drain(..fit).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Document>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
