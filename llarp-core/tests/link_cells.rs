//! Cells on wide and narrow links.

use core::time::Duration;

use bytes::Bytes;
use llarp_core::link::{LinkClosed, RecvError, SendError};
use llarp_core::wire::limits::{CELL_LEN, LINK_IDLE, NARROW_QUEUE_CELLS, RELAY_SEND_CELLS};
use tokio::time::Instant;

use super::link_network::{Net, at, id, pair, serve};

fn cell(n: u8) -> Bytes {
    Bytes::from(vec![n; CELL_LEN])
}

#[tokio::test(start_paused = true)]
async fn cells_pass_both_ways_one_to_a_packet_of_1350_bytes() {
    let net = Net::new();
    let (client, relay) = pair(&net).await;
    assert!(!client.is_narrow() && !relay.is_narrow());
    for n in 0..50 {
        client.send_cell(cell(n)).unwrap();
        assert_eq!(relay.recv_cell().await.unwrap(), cell(n));
        relay.send_cell(cell(!n)).unwrap();
        assert_eq!(client.recv_cell().await.unwrap(), cell(!n));
    }
    assert_eq!(net.sizes().into_iter().max(), Some(1350));
    let carrying = net.sizes().into_iter().filter(|size| *size > CELL_LEN);
    assert!(carrying.count() >= 100);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_cell_is_not_sent() {
    let net = Net::new();
    let (client, _relay) = pair(&net).await;
    for got in [0, CELL_LEN - 1, CELL_LEN + 1] {
        let sent = client.send_cell(Bytes::from(vec![0; got]));
        assert_eq!(sent, Err(SendError::WrongLength { got }));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_cell_is_dropped_and_the_link_lives() {
    let net = Net::new();
    let (client, relay) = pair(&net).await;
    for got in [0, 7, CELL_LEN - 1] {
        let short = Bytes::from(vec![1; got]);
        client.quic().send_datagram(short).unwrap();
        assert_eq!(relay.recv_cell().await, Err(RecvError::WrongLength { got }));
    }
    client.send_cell(cell(2)).unwrap();
    assert_eq!(relay.recv_cell().await.unwrap(), cell(2));
}

#[tokio::test(start_paused = true)]
async fn a_relay_holds_one_batch_of_cells_and_waits_with_the_next() {
    let net = Net::new();
    let (client, relay) = pair(&net).await;
    assert!(
        relay.cell_room() <= RELAY_SEND_CELLS,
        "{}",
        relay.cell_room()
    );
    for n in 0..200 {
        relay.send_cell_wait(cell(n)).await.unwrap();
    }
    for n in 0..200 {
        assert_eq!(client.recv_cell().await.unwrap(), cell(n));
    }
}

#[tokio::test(start_paused = true)]
async fn where_1350_bytes_do_not_pass_a_dial_falls_back_and_cells_still_pass() {
    let net = Net::carrying(1250);
    let began = Instant::now();
    let (client, relay) = pair(&net).await;
    assert!(client.is_narrow() && relay.is_narrow());
    assert!(began.elapsed() < Duration::from_secs(4));
    for n in 0..100 {
        client.send_cell_wait(cell(n)).await.unwrap();
        relay.send_cell_wait(cell(!n)).await.unwrap();
    }
    for n in 0..100 {
        assert_eq!(relay.recv_cell().await.unwrap(), cell(n));
        assert_eq!(client.recv_cell().await.unwrap(), cell(!n));
    }
}

#[tokio::test(start_paused = true)]
async fn a_narrow_link_queues_so_many_cells_and_refuses_the_next() {
    let net = Net::carrying(1250);
    let (client, _relay) = pair(&net).await;
    for _ in 0..NARROW_QUEUE_CELLS {
        client.send_cell(cell(0)).unwrap();
    }
    assert_eq!(client.cell_room(), 0);
    assert_eq!(client.send_cell(cell(0)), Err(SendError::Full));
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_lives_and_a_dead_peer_is_noticed() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let client = net.client(9).dial(&id(1), at(1)).await.unwrap();
    let link = accepted.recv().await.unwrap();
    tokio::select! {
        ended = client.closed() => panic!("{ended}"),
        () = tokio::time::sleep(LINK_IDLE * 4) => {}
    }
    net.cut();
    let began = Instant::now();
    assert_eq!(link.closed().await, LinkClosed::TimedOut);
    assert!(began.elapsed() <= LINK_IDLE + Duration::from_secs(1));
}
