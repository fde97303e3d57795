//! ChaCha20 and BLAKE2b as the code calls them, and the frame of our own hashes.

use blake2::digest::common::KeyInit;
use blake2::digest::consts::U64;
use blake2::digest::{FixedOutput, Update};
use blake2::{Blake2b, Blake2bMac};
use chacha20::ChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use llarp_core::crypto::hash::{NetworkId, derive, framed, hash, label, tag};
use serde::Deserialize;

use super::{Bytes, Hex, secret, vectors};

#[derive(Deserialize)]
struct Stream {
    name: String,
    key: Hex<32>,
    nonce: Hex<12>,
    counter: usize,
    plaintext: Bytes,
    ciphertext: Bytes,
}

#[derive(Deserialize)]
struct Digest {
    name: String,
    key: Bytes,
    input: Bytes,
    output: Hex<64>,
}

#[test]
fn chacha20_agrees_with_rfc_8439() {
    for vector in vectors::<Stream>(include_str!("rfc8439_chacha20.json"), 2) {
        // The code starts at block zero, and so reaches the vector's block behind those before it.
        let skipped = 64 * vector.counter;
        let mut text = [vec![0; skipped], vector.plaintext.0].concat();
        ChaCha20::new(&vector.key.0.into(), &vector.nonce.0.into()).apply_keystream(&mut text);
        assert_eq!(text[skipped..], vector.ciphertext.0, "{}", vector.name);
    }
}

fn blake2b(key: &[u8], input: &[u8]) -> [u8; 64] {
    if key.is_empty() {
        let mut state = Blake2b::<U64>::default();
        state.update(input);
        return state.finalize_fixed().into();
    }
    let mut state = Blake2bMac::<U64>::new_from_slice(key).unwrap();
    state.update(input);
    state.finalize_fixed().into()
}

#[test]
fn blake2b_agrees_with_rfc_7693_and_the_reference_package() {
    for vector in vectors::<Digest>(include_str!("blake2b.json"), 6) {
        let output = blake2b(&vector.key.0, &vector.input.0);
        assert_eq!(output, vector.output.0, "{}", vector.name);
    }
}

/// By Python, `b` being `hashlib.blake2b`:
///
/// ```python
/// def f(label, net, *parts):
///     text = bytes([len(label)]) + label + net
///     return text + b"".join(len(p).to_bytes(8, "big") + p for p in parts)
/// m = f(b"llarp/1/cell/key-up", bytes(range(32)), b"ab", b"", b"c")
/// key = bytes(range(100, 132))
/// b(m, digest_size=32), b(m, digest_size=32, key=key), b(m, digest_size=16, key=key)
/// b(f(b"llarp/1/crypto/network-name", bytes(32), b"test"), digest_size=32)
/// ```
#[test]
fn our_frame_and_its_hashes_agree_with_pythons_hashlib() {
    let network = NetworkId(core::array::from_fn(|at| u8::try_from(at).unwrap()));
    let key = secret(core::array::from_fn(|at| u8::try_from(100 + at).unwrap()));
    let (label, parts): (_, [&[u8]; 3]) = (label::CELL_KEY_UP, [b"ab", b"", b"c"]);
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);

    assert_eq!(
        hex(&framed(label, &network, &parts)),
        "136c6c6172702f312f63656c6c2f6b65792d7570\
         000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\
         000000000000000261620000000000000000000000000000000163"
    );
    assert_eq!(
        hex(&hash(label, &network, &parts)),
        "e6732e39a7292774f9ab4320b490b50698cde99de10d46538fa0ddd7a33fbeaf"
    );
    assert_eq!(
        hex(derive(&key, label, &network, &parts).expose()),
        "e3cfd6ab088ee3faa48b7d7e09fc0f8adca76636afa1da821d61a13de4454fe4"
    );
    assert_eq!(
        hex(&tag(&key, label, &network, &parts)),
        "dedd46b8067d60ae6280585763c1cda3"
    );
    assert_eq!(
        hex(&NetworkId::from_name("test").0),
        "754a092d292aacbb360898b8efee13afa154d568fd1007901e30c44e8a2e4905"
    );
}
