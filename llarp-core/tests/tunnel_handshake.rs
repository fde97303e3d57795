//! Who is there, in how many round trips, and what is refused.

use std::time::Duration;

use llarp_core::crypto::hash::NetworkId;
use llarp_core::tunnel::{ConnectError, FarEnd, PathNumber, TunnelLimits};
use rand_core::Rng;
use tokio::time::Instant;

use super::support::{network, rng};
use super::tunnel_network::{FAIR, Keys, Pair, config, echoed};

#[tokio::test(start_paused = true)]
async fn a_tunnel_takes_one_round_trip() {
    let pair = Pair::new(FAIR);
    let start = Instant::now();
    let tunnel = pair.client.connect(PathNumber(1), pair.keys.far()).await;
    let took = start.elapsed();
    tunnel.unwrap();
    assert!(
        took >= 2 * FAIR.delay && took < 2 * FAIR.delay + Duration::from_millis(20),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn the_callee_has_a_tunnel_only_when_the_caller_has_shown_the_keys() {
    let pair = Pair::new(FAIR);
    let start = Instant::now();
    let (_ours, _theirs) = pair.tunnel().await;
    assert!(start.elapsed() >= 3 * FAIR.delay);
}

#[tokio::test(start_paused = true)]
async fn keys_that_the_relay_does_not_hold_are_named_as_the_fault() {
    let pair = Pair::new(FAIR);
    let FarEnd::Terminal { relay, onion } = pair.keys.far();
    let FarEnd::Terminal {
        relay: other_relay,
        onion: other_onion,
    } = Keys::new(2).far();
    for far in [
        FarEnd::Terminal {
            relay,
            onion: other_onion,
        },
        FarEnd::Terminal {
            relay: other_relay,
            onion,
        },
    ] {
        let refused = pair.client.connect(PathNumber(1), far).await;
        assert_eq!(refused.unwrap_err(), ConnectError::UnknownKey);
    }
    assert_eq!(pair.relay.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_caller_of_another_network_gets_no_tunnel() {
    let other = NetworkId::from_name("other");
    let pair = Pair::with(FAIR, config(1, other), config(2, network()));
    let refused = pair.client.connect(PathNumber(1), pair.keys.far()).await;
    // Its very first packet does not open: the relay keeps silent.
    assert_eq!(refused.unwrap_err(), ConnectError::NoAnswer);
}

#[tokio::test(start_paused = true)]
async fn a_dead_path_and_a_node_that_does_not_serve_give_no_answer() {
    let pair = Pair::new(FAIR);
    pair.net.cut(PathNumber(1));
    let start = Instant::now();
    let refused = pair.client.connect(PathNumber(1), pair.keys.far()).await;
    assert_eq!(refused.unwrap_err(), ConnectError::NoAnswer);
    assert!(start.elapsed() < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_key_of_small_order_is_no_key() {
    let pair = Pair::new(FAIR);
    let FarEnd::Terminal { relay, mut onion } = pair.keys.far();
    onion.x25519 = [0; 32];
    let far = FarEnd::Terminal { relay, onion };
    let refused = pair.client.connect(PathNumber(1), far).await;
    assert_eq!(refused.unwrap_err(), ConnectError::NotAKey);
}

#[tokio::test(start_paused = true)]
async fn a_path_carries_one_tunnel_of_ours_at_a_time() {
    let pair = Pair::new(FAIR);
    let (first, _theirs) = pair.tunnel().await;
    let taken = pair.client.connect(PathNumber(1), pair.keys.far()).await;
    assert!(matches!(taken, Err(ConnectError::PathTaken(_))));
    drop(first);
    pair.client
        .connect(PathNumber(1), pair.keys.far())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_leaves_its_path_free_and_nothing_at_the_callee() {
    let pair = Pair::new(FAIR);
    {
        let call = pair.client.connect(PathNumber(1), pair.keys.far());
        let short = tokio::time::timeout(FAIR.delay, call).await;
        assert!(short.is_err());
    }
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!(pair.relay.called(), 0);
    pair.client
        .connect(PathNumber(1), pair.keys.far())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn above_its_limits_a_callee_refuses_and_takes_again_when_there_is_room() {
    let mut relay = config(2, network());
    relay.limits = TunnelLimits {
        tunnels: 2,
        ..TunnelLimits::default()
    };
    let pair = Pair::with(FAIR, config(1, network()), relay);
    let mut tunnels = Vec::new();
    for path in 0..2 {
        let call = pair.client.connect(PathNumber(path), pair.keys.far());
        let (ours, theirs) = tokio::join!(call, pair.relay.accept());
        tunnels.push((ours.unwrap(), theirs.unwrap()));
    }
    let third = pair
        .client
        .connect(PathNumber(2), pair.keys.far())
        .await
        .unwrap();
    assert!(matches!(
        third.closed().await,
        llarp_core::tunnel::TunnelClosed::Far(_)
    ));
    assert_eq!(pair.relay.called(), 2);
    tunnels.clear();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(pair.relay.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_garbage_leaves_nothing_and_harms_no_tunnel() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let mut rng = rng(3);
    for n in 0..20_000u32 {
        let mut packet = vec![0; (rng.next_u32() % 1278) as usize];
        rng.fill_bytes(&mut packet);
        // A third look like first packets of tunnels, a third like packets of a tunnel.
        match (n % 3, packet.first_mut()) {
            (0, Some(first)) => *first = 0xc0,
            (1, Some(first)) => *first = 0x40,
            _ => {}
        }
        if n % 3 == 0 && packet.len() > 5 {
            packet[1..5].copy_from_slice(b"lla\x01");
        }
        pair.relay.deliver(PathNumber(u128::from(n % 50)), &packet);
        pair.client.deliver(PathNumber(u128::from(n % 50)), &packet);
    }
    echoed(&tunnel, 10_000).await;
    assert_eq!(pair.relay.called(), 1);
}

#[tokio::test(start_paused = true)]
async fn replayed_first_packets_reach_no_application() {
    let pair = Pair::new(FAIR);
    drop(pair.tunnel().await);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (_, first) = pair.net.sent(0)[0].clone();
    let answered = pair.net.sent(1).len();
    for path in 10..60 {
        pair.relay.deliver(PathNumber(path), &first);
    }
    let none = tokio::time::timeout(Duration::from_secs(100), pair.relay.accept()).await;
    assert!(none.is_err());
    assert!(pair.net.sent(1).len() > answered, "the replay was answered");
    assert_eq!(pair.relay.called(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_closed_node_accepts_and_calls_no_more() {
    let pair = Pair::new(FAIR);
    pair.relay.close();
    assert!(pair.relay.accept().await.is_none());
    pair.client.close();
    let refused = pair.client.connect(PathNumber(1), pair.keys.far()).await;
    assert_eq!(refused.unwrap_err(), ConnectError::Stopped);
}

/// A terminal that was the far end of one tunnel, and is that of another, asks whether the two have
/// one caller: it sends the connection id of the first, which is closed, over the path of the second.
#[tokio::test(start_paused = true)]
async fn a_closed_tunnel_is_not_betrayed_over_the_path_of_another() {
    let pair = Pair::new(FAIR);
    let (first, theirs) = pair.tunnel().await;
    first.send_datagram(vec![1; 100].into()).unwrap();
    theirs.send_datagram(vec![1; 100].into()).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A packet of data, which begins with the caller's own connection id.
    let down = pair.net.sent(1);
    let packet = down.iter().rev().find(|(_, packet)| packet[0] & 0x80 == 0);
    let packet = packet.expect("data came down").1.clone();
    drop((first, theirs));
    tokio::time::sleep(Duration::from_secs(60)).await;

    let (_second, _theirs) = tokio::join!(
        pair.client.connect(PathNumber(2), pair.keys.far()),
        pair.relay.accept()
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = pair.net.sent(0).len();
    for path in [2, 1, 3] {
        pair.client.deliver(PathNumber(path), &packet);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(pair.net.sent(0).len(), before, "the caller is silent");
}
