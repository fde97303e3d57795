//! The handshakes of hops and tunnels against cacophony's vector, both sides byte for byte.

use core::convert::Infallible;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use llarp_core::crypto::identity::X25519Secret;
use llarp_core::crypto::noise::{
    HandshakeFailed, Initiator, OVERHEAD, PATTERN, PATTERN_NK, Psk, Responder, Split, StaticKey,
};
use llarp_core::crypto::secret::Secret;
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use super::{Bytes, Hex, secret, vectors};

#[derive(Deserialize)]
struct Vector {
    protocol_name: String,
    prologue: Bytes,
    psk: Option<Hex<32>>,
    init_ephemeral: Hex<32>,
    init_remote_static: Hex<32>,
    resp_static: Hex<32>,
    resp_ephemeral: Hex<32>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    payload: Bytes,
    ciphertext: Bytes,
}

/// Gives out the vector's ephemeral key, once and whole.
struct OneKey(Option<[u8; 32]>);

impl TryRng for OneKey {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("a handshake draws its ephemeral key and nothing else")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("a handshake draws its ephemeral key and nothing else")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        bytes.copy_from_slice(&self.0.take().expect("one draw"));
        Ok(())
    }
}

impl TryCryptoRng for OneKey {}

impl Vector {
    /// The hop's, then the tunnel's.
    fn published() -> [Self; 2] {
        let mut hop = vectors(include_str!("noise_nkpsk0.json"), 1);
        let mut tunnel = vectors(include_str!("noise_nk.json"), 1);
        [hop.pop().unwrap(), tunnel.pop().unwrap()]
    }

    fn psk(&self) -> Option<Psk> {
        self.psk.as_ref().map(|psk| Psk::new(secret(psk.0)))
    }

    fn start(&self) -> (Initiator, Vec<u8>) {
        let [first, ..] = &self.messages[..] else {
            panic!("the vector has messages")
        };
        let mut message = vec![0; first.payload.0.len() + OVERHEAD];
        let (remote, prologue) = (&self.init_remote_static.0, &self.prologue.0);
        let mut rng = OneKey(Some(self.init_ephemeral.0));
        let payload = &first.payload.0;
        let initiator = match self.psk() {
            Some(psk) => Initiator::start(remote, &psk, prologue, payload, &mut message, &mut rng),
            None => Initiator::start_nk(remote, prologue, payload, &mut message, &mut rng),
        };
        (initiator.unwrap(), message)
    }

    fn open(&self, message: &[u8]) -> Result<(Responder, Vec<u8>), HandshakeFailed> {
        let mut payload = vec![0; message.len() - OVERHEAD];
        let key = StaticKey::new(&X25519Secret::new(secret(self.resp_static.0)));
        let prologue = &self.prologue.0;
        let mut rng = OneKey(Some(self.resp_ephemeral.0));
        let responder = match self.psk() {
            Some(psk) => Responder::open(&key, &psk, prologue, message, &mut payload, &mut rng),
            None => Responder::open_nk(&key, prologue, message, &mut payload, &mut rng),
        }?;
        Ok((responder, payload))
    }

    /// Runs the handshake, comparing each byte with the vector.
    fn run(&self) -> [Split; 2] {
        let [first, second, ..] = &self.messages[..] else {
            panic!("the vector has a handshake")
        };
        let (initiator, message) = self.start();
        assert_eq!(message, first.ciphertext.0);
        let (responder, payload) = self.open(&message).unwrap();
        assert_eq!(payload, first.payload.0);

        let mut answer = vec![0; second.payload.0.len() + OVERHEAD];
        let theirs = responder.answer(&second.payload.0, &mut answer).unwrap();
        assert_eq!(answer, second.ciphertext.0);
        let mut payload = vec![0; second.payload.0.len()];
        let ours = initiator.finish(&answer, &mut payload).unwrap();
        assert_eq!(payload, second.payload.0);
        [ours, theirs]
    }
}

/// Opens a Noise transport message: nonce of four zero bytes and the little-endian count.
fn open_transport(key: &Secret<32>, count: u64, message: &[u8]) -> Vec<u8> {
    let mut nonce = Nonce::default();
    nonce[4..].copy_from_slice(&count.to_le_bytes());
    let cipher = ChaCha20Poly1305::new(key.expose().into());
    cipher.decrypt(&nonce, message).unwrap()
}

#[test]
fn the_handshake_agrees_with_the_published_vector_on_both_sides() {
    for (vector, pattern) in Vector::published().into_iter().zip([PATTERN, PATTERN_NK]) {
        assert_eq!(vector.protocol_name, pattern);
        let secret = X25519Secret::new(secret(vector.resp_static.0));
        assert_eq!(
            StaticKey::new(&secret).public(),
            &vector.init_remote_static.0
        );
        let [ours, theirs] = vector.run();
        assert_eq!(ours.to_responder, theirs.to_responder);
        assert_eq!(ours.to_initiator, theirs.to_initiator);
    }
}

#[test]
fn the_split_keys_open_the_published_transport_messages() {
    for vector in Vector::published() {
        the_split_opens(&vector);
    }
}

fn the_split_opens(vector: &Vector) {
    let [keys, _] = vector.run();
    let transport = &vector.messages[2..];
    assert_eq!(transport.len(), 4);
    for (count, both) in (0..).zip(transport.chunks(2)) {
        for (key, message) in [&keys.to_responder, &keys.to_initiator]
            .into_iter()
            .zip(both)
        {
            let payload = open_transport(key, count, &message.ciphertext.0);
            assert_eq!(payload, message.payload.0);
        }
    }
}

#[test]
fn every_flipped_bit_of_a_handshake_message_is_refused() {
    for vector in Vector::published() {
        flipped_bits_are_refused(&vector);
    }
}

fn flipped_bits_are_refused(vector: &Vector) {
    vector.run();
    let (request, answer) = (
        &vector.messages[0].ciphertext.0,
        &vector.messages[1].ciphertext.0,
    );
    for bit in 0..request.len() * 8 {
        let mut request = request.clone();
        request[bit / 8] ^= 1 << (bit % 8);
        assert!(vector.open(&request).is_err(), "request, bit {bit}");
    }
    for bit in 0..answer.len() * 8 {
        let mut answer = answer.clone();
        answer[bit / 8] ^= 1 << (bit % 8);
        let mut payload = vec![0; answer.len() - OVERHEAD];
        let (initiator, _) = vector.start();
        assert!(
            initiator.finish(&answer, &mut payload).is_err(),
            "answer, bit {bit}"
        );
    }
}
