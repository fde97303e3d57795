//! An introset, published by one client and found by another who knows nothing but the address.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use llarp_core::client::{Client, Publication, Wanted};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::SecretKey;
use llarp_core::crypto::kem::KemSecret;
use llarp_core::crypto::pow::Effort;
use llarp_core::crypto::secret::Secret;
use llarp_core::directory::NetworkView;
use llarp_core::introset::{
    Cookie, CookieSecret, DeviceSlot, DeviceSlots, Introducer, Introset, SessionKeys,
};
use llarp_core::path::Want;
use llarp_core::wire::limits::PUBLISH_EFFORT;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Result, check, failed, millis, no_hops};
use crate::client;
use crate::devnet::Devnet;
use crate::relay::fresh;

const SCENE: &str = "introset";

/// How long publishing or finding may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Seconds for which the keys of the demo are good.
const KEYS_SECONDS: u64 = 20 * 3600;

/// Bob publishes where he can be met; Alice, who knows his address, finds it.
pub(super) async fn scene(
    out: &mut dyn Write,
    devnet: &Devnet,
    alice: (&Client, &NetworkView),
) -> Result<()> {
    let (bob, view) = client::on_loopback(&devnet.network)?;
    let known = timeout(PATIENCE, bob.ready()).await;
    check(SCENE, known.is_ok(), "Bob knows the network")?;
    let path = bob.build(Want::Any).await?;
    let relay = *path.hops().expose().last().ok_or_else(|| no_hops(SCENE))?;
    let mut rng = ChaCha20Rng::from_seed(*fresh()?.expose());
    let identity = Arc::new(SecretKey::generate(&mut rng));
    let introset = introset(view.network(), relay, &mut rng);
    let contents = watch::Sender::new(introset.clone());
    let started = Instant::now();
    let published = bob.introsets(Arc::new(view)).publish(Publication {
        identity: Arc::clone(&identity),
        slot: DeviceSlot::FIRST,
        contents: contents.subscribe(),
        readers: None,
        effort: Effort::new(PUBLISH_EFFORT).unwrap_or(Effort::LEAST),
    });
    if timeout(PATIENCE, published.ready()).await.is_err() {
        let status = published.status().borrow().clone();
        let why = status.failed.map(|why| why.to_string());
        let expected = format!("Bob's introset is there; the last failure: {why:?}");
        check(SCENE, false, &expected)?;
    }
    let took = started.elapsed();
    let status = published.status().borrow().clone();
    let copies = status.epochs.values().copied().max().unwrap_or(0);
    let (client, view) = alice;
    let wanted = Wanted {
        address: identity.address(),
        client: None,
    };
    let started = Instant::now();
    let found = client.introsets(Arc::new(view.clone())).find(&wanted).await;
    let found = found.map_err(|error| failed(SCENE, &error))?;
    let searched = started.elapsed();
    let opened = found.get(&DeviceSlot::FIRST);
    check(
        SCENE,
        opened.is_some_and(|opened| opened.introset == introset),
        "Alice opens what Bob has published",
    )?;
    writeln!(
        out,
        "5. Bob publishes where he can be met, through a path: {copies} relays keep it, sealed, under a key\n   \
         that only who knows his address can link to him; seen from another path after {}.\n   \
         Alice, who knows {},\n   \
         asks two terminals over disjoint paths, and opens it: {}.",
        millis(took),
        identity.address(),
        millis(searched)
    )?;
    Ok(())
}

fn introset(
    network: llarp_core::crypto::hash::NetworkId,
    relay: llarp_core::crypto::identity::RelayId,
    rng: &mut ChaCha20Rng,
) -> Introset {
    let until = Clock::system().unix().as_secs() + KEYS_SECONDS;
    let mut x25519 = [0; 32];
    rng.fill_bytes(&mut x25519);
    let secret = CookieSecret::new(Secret::random(rng));
    Introset {
        slots: DeviceSlots::default().with(DeviceSlot::FIRST),
        keys: SessionKeys {
            x25519,
            kem: KemSecret::generate(rng).public().clone(),
            until,
        },
        work: None,
        introducers: vec![Introducer {
            relay,
            cookie: Cookie::of(&network, &relay, &secret),
            until,
        }],
        extension: Vec::new(),
    }
}
