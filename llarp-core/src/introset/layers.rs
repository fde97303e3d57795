//! The two layers of what is sealed: the outer one for whoever knows the address, the inner one for
//! clients that the owner names.
//!
//! ```text
//! outer   ┌──────────┬──────────────────────────────────────┐
//!         │ groups 1 │ contents, padding                    │   no groups: for everyone
//!         ├──────────┼──────────────┬─────────┬─────────────┤
//!         │ groups 1 │ ephemeral 32 │ locks … │ inner layer │   1 to 4 groups of 16 locks
//!         └──────────┴──────────────┴─────────┴─────────────┘
//! inner   contents, padding, sealed behind what stands before it in the outer layer
//! ```
//! Specification: `docs/spec/12-introsets.md` §5.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::bytes::{invalid, not_admitted};
use super::clients::{BadClients, LOCK_LEN, Locks, Readers, unlock};
use super::record::AROUND_LEN;
use super::{Introset, OpenError};
use crate::crypto::hash::{NetworkId, derive, label};
use crate::crypto::identity::{Address, X25519Secret};
use crate::crypto::seal::{SEAL_LEN, SealKey};
use crate::crypto::secret::Secret;
use crate::wire::limits::{CLIENT_GROUP, CLIENT_GROUPS_MAX, INTROSET_CONTENTS_MAX, RECORD_SIZES};
use crate::wire::{Reader, WireError, Writer};

/// Bytes of the outer layer in front of the contents or the inner layer.
const fn front_len(groups: u8) -> usize {
    match groups {
        0 => 1,
        groups => 1 + 32 + groups as usize * CLIENT_GROUP * LOCK_LEN,
    }
}

/// Bytes of a record with `groups` of locks: the smallest that holds every introset.
const fn record_size(groups: u8) -> usize {
    let [small, middle, large] = RECORD_SIZES;
    match groups {
        0 => small,
        1 => middle,
        _ => large,
    }
}

/// Bytes of the outer layer, opened, of a record with `groups` of locks.
const fn outer_len(groups: u8) -> usize {
    record_size(groups) - AROUND_LEN - SEAL_LEN
}

// Every introset fits, whoever may read it.
const _: () = assert!(front_len(0) + INTROSET_CONTENTS_MAX <= outer_len(0));
const _: () = assert!(front_len(1) + INTROSET_CONTENTS_MAX + SEAL_LEN <= outer_len(1));
const _: () = assert!(
    front_len(CLIENT_GROUPS_MAX) + INTROSET_CONTENTS_MAX + SEAL_LEN <= outer_len(CLIENT_GROUPS_MAX)
);

/// What both layers are bound to.
pub(super) struct Bound<'a> {
    pub(super) network: &'a NetworkId,
    pub(super) address: &'a Address,
    /// The record's bytes in front of what is sealed. The salt in it makes every key a new one.
    pub(super) head: &'a [u8],
}

impl Bound<'_> {
    /// Seals `contents` for `readers`.
    pub(super) fn seal(
        &self,
        contents: &[u8],
        readers: Readers<'_>,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, BadClients> {
        let groups = readers.groups()?;
        let mut front = vec![groups];
        let rest = match readers {
            Readers::Everyone => padded(contents, outer_len(groups) - front_len(groups)),
            Readers::Only(clients) => {
                let key = Secret::random(rng);
                let locks = Locks::make(self.network, self.head, clients, groups, &key, rng)?;
                front.extend_from_slice(&locks.ephemeral);
                front.extend_from_slice(locks.locks.as_flattened());
                let len = outer_len(groups) - front_len(groups) - SEAL_LEN;
                let sealed = self.inner(&key).seal(&front, &padded(contents, len));
                Zeroizing::new(sealed)
            }
        };
        let mut outer = Zeroizing::new(Vec::with_capacity(outer_len(groups)));
        outer.extend_from_slice(&front);
        outer.extend_from_slice(&rest);
        Ok(self.outer().seal(self.head, &outer))
    }

    /// Opens what was sealed, with the key `client` if there is one.
    pub(super) fn open(
        &self,
        sealed: &[u8],
        client: Option<&X25519Secret>,
    ) -> Result<Introset, OpenError> {
        let outer = self.outer().open(self.head, sealed);
        let outer = outer.map_err(|_| invalid("outer layer"))?;
        let (front, locked, rest) = split(&outer)?;
        let Some((ephemeral, locks)) = locked else {
            return Ok(Introset::decode(rest)?);
        };
        let client = client.ok_or(OpenError::NotAuthorized)?;
        let key = unlock(self.network, self.head, ephemeral, locks, client);
        let key = self.inner(&key.ok_or(OpenError::NotAuthorized)?);
        let inner = key.open(front, rest);
        Ok(Introset::decode(
            &inner.map_err(|_| invalid("inner layer"))?,
        )?)
    }

    fn outer(&self) -> SealKey {
        // Not a secret to everyone, but to everyone who does not know the address.
        let address = Secret::take(&mut { *self.address.key().as_bytes() });
        let label = label::INTROSET_OUTER_KEY;
        SealKey::new(derive(&address, label, self.network, &[self.head]))
    }

    fn inner(&self, key: &Secret<32>) -> SealKey {
        let label = label::INTROSET_INNER_KEY;
        SealKey::new(derive(key, label, self.network, &[self.head]))
    }
}

/// The ephemeral key and the locks.
type Locked<'a> = Option<(&'a [u8; 32], &'a [u8])>;

/// What stands in front, the locks if there are any, and the rest.
fn split(outer: &[u8]) -> Result<(&[u8], Locked<'_>, &[u8]), WireError> {
    let mut reader = Reader::new(outer);
    let locked = match reader.u8("groups")? {
        0 => None,
        groups if groups <= CLIENT_GROUPS_MAX => {
            let ephemeral = reader.array("ephemeral key")?;
            let len = usize::from(groups) * CLIENT_GROUP * LOCK_LEN;
            Some((ephemeral, reader.bytes("locks", len)?))
        }
        got => return Err(not_admitted("groups", got)),
    };
    let rest = reader.rest();
    let front = outer.get(..outer.len() - rest.len()).unwrap_or_default();
    Ok((front, locked, rest))
}

/// `contents` and zeros behind them: `len` bytes, which is never less than contents have.
fn padded(contents: &[u8], len: usize) -> Zeroizing<Vec<u8>> {
    let mut bytes = Zeroizing::new(vec![0; len]);
    let written = Writer::new(&mut bytes).bytes("contents", contents);
    debug_assert_eq!(written, Ok(()), "every introset fits");
    bytes
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::crypto::identity::{RelayId, SecretKey};
    use crate::crypto::kem::KemSecret;
    use crate::introset::{ClientKey, Cookie, DeviceSlots, Introducer, SessionKeys};

    fn rng() -> ChaCha20Rng {
        ChaCha20Rng::seed_from_u64(1)
    }

    fn contents() -> Introset {
        Introset {
            slots: DeviceSlots(1),
            keys: SessionKeys {
                x25519: [1; 32],
                kem: KemSecret::generate(&mut rng()).public().clone(),
                until: 5,
            },
            work: None,
            introducers: vec![Introducer {
                relay: RelayId([2; 32]),
                cookie: Cookie([3; 32]),
                until: 4,
            }],
            extension: Vec::new(),
        }
    }

    #[test]
    fn only_the_address_network_and_head_that_it_was_sealed_under_open_it() {
        let (network, other_network) = (NetworkId([1; 32]), NetworkId([2; 32]));
        let mut rng = rng();
        let [address, stranger] = [(); 2].map(|()| SecretKey::generate(&mut rng).address());
        let client = X25519Secret::new(Secret::random(&mut rng));
        let named = [ClientKey::from(&client)];
        let (said, head) = (contents(), [7; 179]);
        let bound = Bound {
            network: &network,
            address: &address,
            head: &head,
        };
        for readers in [Readers::Everyone, Readers::Only(&named)] {
            let plain = said.encode().unwrap();
            let sealed = bound.seal(&plain, readers, &mut rng).unwrap();
            let opened = |network, address, head: &[u8]| {
                Bound {
                    network,
                    address,
                    head,
                }
                .open(&sealed, Some(&client))
            };
            let shut = Err(OpenError::Contents(invalid("outer layer")));
            assert_eq!(opened(&network, &address, &head), Ok(said.clone()));
            assert_eq!(opened(&network, &stranger, &head), shut);
            assert_eq!(opened(&other_network, &address, &head), shut);
            assert_eq!(opened(&network, &address, &[8; 179]), shut);
        }
    }

    #[test]
    fn locks_do_not_open_what_another_key_has_sealed() {
        // An owner's mistake, or its malice: the locks of one record in front of another one's contents.
        let (network, head) = (NetworkId([1; 32]), [7; 179]);
        let address = SecretKey::generate(&mut rng()).address();
        let bound = Bound {
            network: &network,
            address: &address,
            head: &head,
        };
        let client = X25519Secret::new(Secret::take(&mut [9; 32]));
        let named = [ClientKey::from(&client)];
        let (key, other) = (Secret::take(&mut [1; 32]), Secret::take(&mut [2; 32]));
        let locks = Locks::make(&network, &head, &named, 1, &key, &mut rng()).unwrap();
        let front = [&[1], &locks.ephemeral[..], locks.locks.as_flattened()].concat();
        let plain = contents().encode().unwrap();
        for (sealer, opens) in [(&key, true), (&other, false)] {
            let inner = bound.inner(sealer).seal(&front, &plain);
            let outer = bound.outer().seal(&head, &[&front[..], &inner].concat());
            assert_eq!(bound.open(&outer, Some(&client)).is_ok(), opens);
        }
    }

    #[test]
    fn bad_outer_layers_name_the_field() {
        let field = |outer: &[u8]| split(outer).unwrap_err().field;
        assert_eq!(field(&[]), "groups");
        assert_eq!(field(&[5; 3000]), "groups");
        assert_eq!(field(&[1; 32]), "ephemeral key");
        assert_eq!(field(&[1; front_len(1) - 1]), "locks");
        let whole = [4; front_len(4)];
        let (front, locked, rest) = split(&whole).unwrap();
        assert_eq!((front.len(), rest.len()), (front_len(4), 0));
        assert_eq!(locked.unwrap().1.len(), 64 * LOCK_LEN);
    }
}
