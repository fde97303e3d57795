//! Tunnels over networks that lose, copy and reorder, and over paths that die.

use std::time::Duration;

use bytes::Bytes;
use llarp_core::tunnel::PathNumber;
use tokio::time::Instant;

use super::tunnel_network::{FAIR, Pair, Weather, echoed};

const STORM: Weather = Weather {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(10),
    lost: 30,
    copied: 20,
};

#[tokio::test(start_paused = true)]
async fn a_megabyte_goes_both_ways() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    echoed(&tunnel, 1 << 20).await;
}

#[tokio::test(start_paused = true)]
async fn five_megabytes_survive_loss_copies_and_reordering() {
    let pair = Pair::new(STORM);
    let tunnel = pair.served().await;
    echoed(&tunnel, 5 << 20).await;
}

#[tokio::test(start_paused = true)]
async fn keys_are_renewed_in_the_midst_of_a_transfer() {
    let pair = Pair::new(STORM);
    let tunnel = pair.served().await;
    for _ in 0..5 {
        echoed(&tunnel, 100_000).await;
        tunnel.renew_keys();
    }
    echoed(&tunnel, 100_000).await;
}

#[tokio::test(start_paused = true)]
async fn a_transfer_moves_to_another_path_and_loses_nothing() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let transfer = echoed(&tunnel, 3 << 20);
    let moving = async {
        tokio::time::sleep(Duration::from_millis(350)).await;
        pair.net.cut(PathNumber(1));
        tokio::time::sleep(Duration::from_millis(500)).await;
        tunnel.move_to(PathNumber(2)).unwrap();
    };
    tokio::join!(transfer, moving);
    let over_second = |end| {
        pair.net
            .sent(end)
            .iter()
            .filter(|(path, _)| path.0 == 2)
            .count()
    };
    assert!(over_second(0) > 100 && over_second(1) > 100);
}

#[tokio::test(start_paused = true)]
async fn the_callee_follows_a_caller_that_has_nothing_to_send() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    pair.net.cut(PathNumber(1));
    ours.move_to(PathNumber(2)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    theirs.send_datagram(Bytes::from_static(b"here")).unwrap();
    assert_eq!(&ours.read_datagram().await.unwrap()[..], b"here");
    assert!(start.elapsed() < 2 * FAIR.delay);
    // The word of the move is nobody's datagram.
    ours.send_datagram(Bytes::from_static(b"there")).unwrap();
    assert_eq!(&theirs.read_datagram().await.unwrap()[..], b"there");
}

#[tokio::test(start_paused = true)]
async fn a_path_of_another_tunnel_is_not_moved_to() {
    let pair = Pair::new(FAIR);
    let (first, _theirs) = pair.tunnel().await;
    let second = pair
        .client
        .connect(PathNumber(2), pair.keys.far())
        .await
        .unwrap();
    first.move_to(PathNumber(2)).unwrap_err();
    drop(second);
    first.move_to(PathNumber(2)).unwrap();
}

#[tokio::test(start_paused = true)]
async fn datagrams_go_both_ways_up_to_their_limit() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
        let max = from.max_datagram_size();
        assert!(max > 1200, "{max}");
        from.send_datagram(vec![7; max].into()).unwrap();
        assert_eq!(to.read_datagram().await.unwrap(), vec![7; max]);
        from.send_datagram(vec![7; max + 1].into()).unwrap_err();
        from.send_datagram(Bytes::new()).unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn no_plaintext_is_on_the_wire() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let text = b"a text that nobody on the way may read";
    ours.send_datagram(Bytes::from_static(text)).unwrap();
    theirs.read_datagram().await.unwrap();
    for end in 0..2 {
        for (_, packet) in pair.net.sent(end) {
            assert!(!packet.windows(8).any(|window| window == &text[..8]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_tunnel_lives_and_a_silent_far_end_is_noticed() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    echoed(&tunnel, 1000).await;
    pair.net.cut(PathNumber(1));
    let closed = tokio::time::timeout(Duration::from_secs(90), tunnel.closed()).await;
    assert_eq!(closed.unwrap(), llarp_core::tunnel::TunnelClosed::TimedOut);
}

#[tokio::test(start_paused = true)]
async fn acknowledgements_are_few() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let before = pair.net.sent(0).len();
    // A reader alone: what it sends is acknowledgements and windows.
    let mut stream = tunnel
        .open_bi(&super::tunnel_network::echo())
        .await
        .unwrap();
    let bytes = vec![1; 1 << 20];
    stream.write_all(&bytes).await.unwrap();
    stream.finish();
    stream.read_to_end(1 << 20).await.unwrap();
    let sent = pair.net.sent(0).len() - before;
    assert!(sent < 1050, "{sent} packets for 880 of data");
}
