//! Proof of work: BLAKE2b hashcash behind a version byte.
//!
//! A puzzle is bound to a use, a network and the parts that it is for; a solution is a nonce whose
//! hash is small enough for an effort. `effort` tries find one on the average, one hash checks it.
//! The search goes in portions, so that whoever runs it beside other work can stop between two.
//! Specification: `docs/spec/01-crypto.md` §12.
//!
//! ```text
//! ┌─────────┬──────────┬─────────┐
//! │ version │ effort 4 │ nonce 8 │   a proof; the effort is 1 or more
//! └─────────┴──────────┴─────────┘
//! ```

use core::fmt;
use core::num::NonZeroU32;

use blake2::Blake2b;
use blake2::digest::consts::U32;
use blake2::digest::{FixedOutput, Update};

use super::hash::{Label, NetworkId, frame, hash, label};
use crate::wire::limits::{PROOF_LEN, VERSION};
use crate::wire::{Fault, Reader, WireError, Writer};

/// How many hashes a proof costs on the average; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Effort(NonZeroU32);

impl Effort {
    /// One hash: any nonce will do.
    pub const LEAST: Self = Self(NonZeroU32::MIN);

    /// An effort of `tries` hashes; none if that is zero.
    #[must_use]
    pub const fn new(tries: u32) -> Option<Self> {
        match NonZeroU32::new(tries) {
            Some(tries) => Some(Self(tries)),
            None => None,
        }
    }

    /// The number of hashes.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The largest hash that is good enough.
    fn bound(self) -> u64 {
        u64::MAX / u64::from(self.get())
    }
}

/// A solution, *not yet verified*, and the effort that it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Proof {
    /// What it claims to have cost.
    pub effort: Effort,
    /// What was found.
    pub nonce: u64,
}

impl Proof {
    /// Writes what [`Proof::read`] reads, [`PROOF_LEN`] bytes.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn write(&self, writer: &mut Writer<'_>) -> Result<(), WireError> {
        writer.u8("proof version", VERSION)?;
        writer.u32("effort", self.effort.get())?;
        writer.bytes("nonce", &self.nonce.to_be_bytes())
    }

    /// Reads a proof.
    ///
    /// # Errors
    /// [`WireError`] names the field: `proof version`, `effort` or `nonce`.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, WireError> {
        match reader.u8("proof version")? {
            VERSION => {}
            got => {
                let got = got.into();
                return Err(WireError::new("proof version", Fault::NotAdmitted { got }));
            }
        }
        let effort = Effort::new(reader.u32("effort")?);
        Ok(Self {
            effort: effort.ok_or(WireError::new("effort", Fault::Invalid))?,
            nonce: reader.u64("nonce")?,
        })
    }

    /// The bytes of the proof alone.
    #[must_use]
    pub fn encode(&self) -> [u8; PROOF_LEN] {
        let mut bytes = [0; PROOF_LEN];
        let written = self.write(&mut Writer::new(&mut bytes));
        debug_assert_eq!(written, Ok(()), "the fields add up to PROOF_LEN");
        bytes
    }
}

/// A proof that does not solve its puzzle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof of work does not hold")]
pub struct BadProof;

/// How a search went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Search {
    /// It has ended.
    Found(Proof),
    /// Nothing yet; the next nonce to try.
    Next(u64),
}

/// Something to work for. Cheap to clone, and may be sent to another thread.
#[derive(Clone)]
pub struct Puzzle {
    /// The hash behind everything but the nonce: what is left is one block.
    state: Blake2b<U32>,
}

impl Puzzle {
    /// The puzzle of `purpose` for `parts` in `network`.
    #[must_use]
    pub fn new(purpose: Label, network: &NetworkId, parts: &[&[u8]]) -> Self {
        let subject = hash(purpose, network, parts);
        let mut state = Blake2b::default();
        let known: [&[u8]; 2] = [&[VERSION], &subject];
        frame(label::WORK, network, &known, |bytes| state.update(bytes));
        // The nonce is the last part of the frame: its length, and then, at each try, its bytes.
        state.update(&8_u64.to_be_bytes());
        Self { state }
    }

    /// Tries `tries` nonces from `from` on. Where to begin is up to the caller: who must not be
    /// recognised by its nonces begins anywhere.
    #[must_use]
    pub fn search(&self, effort: Effort, from: u64, tries: u64) -> Search {
        let bound = effort.bound();
        let mut nonce = from;
        for _ in 0..tries {
            if self.weigh(nonce) <= bound {
                return Search::Found(Proof { effort, nonce });
            }
            nonce = nonce.wrapping_add(1);
        }
        Search::Next(nonce)
    }

    /// Checks a proof with one hash.
    ///
    /// # Errors
    /// [`BadProof`] if the nonce's hash is too large for the effort.
    pub fn verify(&self, proof: &Proof) -> Result<(), BadProof> {
        let holds = self.weigh(proof.nonce) <= proof.effort.bound();
        holds.then_some(()).ok_or(BadProof)
    }

    /// The first eight bytes of the hash of `nonce`, as a number.
    fn weigh(&self, nonce: u64) -> u64 {
        let mut state = self.state.clone();
        state.update(&nonce.to_be_bytes());
        let hash: [u8; 32] = state.finalize_fixed().into();
        let [a, b, c, d, e, f, g, h, ..] = hash;
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

impl fmt::Debug for Puzzle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Puzzle(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn puzzle(parts: &[&[u8]]) -> Puzzle {
        Puzzle::new(label::INTROSET_WORK, &NetworkId::from_name("test"), parts)
    }

    fn effort(tries: u32) -> Effort {
        Effort::new(tries).unwrap()
    }

    fn found(puzzle: &Puzzle, effort: Effort) -> Proof {
        match puzzle.search(effort, 0, u64::from(effort.get()) * 100) {
            Search::Found(proof) => proof,
            Search::Next(_) => panic!("a hundred times the effort found nothing"),
        }
    }

    #[test]
    fn a_try_is_the_framed_hash_of_version_subject_and_nonce() {
        let network = NetworkId::from_name("test");
        let subject = hash(label::INTROSET_WORK, &network, &[b"one", b"two"]);
        let parts: [&[u8]; 3] = [&[1], &subject, &7_u64.to_be_bytes()];
        let whole = hash(label::WORK, &network, &parts);
        let first = u64::from_be_bytes(whole[..8].try_into().unwrap());
        assert_eq!(puzzle(&[b"one", b"two"]).weigh(7), first);
    }

    #[test]
    fn a_try_costs_one_block() {
        let network = NetworkId::from_name("test");
        let mut len = 0;
        let parts: [&[u8]; 3] = [&[1], &[0; 32], &[0; 8]];
        frame(label::WORK, &network, &parts, |bytes| len += bytes.len());
        assert!(len <= 128, "{len} bytes do not fit a block of BLAKE2b");
    }

    #[test]
    fn a_proof_holds_for_its_own_puzzle_and_effort_only() {
        let ours = puzzle(&[b"ours"]);
        let proof = found(&ours, effort(1000));
        assert_eq!(ours.verify(&proof), Ok(()));
        // One hash in a thousand is good for it: these are not.
        assert_eq!(puzzle(&[b"another"]).verify(&proof), Err(BadProof));
        let network = NetworkId::from_name("another");
        let elsewhere = Puzzle::new(label::INTROSET_WORK, &network, &[b"ours"]);
        assert_eq!(elsewhere.verify(&proof), Err(BadProof));
        let other_use = Puzzle::new(
            label::INTROSET_COOKIE,
            &NetworkId::from_name("test"),
            &[b"ours"],
        );
        assert_eq!(other_use.verify(&proof), Err(BadProof));
        let boast = Proof {
            effort: effort(u32::MAX),
            ..proof
        };
        assert_eq!(ours.verify(&boast), Err(BadProof));
        let modest = Proof {
            effort: Effort::LEAST,
            nonce: 0,
        };
        assert_eq!(ours.verify(&modest), Ok(()));
    }

    #[test]
    fn a_search_in_portions_finds_what_one_search_finds() {
        let ours = puzzle(&[b"ours"]);
        let whole = found(&ours, effort(5000));
        let (mut next, mut portions) = (0, 0);
        let proof = loop {
            match ours.search(effort(5000), next, 100) {
                Search::Found(proof) => break proof,
                Search::Next(nonce) => (next, portions) = (nonce, portions + 1),
            }
        };
        assert_eq!(proof, whole);
        assert_eq!(portions, whole.nonce / 100);
        assert_eq!(
            ours.search(effort(u32::MAX), u64::MAX, 2),
            Search::Next(1),
            "nonces go round"
        );
    }

    #[test]
    fn effort_is_the_number_of_tries_on_the_average() {
        let wanted = 64;
        let tries: u64 = (0..400_u32)
            .map(|number| found(&puzzle(&[&number.to_be_bytes()]), effort(wanted)).nonce + 1)
            .sum();
        let average = tries / 400;
        // The deviation of an average of 400 is a twentieth.
        assert!((51..=77).contains(&average), "{average} tries");
    }

    #[test]
    fn proofs_round_trip_and_bad_ones_name_the_field() {
        let proof = Proof {
            effort: effort(0x0102_0304),
            nonce: 5,
        };
        let bytes = proof.encode();
        assert_eq!(bytes, [1, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(Proof::read(&mut Reader::new(&bytes)), Ok(proof));
        for (at, value, field) in [(0, 2, "proof version"), (1, 0, "effort")] {
            let mut bytes = Proof {
                effort: effort(1 << 24),
                nonce: 5,
            }
            .encode();
            bytes[at] = value;
            let error = Proof::read(&mut Reader::new(&bytes)).unwrap_err();
            assert_eq!(error.field, field);
        }
        assert_eq!(
            Proof::read(&mut Reader::new(&bytes[..12]))
                .unwrap_err()
                .field,
            "nonce"
        );
    }
}
