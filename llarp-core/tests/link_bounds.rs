//! What strangers can make a relay hold, and how it leaves.

use core::time::Duration;

use llarp_core::link::{
    CloseCode, DialError, Endpoint, EndpointConfig, KnockCounts, Limits, Link, LinkClosed,
    RecvError, Remedy,
};
use tokio::time::Instant;

use super::link_network::{Net, at, id, pair, relay_config, serve};

fn limited(change: impl FnOnce(&mut Limits)) -> EndpointConfig {
    let mut config = relay_config(1, &[2, 3]);
    change(&mut config.limits);
    config
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_link_makes_room() {
    let net = Net::new();
    let relay = net.endpoint(1, limited(|limits| limits.links = 2));
    let mut accepted = serve(&relay);
    let first = net.client(11).dial(&id(1), at(1)).await.unwrap();
    let first_seen = accepted.recv().await.unwrap();
    let second = net.client(12).dial(&id(1), at(1)).await.unwrap();
    let _second_seen = accepted.recv().await.unwrap();
    first.send_cell(vec![0; 1312].into()).unwrap();
    first_seen.recv_cell().await.unwrap();
    let third = net.client(13).dial(&id(1), at(1)).await.unwrap();
    let _third_seen = accepted.recv().await.unwrap();
    let evicted = LinkClosed::Peer(CloseCode::Evicted);
    assert_eq!(second.closed().await, evicted);
    assert_eq!((first.close_reason(), third.close_reason()), (None, None));
    assert_eq!(relay.links(), 2);
}

#[tokio::test(start_paused = true)]
async fn strangers_cannot_push_a_relay_out() {
    let net = Net::new();
    let relay = net.endpoint(1, limited(|limits| limits.links = 1));
    let mut accepted = serve(&relay);
    let stranger = net.client(11).dial(&id(1), at(1)).await.unwrap();
    let _stranger_seen = accepted.recv().await.unwrap();
    let friend = net.relay(2, &[]).dial(&id(1), at(1)).await.unwrap();
    let _friend_seen = accepted.recv().await.unwrap();
    let evicted = LinkClosed::Peer(CloseCode::Evicted);
    assert_eq!(stranger.closed().await, evicted);
    let again = net.client(12).dial(&id(1), at(1)).await.unwrap();
    let refused = LinkClosed::Peer(CloseCode::Refused);
    assert_eq!(again.closed().await, refused);
    assert_eq!(friend.close_reason(), None);
}

#[tokio::test(start_paused = true)]
async fn a_third_link_of_a_relay_costs_its_own_oldest_and_nobody_elses() {
    let net = Net::new();
    let relay = net.relay(1, &[2, 3]);
    let _accepted = serve(&relay);
    let other = net.relay(3, &[]).dial(&id(1), at(1)).await.unwrap();
    let greedy = net.relay(2, &[]);
    let mut links = Vec::new();
    for _ in 0..6 {
        links.push(greedy.dial(&id(1), at(1)).await.unwrap());
        settle().await;
    }
    let evicted = Some(LinkClosed::Peer(CloseCode::Evicted));
    let ends: Vec<_> = links.iter().map(Link::close_reason).collect();
    assert_eq!(ends, [evicted, evicted, evicted, evicted, None, None]);
    assert_eq!((other.close_reason(), relay.links()), (None, 3));
}

#[tokio::test(start_paused = true)]
async fn one_source_gets_so_many_links() {
    let net = Net::new();
    let relay = net.endpoint(1, limited(|limits| limits.links_per_source = 2));
    let mut accepted = serve(&relay);
    let client = net.client(11);
    let mut kept = Vec::new();
    for _ in 0..2 {
        kept.push(client.dial(&id(1), at(1)).await.unwrap());
        kept.push(accepted.recv().await.unwrap());
    }
    let third = client.dial(&id(1), at(1)).await.unwrap();
    let refused = LinkClosed::Peer(CloseCode::Refused);
    assert_eq!(third.closed().await, refused);
    let other = net.client(12).dial(&id(1), at(1)).await.unwrap();
    assert!(accepted.recv().await.is_some() && other.close_reason().is_none());
}

#[tokio::test(start_paused = true)]
async fn under_load_an_address_is_proven_first_and_a_full_relay_refuses() {
    let net = Net::new();
    let careful = net.endpoint(1, limited(|limits| limits.handshakes_unproven = 0));
    let mut accepted = serve(&careful);
    let _link = net.client(11).dial(&id(1), at(1)).await.unwrap();
    assert!(!accepted.recv().await.unwrap().is_narrow());
    let net = Net::new();
    let full = net.endpoint(1, limited(|limits| limits.handshakes = 0));
    let _accepted = serve(&full);
    let refused = net.client(11).dial(&id(1), at(1)).await.unwrap_err();
    assert_eq!(refused, DialError::Refused);
}

#[tokio::test(start_paused = true)]
async fn whoever_dials_too_often_proves_its_address_and_is_then_refused() {
    let net = Net::new();
    let relay = net.endpoint(
        1,
        limited(|limits| {
            limits.handshake_pace_unproven.at_once = 2;
            limits.handshake_pace_per_source.at_once = 3;
        }),
    );
    let _accepted = serve(&relay);
    let client = net.client(11);
    for _ in 0..5 {
        drop(client.dial(&id(1), at(1)).await.unwrap());
    }
    let refused = client.dial(&id(1), at(1)).await.unwrap_err();
    assert_eq!(
        (refused, refused.remedy()),
        (DialError::Refused, Remedy::RetryLater)
    );
    let counts = KnockCounts {
        welcomed: 5,
        to_prove: 4,
        refused: 1,
    };
    assert_eq!(relay.knocks(), counts);
    let other = net.client(12).dial(&id(1), at(1)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let again = client.dial(&id(1), at(1)).await.unwrap();
    assert_eq!((other.close_reason(), again.close_reason()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_narrow_link_survives_the_proof_of_its_address() {
    let net = Net::carrying(1250);
    let careful = net.endpoint(1, limited(|limits| limits.handshakes_unproven = 0));
    let mut accepted = serve(&careful);
    let link = net.client(11).dial(&id(1), at(1)).await.unwrap();
    assert!(link.is_narrow() && accepted.recv().await.unwrap().is_narrow());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_held_of_links_that_ended() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let client = net.client(11);
    for _ in 0..20 {
        drop(client.dial(&id(1), at(1)).await.unwrap());
        let seen = accepted.recv().await.unwrap();
        assert_eq!(seen.closed().await, LinkClosed::Peer(CloseCode::Done));
    }
    settle().await;
    assert_eq!((relay.links(), client.links()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_draining_relay_tells_its_peers_waits_and_refuses_the_next() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let link = net.client(11).dial(&id(1), at(1)).await.unwrap();
    let seen = accepted.recv().await.unwrap();
    let draining = drain(&relay, 60);
    let leaves = async {
        // Returns when the link closes; until then it hears the notice.
        let listening = tokio::spawn({
            let link = link.clone();
            async move { link.next_request(0).await.map(drop) }
        });
        while !link.peer_drains() {
            settle().await;
        }
        let refused = net.client(12).dial(&id(1), at(1)).await.unwrap_err();
        assert_eq!(refused, DialError::Refused);
        // Cells still pass meanwhile.
        link.send_cell(vec![3; 1312].into()).unwrap();
        assert_eq!(seen.recv_cell().await.unwrap(), vec![3; 1312]);
        link.close(CloseCode::Done);
        assert_eq!(listening.await.unwrap(), Err(LinkClosed::Here));
    };
    let (took, ()) = tokio::join!(draining, leaves);
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert_eq!(relay.links(), 0);
}

#[tokio::test(start_paused = true)]
async fn peers_that_stay_are_closed_at_the_deadline() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let link = net.client(11).dial(&id(1), at(1)).await.unwrap();
    let _seen = accepted.recv().await.unwrap();
    let (took, ended) = tokio::join!(drain(&relay, 5), link.closed());
    assert_eq!(ended, LinkClosed::Peer(CloseCode::Draining));
    assert!((5..=7).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_a_link_learns_of_its_end() {
    let (client, relay) = pair(&Net::new()).await;
    relay.close(CloseCode::Evicted);
    let gone = LinkClosed::Peer(CloseCode::Evicted);
    assert_eq!(client.recv_cell().await, Err(RecvError::Closed(gone)));
    assert_eq!(client.closed().await, gone);
    assert_eq!(relay.close_reason(), Some(LinkClosed::Here));
}

async fn drain(endpoint: &Endpoint, seconds: u64) -> Duration {
    let began = Instant::now();
    endpoint.drain(Duration::from_secs(seconds)).await;
    began.elapsed()
}

/// Lets every task do what it can: virtual time moves only when none can.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
