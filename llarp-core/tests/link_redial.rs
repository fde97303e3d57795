//! Waits between dials, and one link a relay.

use core::time::Duration;

use llarp_core::link::{Backoff, CloseCode, DialError, Endpoint, LinkClosed, Protocol, Redialer};
use llarp_core::wire::limits::{BACKOFF_BASE, BACKOFF_CAP};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::link_network::{Net, at, id, serve};

proptest! {
    #[test]
    fn a_wait_is_within_its_bounds(seed: u64, base in 1_u64..5000, cap in 1_u64..1_000_000, n in 1_u32..80) {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let (base, cap) = (Duration::from_millis(base), Duration::from_millis(cap));
        let mut backoff = Backoff::new(base, cap);
        for failure in 0..n {
            let wait = backoff.failed(&mut rng);
            let bound = base.saturating_mul(2_u32.saturating_pow(failure)).min(cap);
            prop_assert_eq!(backoff.ceiling(), bound);
            prop_assert!(wait <= bound);
        }
        backoff.succeeded();
        prop_assert!(backoff.failed(&mut rng) <= base);
    }
}

#[test]
fn waits_spread_over_the_whole_range() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let waits: Vec<_> = (0..1000)
        .map(|_| Backoff::default().failed(&mut rng))
        .collect();
    let mean = waits.iter().sum::<Duration>() / 1000;
    assert!(
        mean > BACKOFF_BASE * 45 / 100 && mean < BACKOFF_BASE * 55 / 100,
        "{mean:?}"
    );
    assert!(waits.iter().any(|wait| *wait < BACKOFF_BASE / 20));
    assert!(waits.iter().any(|wait| *wait > BACKOFF_BASE * 19 / 20));
}

fn redialer(net: &Net) -> Redialer<ChaCha20Rng> {
    Redialer::new(
        net.client(9),
        Protocol::CELLS,
        ChaCha20Rng::seed_from_u64(7),
    )
}

#[tokio::test(start_paused = true)]
async fn those_who_want_one_relay_at_once_share_a_handshake_and_a_link() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let redialer = redialer(&net);
    let relay_id = id(1);
    let dial = || redialer.link(&relay_id, at(1));
    let (a, b, c) = tokio::join!(dial(), dial(), dial());
    let seen = accepted.recv().await.unwrap();
    assert!(accepted.try_recv().is_err());
    let links = [a.unwrap(), b.unwrap(), c.unwrap()];
    // The link lives until the last of them lets go; the redialler opens another then.
    drop(links);
    seen.closed().await;
    let _again = dial().await.unwrap();
    accepted.recv().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_link_is_dialled_anew() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let redialer = redialer(&net);
    let first = redialer.link(&id(1), at(1)).await.unwrap();
    accepted.recv().await.unwrap().close(CloseCode::Evicted);
    first.closed().await;
    let second = redialer.link(&id(1), at(1)).await.unwrap();
    assert_eq!(second.close_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_fails_is_left_alone_for_a_while() {
    let net = Net::new();
    let redialer = redialer(&net);
    let (mut dials, mut longest) = (0, Duration::ZERO);
    while dials < 15 {
        match redialer.link(&id(1), at(1)).await.unwrap_err() {
            DialError::NoAnswer => dials += 1,
            DialError::BackingOff { retry_after } => {
                longest = longest.max(retry_after);
                tokio::time::sleep(retry_after).await;
            }
            other => panic!("{other}"),
        }
    }
    assert!(
        longest > BACKOFF_BASE && longest <= BACKOFF_CAP,
        "{longest:?}"
    );
    let relay = net.relay(1, &[]);
    let _accepted = serve(&relay);
    redialer.forgive(&id(1)).await;
    redialer.link(&id(1), at(1)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_is_refused_after_its_handshake_waits_longer_each_time() {
    let net = Net::new();
    // It knows nobody, so that no relay is let in.
    let relay = net.relay(1, &[]);
    let _accepted = serve(&relay);
    let unknown = net.relay(2, &[]);
    let redialer = Redialer::new(unknown, Protocol::CELLS, ChaCha20Rng::seed_from_u64(7));
    let (mut dials, mut waited) = (0, Duration::ZERO);
    while dials < 12 {
        match redialer.link(&id(1), at(1)).await {
            Ok(link) => {
                dials += 1;
                assert_eq!(link.closed().await, LinkClosed::NotAdmitted);
            }
            Err(DialError::BackingOff { retry_after }) => {
                waited += retry_after;
                tokio::time::sleep(retry_after).await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(waited > Duration::from_secs(60), "{waited:?}");
    assert_eq!(relay.knocks().welcomed, 12);
}

#[tokio::test(start_paused = true)]
async fn two_relays_that_dial_each_other_at_once_keep_both_links() {
    let net = Net::new();
    let (one, two) = (net.relay(1, &[2]), net.relay(2, &[1]));
    let (mut by_one, mut by_two) = (serve(&one), serve(&two));
    let redialer = |endpoint: &Endpoint, seed| {
        let rng = ChaCha20Rng::seed_from_u64(seed);
        Redialer::new(endpoint.clone(), Protocol::CELLS, rng)
    };
    let (from_one, from_two) = (redialer(&one, 1), redialer(&two, 2));
    let (id_one, id_two) = (id(1), id(2));
    let dials = || async {
        let (there, back) =
            tokio::join!(from_one.link(&id_two, at(2)), from_two.link(&id_one, at(1)));
        (there.unwrap(), back.unwrap())
    };
    let (there, back) = dials().await;
    let (seen_back, seen_there) = (by_one.recv().await.unwrap(), by_two.recv().await.unwrap());
    for _ in 0..20 {
        for (sender, receiver) in [
            (&there, &seen_there),
            (&seen_there, &there),
            (&back, &seen_back),
            (&seen_back, &back),
        ] {
            sender.send_cell(vec![7; 1312].into()).unwrap();
            assert_eq!(receiver.recv_cell().await.unwrap(), vec![7; 1312]);
        }
        assert_eq!((one.links(), two.links()), (2, 2));
        tokio::time::sleep(Duration::from_secs(60)).await;
        let _ = dials().await;
    }
    assert_eq!((one.knocks().welcomed, two.knocks().welcomed), (1, 1));
    assert!(by_one.try_recv().is_err() && by_two.try_recv().is_err());
}
