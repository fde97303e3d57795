//! Connection ids of tunnels: unlinkable, and never answered when they are nobody's.

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::sync::Arc;

use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::secret::Secret;

const CID_LEN: usize = 8;

/// A keyed hash of a counter. An id that is of no open tunnel counts as invalid, so that QUIC is
/// silent: a reset would tell a terminal that two tunnels are one caller's, by sending an id of
/// the one, which is closed, over the path of the other.
#[derive(Clone)]
pub(super) struct Cids {
    key: Secret<32>,
    network: NetworkId,
    count: Arc<AtomicU64>,
}

impl Cids {
    pub(super) fn new(seed: &Secret<32>, network: NetworkId) -> Self {
        Self {
            key: derive(seed, label::TUNNEL_CONNECTION_ID, &network, &[]),
            network,
            count: Arc::default(),
        }
    }
}

impl ConnectionIdGenerator for Cids {
    fn generate_cid(&mut self) -> ConnectionId {
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let name = label::TUNNEL_CONNECTION_ID;
        let bytes = derive(&self.key, name, &self.network, &[&count]);
        ConnectionId::new(
            bytes
                .expose()
                .first_chunk::<CID_LEN>()
                .unwrap_or(&[0; CID_LEN]),
        )
    }

    fn validate(&self, _: &ConnectionId) -> Result<(), InvalidCid> {
        Err(InvalidCid)
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
