//! A relay that leaves in order, and those whose paths lead over it.

use core::time::Duration;

use llarp_core::cell::{CloseReason, Command};
use llarp_core::link::RequestError;
use llarp_core::tunnel::{ServiceName, Tunnel, TunnelClosed, TunnelCode};
use llarp_tests::figure;
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::time::{Instant, sleep, timeout};

use crate::raw::{Heard, Raw};

const PATIENCE: Duration = Duration::from_secs(5);

/// Sends numbered chunks of 1 KiB to the echo and checks what comes back; the longest pause between two.
async fn echoed(tunnel: &Tunnel, chunks: u32) -> Duration {
    let name = ServiceName::new("echo/1").unwrap();
    let (mut receive, mut send) = split(tunnel.open_bi(&name).await.unwrap());
    let sending = tokio::spawn(async move {
        for chunk in 0..chunks {
            let bytes = chunk.to_be_bytes().repeat(256);
            send.write_all(&bytes).await.unwrap();
        }
        send.shutdown().await.unwrap();
    });
    let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
    for chunk in 0..chunks {
        let mut bytes = [0; 1024];
        receive.read_exact(&mut bytes).await.unwrap();
        assert!(bytes[..] == chunk.to_be_bytes().repeat(256), "{chunk}");
        longest = longest.max(last.elapsed());
        last = Instant::now();
    }
    sending.await.unwrap();
    longest
}

#[test]
fn a_tunnel_leaves_a_relay_that_drains_at_once_and_loses_nothing() {
    let mut figures = Vec::new();
    for seed in 0..10 {
        virtual_time(seed, async {
            let mut net = TestNet::new(seed, Weather::FAIR, 20);
            let client = net.client(0);
            let mut lasting = client.lasting_tunnel(net.id(7)).await.unwrap();
            let tunnel = lasting.tunnel().clone();
            let middle = net.number(&lasting.path().hops().expose()[1]);
            let transfer = tokio::spawn(async move { echoed(&tunnel, 10_000).await });
            sleep(Duration::from_millis(700)).await;
            let relay = net.take(middle);
            let drained = tokio::spawn(async move { relay.drain(PATIENCE).await });
            let began = Instant::now();
            let path = lasting.moved().await.unwrap();
            let moved = began.elapsed();
            assert!(path.hops().expose()[1] != net.id(middle));
            let pause = transfer.await.unwrap();
            figures.push((moved, pause));
            drained.await.unwrap();
        });
    }
    figure(&format!("moved after, pauses of {figures:?}"));
    // Silence is taken for a suspicion after 1.5 s, and for death after 2.25.
    for (moved, pause) in figures {
        assert!(moved <= Duration::from_millis(500), "{moved:?}");
        assert!(pause <= Duration::from_millis(1700), "{pause:?}");
    }
}

#[test]
fn a_relay_that_drains_tells_its_paths_and_takes_no_builds() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 3);
        let mut client = Raw::client(&net, 0, 0).await;
        let mut other = Raw::client(&net, 1, 1).await;
        let mut path = client.build(&net, &[0, 1, 2]).await;
        let relay = net.take(1);
        let drained = tokio::spawn(async move { relay.drain(PATIENCE).await });
        let closed = Heard {
            hop: 1,
            command: Command::Closed,
            data: vec![CloseReason::Draining.code()],
        };
        assert_eq!(client.hear(&mut path).await, Some(closed));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(net.relay(2).unwrap().stats().paths, 0, "told, too");
        let (request, ..) = other.request(&net, &[1]);
        let refused = other.ask(&request).await.err();
        assert_eq!(refused, Some(RequestError::Refused));
        drained.await.unwrap();
    });
}

#[test]
fn a_terminal_that_drains_closes_its_tunnels_before_their_paths() {
    virtual_time(1, async {
        let mut net = TestNet::new(1, Weather::FAIR, 12);
        let client = net.client(0);
        let lasting = client.lasting_tunnel(net.id(7)).await.unwrap();
        let relay = net.take(7);
        let drained = tokio::spawn(async move { relay.drain(PATIENCE).await });
        let closed = timeout(Duration::from_millis(100), lasting.tunnel().closed());
        let stopping = TunnelClosed::Far(TunnelCode::Stopping);
        assert_eq!(closed.await, Ok(stopping));
        drained.await.unwrap();
    });
}
