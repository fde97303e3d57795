//! The hop handshake against cacophony's vector, both sides byte for byte.

use core::convert::Infallible;

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use llarp_core::crypto::identity::X25519Secret;
use llarp_core::crypto::noise::{
    HandshakeFailed, Initiator, OVERHEAD, PATTERN, Psk, Responder, Split, StaticKey,
};
use llarp_core::crypto::secret::Secret;
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use super::{Bytes, Hex, secret, vectors};

#[derive(Deserialize)]
struct Vector {
    protocol_name: String,
    prologue: Bytes,
    psk: Hex<32>,
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
    fn published() -> Self {
        let mut vectors = vectors(include_str!("noise_nkpsk0.json"), 1);
        vectors.pop().unwrap()
    }

    fn start(&self) -> (Initiator, Vec<u8>) {
        let [first, ..] = &self.messages[..] else {
            panic!("the vector has messages")
        };
        let mut message = vec![0; first.payload.0.len() + OVERHEAD];
        let initiator = Initiator::start(
            &self.init_remote_static.0,
            &Psk::new(secret(self.psk.0)),
            &self.prologue.0,
            &first.payload.0,
            &mut message,
            &mut OneKey(Some(self.init_ephemeral.0)),
        );
        (initiator.unwrap(), message)
    }

    fn open(&self, message: &[u8]) -> Result<(Responder, Vec<u8>), HandshakeFailed> {
        let mut payload = vec![0; message.len() - OVERHEAD];
        let responder = Responder::open(
            &StaticKey::new(&X25519Secret::new(secret(self.resp_static.0))),
            &Psk::new(secret(self.psk.0)),
            &self.prologue.0,
            message,
            &mut payload,
            &mut OneKey(Some(self.resp_ephemeral.0)),
        )?;
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
    let vector = Vector::published();
    assert_eq!(vector.protocol_name, PATTERN);
    let secret = X25519Secret::new(secret(vector.resp_static.0));
    assert_eq!(
        StaticKey::new(&secret).public(),
        &vector.init_remote_static.0
    );
    let [ours, theirs] = vector.run();
    assert_eq!(ours.to_responder, theirs.to_responder);
    assert_eq!(ours.to_initiator, theirs.to_initiator);
}

#[test]
fn the_split_keys_open_the_published_transport_messages() {
    let vector = Vector::published();
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
    let vector = Vector::published();
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
