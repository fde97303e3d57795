//! Client authorization: the contents' key, locked up for each client that the owner names.
//!
//! ```text
//! ┌──────────────┬──────────────────────────────────────────────┐
//! │ ephemeral 32 │ locks, 48 each, in groups of 16, ascending   │
//! └──────────────┴──────────────────────────────────────────────┘
//! lock   the contents' key 32, sealed under derive(DH(ephemeral, client), …)
//! ```
//! Locks of nobody are random bytes, and all are sorted: neither number nor order of the clients shows.
//! A client tries each. Specification: `docs/spec/12-introsets.md` §6.

use core::fmt;

use rand_core::CryptoRng;

use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::X25519Secret;
use crate::crypto::seal::{SEAL_LEN, SealKey};
use crate::crypto::secret::Secret;
use crate::wire::limits::{CLIENT_GROUP, CLIENT_GROUPS_MAX};

/// Bytes of a lock.
pub(super) const LOCK_LEN: usize = 32 + SEAL_LEN;

/// The public half of the key with which a client opens introsets that name it: made by the client
/// for this one identity, and given to its owner by some other way.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClientKey(pub [u8; 32]);

impl From<&X25519Secret> for ClientKey {
    fn from(secret: &X25519Secret) -> Self {
        Self(secret.public())
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientKey(redacted)")
    }
}

/// Who may read an introset.
#[derive(Debug, Clone, Copy)]
pub enum Readers<'a> {
    /// Whoever knows the address.
    Everyone,
    /// Of those, only whoever has one of these keys: at most 64, and nobody if there are none.
    Only(&'a [ClientKey]),
}

/// Clients that cannot be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadClients {
    TooMany,
    /// A key of small order.
    Key {
        index: usize,
    },
}

impl Readers<'_> {
    /// Groups of locks that their introset has.
    pub(super) fn groups(&self) -> Result<u8, BadClients> {
        let Self::Only(clients) = self else {
            return Ok(0);
        };
        // None are one group, too: an introset without locks is for everyone.
        let groups = clients.len().div_ceil(CLIENT_GROUP).max(1);
        u8::try_from(groups)
            .ok()
            .filter(|groups| *groups <= CLIENT_GROUPS_MAX)
            .ok_or(BadClients::TooMany)
    }
}

/// Locks of one record.
pub(super) struct Locks {
    pub(super) ephemeral: [u8; 32],
    pub(super) locks: Vec<[u8; LOCK_LEN]>,
}

impl Locks {
    /// Locks `key` up for `clients`, in `groups` of locks, bound to a record's `head`.
    pub(super) fn make(
        network: &NetworkId,
        head: &[u8],
        clients: &[ClientKey],
        groups: u8,
        key: &Secret<32>,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, BadClients> {
        let secret = X25519Secret::new(Secret::random(rng));
        let ephemeral = secret.public();
        let mut locks = Vec::with_capacity(usize::from(groups) * CLIENT_GROUP);
        for (index, client) in clients.iter().enumerate() {
            let shared = secret.agree(&client.0);
            let shared = shared.ok_or(BadClients::Key { index })?;
            let lock = lock_key(network, head, &ephemeral, client, &shared).seal(&[], key.expose());
            locks.push(lock.try_into().unwrap_or([0; LOCK_LEN]));
        }
        locks.resize_with(usize::from(groups) * CLIENT_GROUP, || {
            let mut noise = [0; LOCK_LEN];
            rng.fill_bytes(&mut noise);
            noise
        });
        locks.sort_unstable();
        Ok(Self { ephemeral, locks })
    }
}

/// The contents' key in one of `locks`, if one is `secret`'s.
pub(super) fn unlock(
    network: &NetworkId,
    head: &[u8],
    ephemeral: &[u8; 32],
    locks: &[u8],
    secret: &X25519Secret,
) -> Option<Secret<32>> {
    let shared = secret.agree(ephemeral)?;
    let key = lock_key(network, head, ephemeral, &secret.into(), &shared);
    let (locks, _) = locks.as_chunks::<LOCK_LEN>();
    let opened = locks.iter().find_map(|lock| key.open(&[], lock).ok())?;
    let mut bytes = *opened.first_chunk::<32>()?;
    Some(Secret::take(&mut bytes))
}

fn lock_key(
    network: &NetworkId,
    head: &[u8],
    ephemeral: &[u8; 32],
    client: &ClientKey,
    shared: &Secret<32>,
) -> SealKey {
    let parts: [&[u8]; 3] = [head, ephemeral, &client.0];
    SealKey::new(derive(shared, label::INTROSET_CLIENT_KEY, network, &parts))
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn neither_number_nor_order_of_clients_shows_in_the_locks() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let network = NetworkId([1; 32]);
        let secrets: Vec<_> = (0..16)
            .map(|_| X25519Secret::new(Secret::random(&mut rng)))
            .collect();
        let keys: Vec<_> = secrets.iter().map(ClientKey::from).collect();
        let key = Secret::take(&mut [2; 32]);
        for count in [0, 1, 16] {
            let clients = &keys[..count];
            let made = Locks::make(&network, &[], clients, 1, &key, &mut rng).unwrap();
            assert_eq!(made.locks.len(), CLIENT_GROUP);
            assert!(made.locks.is_sorted());
            let opens = |secret: &&X25519Secret| {
                let locks = made.locks.as_flattened();
                unlock(&network, &[], &made.ephemeral, locks, secret) == Some(key.clone())
            };
            assert_eq!(secrets.iter().filter(opens).count(), count);
        }
    }
}
