//! Hashing and key derivation: BLAKE2b over a framed input, under one table of labels.
//!
//! Every hash, key, signature and Noise prologue of the project goes through [`hash()`], [`derive()`]
//! or [`frame()`], so that each carries its label and the network id, and no two uses ever hash the
//! same bytes. Specification: `docs/spec/01-crypto.md` §2.

use blake2::digest::array::ArraySize;
use blake2::digest::common::KeyInit;
use blake2::digest::consts::{U16, U32, U64};
use blake2::digest::typenum::{IsLessOrEqual, True};
use blake2::digest::{FixedOutput, Output, Update};
use blake2::{Blake2b, Blake2bMac};

use super::secret::Secret;

/// The network that a value belongs to: the same keys in another network give other bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NetworkId(pub [u8; 32]);

impl NetworkId {
    /// The id of the network that people call `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        Self(hash(
            label::NETWORK_NAME,
            &Self([0; 32]),
            &[name.as_bytes()],
        ))
    }
}

/// A domain-separation label, `llarp/1/<page>/<use>`: at most 255 bytes of ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label(&'static str);

impl Label {
    /// The label's text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Declares the labels and the table of all of them.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)+) => {
        /// The one table of labels. A use that is not in it does not exist.
        pub mod label {
            use super::Label;
            $($(#[$doc])* pub const $name: Label = Label($text);)+
            /// All of them, in the order of the specification.
            pub const ALL: &[Label] = &[$($name),+];
        }
    };
}

labels! {
    /// Network id from a network's name.
    NETWORK_NAME = "llarp/1/crypto/network-name";
    /// Blinding factor of the introset key of an epoch.
    BLIND_INTROSET = "llarp/1/crypto/blind-introset";
    /// Blinding factor of a mailbox key.
    BLIND_MAILBOX = "llarp/1/crypto/blind-mailbox";
    /// Nonce prefix of a blinded signing key.
    BLIND_NONCE = "llarp/1/crypto/blind-nonce";
    /// Id of a relay's onion keys.
    ONION_KEY_ID = "llarp/1/crypto/onion-key-id";
    /// Noise prologue of a hop's handshake.
    BUILD_PROLOGUE = "llarp/1/build/prologue";
    /// Noise psk from the KEM's shared secret.
    BUILD_PSK = "llarp/1/build/psk";
    /// Hash of the slots behind a hop's own.
    BUILD_SLOTS = "llarp/1/build/slots";
    /// Stream over a build message as it leaves a hop.
    BUILD_FWD = "llarp/1/build/build-fwd";
    /// Stream over a build reply as it leaves a hop.
    BUILD_BACK = "llarp/1/build/build-back";
    /// Hash of the reply slots behind a hop's own.
    BUILD_REPLY_SLOTS = "llarp/1/build/reply-slots";
    /// Name of a build in a relay's replay cache.
    BUILD_REPLAY = "llarp/1/build/replay";
    /// Tweak of the onion cipher, client to terminal.
    CELL_UP = "llarp/1/cell/up";
    /// Tweak of the onion cipher, terminal to client.
    CELL_DOWN = "llarp/1/cell/down";
    /// Key of the onion cipher, client to terminal.
    CELL_KEY_UP = "llarp/1/cell/key-up";
    /// Key of the onion cipher, terminal to client.
    CELL_KEY_DOWN = "llarp/1/cell/key-down";
    /// The network's mark in the name of a link's protocol.
    LINK_NETWORK = "llarp/1/link/network";
    /// Key of a relay's stateless resets.
    LINK_RESET_KEY = "llarp/1/link/reset-key";
    /// Seed of an endpoint's QUIC state machine.
    LINK_QUIC_SEED = "llarp/1/link/quic-seed";
    /// Connection ids of an endpoint.
    LINK_CONNECTION_ID = "llarp/1/link/connection-id";
    /// Generators of a relay's driver.
    RELAY_SEED = "llarp/1/relay/seed";
    /// Generators of a client's driver.
    CLIENT_SEED = "llarp/1/client/seed";
    /// Noise prologue of a tunnel to a terminal.
    TUNNEL_PROLOGUE = "llarp/1/tunnel/prologue";
    /// Secret of a tunnel's first packets, which anyone can compute.
    TUNNEL_INITIAL = "llarp/1/tunnel/initial";
    /// Secret of the packets that confirm a tunnel's handshake.
    TUNNEL_HANDSHAKE = "llarp/1/tunnel/handshake";
    /// First secret of a tunnel's data.
    TUNNEL_DATA = "llarp/1/tunnel/data";
    /// The secret that follows a secret.
    TUNNEL_NEXT = "llarp/1/tunnel/next";
    /// Key of packets under a secret.
    TUNNEL_PACKET_KEY = "llarp/1/tunnel/packet-key";
    /// Nonce mask of packets under a secret.
    TUNNEL_PACKET_IV = "llarp/1/tunnel/packet-iv";
    /// Key of packet headers under a secret.
    TUNNEL_HEADER_KEY = "llarp/1/tunnel/header-key";
    /// Ephemeral keys of a node's handshakes.
    TUNNEL_EPHEMERAL = "llarp/1/tunnel/ephemeral";
    /// Key of a node's stateless resets of tunnels.
    TUNNEL_RESET_KEY = "llarp/1/tunnel/reset-key";
    /// Seed of the QUIC state machine of a node's tunnels.
    TUNNEL_QUIC_SEED = "llarp/1/tunnel/quic-seed";
    /// Connection ids of a node's tunnels.
    TUNNEL_CONNECTION_ID = "llarp/1/tunnel/connection-id";
    /// Hash of a charter, which its successor names.
    REGISTRY_CHARTER = "llarp/1/registry/charter";
    /// Signature over a charter's hash, by authorities of its predecessor.
    REGISTRY_CHARTER_SIGNATURE = "llarp/1/registry/charter-signature";
    /// Hash of a snapshot, which its successor names.
    REGISTRY_SNAPSHOT = "llarp/1/registry/snapshot";
    /// Signature over a snapshot's hash.
    REGISTRY_SNAPSHOT_SIGNATURE = "llarp/1/registry/snapshot-signature";
    /// Hash of a family's name, which stands for it.
    REGISTRY_FAMILY = "llarp/1/registry/family";
    /// Signature of a relay over its descriptor.
    DIRECTORY_DESCRIPTOR = "llarp/1/directory/descriptor";
    /// Signature of a relay over its onion keys of one key epoch.
    DIRECTORY_KEY_SET = "llarp/1/directory/key-set";
    /// Hash of a document, by which sources are compared.
    DIRECTORY_HASH = "llarp/1/directory/hash";
    /// Hash of a bucket of documents.
    DIRECTORY_BUCKET = "llarp/1/directory/bucket";
    /// Draws of the machine that makes swarms.
    SWARM_DRAW = "llarp/1/swarm/draw";
    /// A mailbox's place on the ring.
    SWARM_MAILBOX = "llarp/1/swarm/mailbox";
    /// One try at a proof of work.
    WORK = "llarp/1/crypto/work";
    /// A record's place among the storers.
    INTROSET_LOCATION = "llarp/1/introset/location";
    /// Signature of a blinded key over the key that signs records.
    INTROSET_CERTIFICATE = "llarp/1/introset/certificate";
    /// Signature over a record.
    INTROSET_RECORD = "llarp/1/introset/record";
    /// The puzzle whose solution a record shows.
    INTROSET_WORK = "llarp/1/introset/work";
    /// Key of what only those who know the address can open.
    INTROSET_OUTER_KEY = "llarp/1/introset/outer-key";
    /// Key of what only clients that the owner names can open.
    INTROSET_INNER_KEY = "llarp/1/introset/inner-key";
    /// Key under which one client finds the key of the contents.
    INTROSET_CLIENT_KEY = "llarp/1/introset/client-key";
    /// Where the sequence numbers of an epoch begin.
    INTROSET_SEQUENCE = "llarp/1/introset/sequence";
    /// What a caller shows to an introducer.
    INTROSET_COOKIE = "llarp/1/introset/cookie";
}

/// BLAKE2b-256 of `parts` under `label` in `network`.
#[must_use]
pub fn hash(label: Label, network: &NetworkId, parts: &[&[u8]]) -> [u8; 32] {
    let mut state = Blake2b::<U32>::default();
    frame(label, network, parts, |bytes| state.update(bytes));
    state.finalize_fixed().into()
}

/// A 32-byte key from `key`: keyed BLAKE2b-256 of `parts` under `label` in `network`.
#[must_use]
pub fn derive(key: &Secret<32>, label: Label, network: &NetworkId, parts: &[&[u8]]) -> Secret<32> {
    let mut bytes: [u8; 32] = keyed::<U32>(key.expose(), label, network, parts).into();
    Secret::take(&mut bytes)
}

/// Sixteen bytes that name `parts` to whoever has `key`, and to nobody else.
#[must_use]
pub fn tag(key: &Secret<32>, label: Label, network: &NetworkId, parts: &[&[u8]]) -> [u8; 16] {
    keyed::<U16>(key.expose(), label, network, parts).into()
}

/// Feeds the framed input to `sink`: label length 1, label, network id 32, then for each part its
/// length 8 and its bytes. Injective: no two inputs give the same bytes.
pub fn frame(label: Label, network: &NetworkId, parts: &[&[u8]], mut sink: impl FnMut(&[u8])) {
    // No label is longer than 255 bytes; a test holds the table to that.
    let label_len = u8::try_from(label.0.len()).unwrap_or(u8::MAX);
    sink(&[label_len]);
    sink(label.0.as_bytes());
    sink(&network.0);
    for part in parts {
        sink(&(part.len() as u64).to_be_bytes());
        sink(part);
    }
}

/// The framed input as one byte string, for signatures and Noise prologues.
#[must_use]
pub fn framed(label: Label, network: &NetworkId, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame(label, network, parts, |part| bytes.extend_from_slice(part));
    bytes
}

#[expect(
    clippy::expect_used,
    reason = "BLAKE2b takes any key of up to 64 bytes; this has 32"
)]
fn keyed<Len>(
    key: &[u8; 32],
    label: Label,
    network: &NetworkId,
    parts: &[&[u8]],
) -> Output<Blake2bMac<Len>>
where
    Len: ArraySize + IsLessOrEqual<U64, Output = True>,
{
    let mut state = Blake2bMac::<Len>::new_from_slice(key).expect("32 bytes are a key");
    frame(label, network, parts, |bytes| state.update(bytes));
    state.finalize_fixed()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_unique_short_and_of_one_form() {
        let texts: HashSet<_> = label::ALL.iter().map(|label| label.as_str()).collect();
        assert_eq!(texts.len(), label::ALL.len());
        for text in texts {
            assert!(text.starts_with("llarp/1/") && text.len() < 256, "{text}");
            assert_eq!(text.split('/').count(), 4, "{text}");
        }
    }

    #[test]
    fn every_input_moves_the_output() {
        let net = NetworkId::from_name("test");
        let key = Secret::take(&mut [1; 32]);
        let base = derive(&key, label::CELL_KEY_UP, &net, &[b"ab", b"c"]);
        for other in [
            derive(&key, label::CELL_KEY_DOWN, &net, &[b"ab", b"c"]),
            derive(
                &key,
                label::CELL_KEY_UP,
                &NetworkId([0; 32]),
                &[b"ab", b"c"],
            ),
            derive(&key, label::CELL_KEY_UP, &net, &[b"a", b"bc"]),
            derive(&key, label::CELL_KEY_UP, &net, &[b"abc"]),
            derive(
                &Secret::take(&mut [2; 32]),
                label::CELL_KEY_UP,
                &net,
                &[b"ab", b"c"],
            ),
        ] {
            assert_ne!(base, other);
        }
    }
}
