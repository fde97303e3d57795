//! The onion cipher against the constructions that could have stood in its place, over one cell
//! body of 1,304 bytes. `cargo bench -p llarp-core --bench onion`

use std::hint::black_box;

use aes::Aes256;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, KeyInit, Update};
use blake2::{Blake2b, Blake2bMac};
use chacha20::cipher::{KeyIvInit, StreamCipher};
use chacha20::{ChaCha20, XChaCha12};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::aead::AeadInOut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use llarp_core::crypto::onion::{Decipher, Encipher, LayerKey};
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::limits::BODY_LEN;

const TWEAK: &[u8] = b"llarp/1/cell/up";

fn onion(c: &mut Criterion) {
    let mut group = c.benchmark_group("onion 1304 bytes");
    group.throughput(Throughput::Bytes(BODY_LEN as u64));
    let mut body = [0x5a; BODY_LEN];
    let key = LayerKey::new(Secret::take(&mut [7; 32]));

    let encipher = Encipher::new(&key, TWEAK);
    group.bench_function("HCTR2 AES-256 encipher (ours)", |b| {
        b.iter(|| encipher.apply(black_box(&mut body)));
    });
    let decipher = Decipher::new(&key, TWEAK);
    group.bench_function("HCTR2 AES-256 decipher (ours)", |b| {
        b.iter(|| decipher.apply(black_box(&mut body)));
    });
    group.bench_function("HCTR2 key schedule (ours)", |b| {
        b.iter(|| Decipher::new(black_box(&key), TWEAK));
    });
    let oracle = hctr2_rs::Hctr2_256::new(&[7; 32]);
    let mut out = [0; BODY_LEN];
    group.bench_function("HCTR2 AES-256 encipher (hctr2-rs)", |b| {
        b.iter(|| oracle.encrypt(black_box(&body), TWEAK, &mut out));
    });
    group.bench_function("plain ChaCha20 (malleable, for scale)", |b| {
        b.iter(|| {
            ChaCha20::new(&[7; 32].into(), &[0; 12].into()).apply_keystream(black_box(&mut body));
        });
    });
    group.bench_function("LIONESS of ChaCha20 and BLAKE2b", |b| {
        b.iter(|| lioness(black_box(&mut body), &[7; 32]));
    });
    let adiantum = adiantum::Cipher::<XChaCha12, Aes256>::new(&[7; 32].into());
    group.bench_function("Adiantum (XChaCha12, AES-256)", |b| {
        b.iter(|| adiantum.encrypt(black_box(&mut body), TWEAK));
    });
    others(&mut group, &mut body);
    group.finish();
}

fn others(
    group: &mut criterion::BenchmarkGroup<'_, criterion::measurement::WallTime>,
    body: &mut [u8; BODY_LEN],
) {
    let gcm = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &[7; 32]).unwrap());
    group.bench_function("AES-256-GCM (aws-lc; 16 bytes longer)", |b| {
        b.iter(|| {
            let nonce = Nonce::assume_unique_for_key([0; 12]);
            gcm.seal_in_place_separate_tag(nonce, Aad::empty(), black_box(&mut body[..]))
        });
    });
    let poly = ChaCha20Poly1305::new(&[7; 32].into());
    group.bench_function("ChaCha20-Poly1305 (16 bytes longer)", |b| {
        b.iter(|| {
            poly.encrypt_inout_detached(&[0; 12].into(), &[], black_box(&mut body[..]).into())
        });
    });
    let hash = Blake2bMac::<U32>::new_from_slice(&[7; 32]).unwrap();
    group.bench_function("BLAKE2b keyed, alone", |b| {
        b.iter(|| {
            let mut state = hash.clone();
            state.update(black_box(&body[..]));
            state.finalize_fixed()
        });
    });
}

/// LIONESS (Anderson and Biham 1996) as Sphinx uses it, with one key for all four rounds: enough
/// for its cost, not for its security.
fn lioness(body: &mut [u8; BODY_LEN], key: &[u8; 32]) {
    let (left, right) = body.split_at_mut(32);
    for _ in 0..2 {
        let mut stream_key = [0; 32];
        for ((to, a), b) in stream_key.iter_mut().zip(left.iter()).zip(key) {
            *to = a ^ b;
        }
        ChaCha20::new(&stream_key.into(), &[0; 12].into()).apply_keystream(right);
        let mut state = Blake2b::<U32>::default();
        state.update(key);
        state.update(right);
        let digest = state.finalize_fixed();
        for (to, from) in left.iter_mut().zip(digest) {
            *to ^= from;
        }
    }
}

criterion_group!(benches, onion);
criterion_main!(benches);
