//! Packet protection: from a secret to AES-256-GCM and header keys. Specification: §3.

use aws_lc_rs::aead::quic::{AES_256, HeaderProtectionKey};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::BytesMut;
use quinn::ConnectionId;
use quinn::crypto::{CryptoError, HeaderKey, KeyPair, Keys, PacketKey};

use crate::crypto::hash::{Label, NetworkId, derive, label};
use crate::crypto::noise::Split;
use crate::crypto::secret::Secret;
use crate::wire::limits::TUNNEL_KEY_PACKETS;

/// Which side of a tunnel we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Caller,
    Callee,
}

/// The secrets of both directions, seen from one side.
#[derive(Debug)]
pub(super) struct Secrets {
    network: NetworkId,
    local: Secret<32>,
    remote: Secret<32>,
}

impl Secrets {
    /// The secrets of the first packets. Anyone who sees the connection id computes them: they
    /// keep nothing secret, and make the packets look like all others.
    pub(super) fn initial(network: NetworkId, cid: &ConnectionId, side: Side) -> Self {
        let known = Secret::take(&mut [0; 32]);
        let of = |who: u8| derive(&known, label::TUNNEL_INITIAL, &network, &[cid, &[who]]);
        Self::seen_from(side, network, of(0), of(1))
    }

    /// The secrets of a finished handshake that `label` names.
    pub(super) fn after(split: &Split, label: Label, network: NetworkId, side: Side) -> Self {
        let up = derive(&split.to_responder, label, &network, &[]);
        let down = derive(&split.to_initiator, label, &network, &[]);
        Self::seen_from(side, network, up, down)
    }

    fn seen_from(side: Side, network: NetworkId, up: Secret<32>, down: Secret<32>) -> Self {
        let (local, remote) = match side {
            Side::Caller => (up, down),
            Side::Callee => (down, up),
        };
        Self {
            network,
            local,
            remote,
        }
    }

    /// Keys for packets and their headers.
    pub(super) fn keys(&self) -> Keys {
        Keys {
            header: KeyPair {
                local: Box::new(Header::new(&self.local, &self.network)),
                remote: Box::new(Header::new(&self.remote, &self.network)),
            },
            packet: self.packets(),
        }
    }

    /// Replaces the secrets by their successors, from which they cannot be computed, and gives the
    /// new keys.
    pub(super) fn advance(&mut self) -> KeyPair<Box<dyn PacketKey>> {
        let next = |secret: &Secret<32>| derive(secret, label::TUNNEL_NEXT, &self.network, &[]);
        let (local, remote) = (next(&self.local), next(&self.remote));
        (self.local, self.remote) = (local, remote);
        self.packets()
    }

    fn packets(&self) -> KeyPair<Box<dyn PacketKey>> {
        KeyPair {
            local: Box::new(Packet::new(&self.local, &self.network)),
            remote: Box::new(Packet::new(&self.remote, &self.network)),
        }
    }
}

struct Packet {
    key: LessSafeKey,
    mask: [u8; 12],
}

impl Packet {
    #[expect(clippy::expect_used, reason = "32 bytes are a key of AES-256")]
    fn new(secret: &Secret<32>, network: &NetworkId) -> Self {
        let key = derive(secret, label::TUNNEL_PACKET_KEY, network, &[]);
        let key = UnboundKey::new(&AES_256_GCM, key.expose()).expect("32 bytes are a key");
        let mask = derive(secret, label::TUNNEL_PACKET_IV, network, &[]);
        Self {
            key: LessSafeKey::new(key),
            mask: *mask.expose().first_chunk().unwrap_or(&[0; 12]),
        }
    }

    fn nonce(&self, packet: u64) -> Nonce {
        let number = (u128::from(packet) << 32).to_be_bytes();
        let mut nonce = self.mask;
        // The number in the last eight bytes: u128 ≪ 32 puts it in bytes 4 to 12 of sixteen.
        for (byte, number) in nonce.iter_mut().zip(number) {
            *byte ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }
}

impl PacketKey for Packet {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        let Some((header, rest)) = buf.split_at_mut_checked(header_len) else {
            return;
        };
        let Some((payload, space)) = rest.split_last_chunk_mut::<TAG_LEN>() else {
            return;
        };
        let nonce = self.nonce(packet);
        let tag = (self.key).seal_in_place_separate_tag(nonce, Aad::from(&*header), payload);
        match tag {
            Ok(tag) => space.copy_from_slice(tag.as_ref()),
            // Cannot be: a packet is far below what GCM takes. It leaves as zeros, never in clear.
            Err(_) => rest.fill(0),
        }
    }

    fn decrypt(
        &self,
        packet: u64,
        header: &[u8],
        payload: &mut BytesMut,
    ) -> Result<(), CryptoError> {
        let opened = (self.key).open_in_place(self.nonce(packet), Aad::from(header), payload);
        let len = opened.map_err(|_| CryptoError)?.len();
        payload.truncate(len);
        Ok(())
    }

    fn tag_len(&self) -> usize {
        TAG_LEN
    }

    fn confidentiality_limit(&self) -> u64 {
        TUNNEL_KEY_PACKETS
    }

    /// RFC 9001 §6.6, for AES-GCM.
    fn integrity_limit(&self) -> u64 {
        1 << 52
    }
}

const TAG_LEN: usize = 16;

struct Header(HeaderProtectionKey);

impl Header {
    #[expect(clippy::expect_used, reason = "32 bytes are a key of AES-256")]
    fn new(secret: &Secret<32>, network: &NetworkId) -> Self {
        let key = derive(secret, label::TUNNEL_HEADER_KEY, network, &[]);
        Self(HeaderProtectionKey::new(&AES_256, key.expose()).expect("32 bytes are a key"))
    }

    /// RFC 9001 §5.4.1. The packet number's length is read before, or after, its byte is masked.
    fn mask(&self, pn_offset: usize, packet: &mut [u8], encrypt: bool) -> Option<()> {
        let sample = packet.get(pn_offset + 4..pn_offset + 4 + self.sample_size())?;
        let [first_mask, mask @ ..] = self.0.new_mask(sample).ok()?;
        let first = packet.first_mut()?;
        let bits = if *first & 0x80 == 0 { 0x1f } else { 0x0f };
        let clear = if encrypt {
            *first
        } else {
            *first ^ (first_mask & bits)
        };
        *first ^= first_mask & bits;
        let len = usize::from(clear & 0x03) + 1;
        let number = packet.get_mut(pn_offset..pn_offset + len)?;
        for (byte, mask) in number.iter_mut().zip(mask) {
            *byte ^= mask;
        }
        Some(())
    }
}

impl HeaderKey for Header {
    fn decrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        // QUIC has checked the length; a packet that is too short stays as it is and does not open.
        let _ = self.mask(pn_offset, packet, false);
    }

    fn encrypt(&self, pn_offset: usize, packet: &mut [u8]) {
        let _ = self.mask(pn_offset, packet, true);
    }

    fn sample_size(&self) -> usize {
        16
    }
}
