//! Key files.

use llarp_core::crypto::identity::{KeyKind, SecretKey, Seed, decode_key_file, encode_key_file};
use llarp_core::crypto::secret::Secret;
use llarp_core::wire::{Fault, WireError};

use super::{fixed, mutate, mutated, pick};

#[test]
fn mutated_key_files() {
    let mut rng = fixed(2);
    let keys: Vec<_> = (0..8).map(|_| SecretKey::generate(&mut rng)).collect();
    let kinds = [(KeyKind::Identity, 1), (KeyKind::Relay, 2)];
    let files = kinds.map(|(kind, _)| {
        let file = |key| encode_key_file(key, kind).expose().to_vec();
        keys.iter().map(file).collect::<Vec<_>>()
    });
    let files = files.concat();
    mutated("mutated_key_files").run(|_, rng| {
        let mut bytes = pick(rng, &files).clone();
        let donor = pick(rng, &files);
        mutate(&mut bytes, donor, rng);
        for (kind, code) in kinds {
            let decoded = decode_key_file(&bytes, kind);
            let same = decoded.as_ref().map(|key| encode_key_file(key, kind));
            assert!(same.is_err() || same.is_ok_and(|same| same.expose()[..] == bytes));
            assert_eq!(decoded.map(|_| ()), model(&bytes, code));
        }
    });
}

fn model(bytes: &[u8], kind: u8) -> Result<(), WireError> {
    let Ok(file) = <&[u8; 74]>::try_from(bytes) else {
        let got = bytes.len();
        let fault = Fault::WrongLength { expected: 74, got };
        return Err(WireError::new("key file", fault));
    };
    let not_admitted = |field, got| Err(WireError::new(field, Fault::NotAdmitted { got }));
    let (magic, version, found) = (&file[..8], file[8], file[9]);
    if magic != b"llarpkey" {
        let got = magic
            .iter()
            .fold(0, |got, byte| got << 8 | u64::from(*byte));
        return not_admitted("magic", got);
    }
    if version != 1 {
        return not_admitted("version", version.into());
    }
    if found != kind {
        return not_admitted("kind", found.into());
    }
    let mut seed = std::array::from_fn(|place| file[10 + place]);
    let key = SecretKey::from_seed(Seed::new(Secret::take(&mut seed)));
    if key.public().as_bytes()[..] != file[42..] {
        return Err(WireError::new("public key", Fault::Mismatch));
    }
    Ok(())
}
