//! Links that bring what is of no use to a relay.

use bytes::Bytes;
use llarp_core::link::{CloseCode, Link, LinkClosed};
use llarp_core::wire::limits::{CELL_LEN, UNKNOWN_CELLS_AT_ONCE, WRONG_LENGTHS_AT_ONCE};
use tokio::time::{Duration, sleep};

use crate::link_network::{at, id};
use crate::relay_net::{Client, Relays};

/// Sends so many cells of paths that nobody knows, or as many as the link takes.
async fn invent(link: &Link, cells: u64) {
    for n in 0..cells {
        let mut cell = vec![7; CELL_LEN];
        cell[..8].copy_from_slice(&n.to_be_bytes());
        if link.send_cell_wait(cell.into()).await.is_err() {
            break;
        }
    }
    sleep(Duration::from_secs(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_invents_cells_is_cut_off_and_another_is_not() {
    let relays = Relays::new(1);
    let hostile = Client::new(&relays, 8, 1).await;
    let mut other = Client::new(&relays, 9, 1).await;
    let mut path = other.build(&relays, &[1]).await;
    invent(&hostile.link, UNKNOWN_CELLS_AT_ONCE / 2).await;
    assert_eq!(hostile.link.close_reason(), None, "a race might");
    invent(&hostile.link, UNKNOWN_CELLS_AT_ONCE).await;
    let closed = LinkClosed::Peer(CloseCode::Useless);
    assert_eq!(hostile.link.close_reason(), Some(closed));
    assert!(other.probe(&mut path, 0).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_relay_is_not_cut_off_for_what_its_clients_send() {
    let (relays, endpoint, _links) = Relays::with_hostile_last(2);
    let link = endpoint.dial(&id(1), at(1)).await.unwrap();
    invent(&link, UNKNOWN_CELLS_AT_ONCE + 10_000).await;
    assert_eq!(link.close_reason(), None);
    assert!(relays.relays[&1].stats().dropped > UNKNOWN_CELLS_AT_ONCE);
}

#[tokio::test(start_paused = true)]
async fn whoever_sends_what_is_no_cell_is_cut_off() {
    let (relays, endpoint, _links) = Relays::with_hostile_last(2);
    let client = Client::new(&relays, 9, 1).await;
    let relay = endpoint.dial(&id(1), at(1)).await.unwrap();
    for link in [client.link, relay] {
        for n in 0..=WRONG_LENGTHS_AT_ONCE {
            assert_eq!(link.close_reason(), None, "after {n}");
            let short = Bytes::from(vec![7; CELL_LEN - 1]);
            link.quic().send_datagram_wait(short).await.unwrap();
            sleep(Duration::from_millis(1)).await;
        }
        sleep(Duration::from_secs(1)).await;
        let closed = LinkClosed::Peer(CloseCode::Useless);
        assert_eq!(link.close_reason(), Some(closed));
    }
}
