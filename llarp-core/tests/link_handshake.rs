//! Who gets a link with whom.

use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::RelayId;
use llarp_core::link::{
    CloseCode, DialError, Endpoint, Handlers, KeyExchange, Link, LinkClosed, Peer, Protocol,
    Remedy, StartError,
};
use llarp_core::wire::limits::{HANDSHAKE_TIME, WIDE_HANDSHAKE};
use tokio::time::{Duration, Instant};

use super::link_network::{Net, at, client_config, id, pair, relay_config, serve};

#[tokio::test(start_paused = true)]
async fn a_client_has_no_name_and_the_relay_has_the_one_that_was_dialled() {
    let (client, relay) = pair(&Net::new()).await;
    assert_eq!(client.peer(), Peer::Relay(id(1)));
    assert_eq!(relay.peer(), Peer::Anonymous);
    assert_eq!(relay.protocol(), Protocol::CELLS);
}

#[tokio::test(start_paused = true)]
async fn another_key_than_the_dialled_one_is_refused() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let _accepted = serve(&relay);
    let error = net.client(9).dial(&id(2), at(1)).await.unwrap_err();
    assert_eq!(error, DialError::WrongKey);
    assert_eq!(error.remedy(), Remedy::DropPeer);
}

#[tokio::test(start_paused = true)]
async fn a_registered_relay_is_let_in_by_its_name() {
    let net = Net::new();
    let relay = net.relay(1, &[2]);
    let mut accepted = serve(&relay);
    let link = net.relay(2, &[]).dial(&id(1), at(1)).await.unwrap();
    let seen = accepted.recv().await.unwrap();
    assert_eq!(seen.peer(), Peer::Relay(id(2)));
    drop(link);
    assert_eq!(seen.closed().await, LinkClosed::Peer(CloseCode::Done));
}

#[tokio::test(start_paused = true)]
async fn an_unregistered_relay_is_refused() {
    let net = Net::new();
    let relay = net.relay(1, &[2]);
    let mut accepted = serve(&relay);
    let link = net.relay(3, &[]).dial(&id(1), at(1)).await.unwrap();
    assert_eq!(link.closed().await, LinkClosed::NotAdmitted);
    assert!(accepted.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn another_network_or_protocol_is_refused() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let mut config = client_config(9);
    config.network = NetworkId::from_name("another");
    let other = net.endpoint(9, config);
    let dialled = other.dial(&id(1), at(1)).await;
    assert_eq!(dialled.unwrap_err(), DialError::OtherNetwork);
    let client = net.client(8);
    let dht = client
        .dial_protocol(Protocol("llarp-dht/1"), &id(1), at(1))
        .await;
    assert_eq!(dht.unwrap_err(), DialError::OtherNetwork);
    assert!(accepted.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn each_protocol_has_its_own_handler() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let dht = Protocol("llarp-dht/1");
    let (links, mut accepted) = tokio::sync::mpsc::channel::<Link>(1);
    let handlers = Handlers::new()
        .with(Protocol::CELLS, |_| panic!("nobody dialled for cells"))
        .with(dht, move |link| links.try_send(link).unwrap());
    relay.serve(handlers).unwrap();
    let _link = net
        .client(9)
        .dial_protocol(dht, &id(1), at(1))
        .await
        .unwrap();
    assert_eq!(accepted.recv().await.unwrap().protocol(), dht);
}

#[tokio::test(start_paused = true)]
async fn the_key_exchange_is_hybrid() {
    // Each side in turn takes nothing but X25519MLKEM768, and the other's default gives it.
    for (client, relay) in [
        (KeyExchange::HybridRequired, KeyExchange::HybridPreferred),
        (KeyExchange::HybridPreferred, KeyExchange::HybridRequired),
    ] {
        let net = Net::new();
        let mut config = relay_config(1, &[]);
        config.key_exchange = relay;
        let relay = net.endpoint(1, config);
        let _accepted = serve(&relay);
        let mut config = client_config(9);
        config.key_exchange = client;
        let client = net.endpoint(9, config);
        client.dial(&id(1), at(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_said_after_a_wide_and_a_narrow_try() {
    let net = Net::new();
    let began = Instant::now();
    let error = net.client(9).dial(&id(1), at(1)).await.unwrap_err();
    assert_eq!(error, DialError::NoAnswer);
    assert_eq!(error.remedy(), Remedy::RetryLater);
    assert!(began.elapsed() <= WIDE_HANDSHAKE + HANDSHAKE_TIME + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_dialled_is_the_callers_fault() {
    let client = Net::new().client(9);
    let not_a_key = client.dial(&RelayId([0xff; 32]), at(1)).await.unwrap_err();
    assert_eq!(not_a_key, DialError::NotAKey);
    let port_0 = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let bad = client.dial(&id(1), port_0).await.unwrap_err();
    assert_eq!(
        (bad, bad.remedy()),
        (DialError::BadAddress, Remedy::FixCall)
    );
    client.close();
    let stopped = client.dial(&id(1), at(1)).await.unwrap_err();
    assert_eq!(stopped, DialError::Stopped);
}

#[tokio::test(start_paused = true)]
async fn serving_is_for_relays_once_with_one_handler_a_protocol() {
    let net = Net::new();
    let one = || Handlers::new().with(Protocol::CELLS, |_: Link| ());
    let refused = net.client(9).serve(one()).unwrap_err();
    assert!(matches!(refused, StartError::NotARelay));
    let relay = net.relay(1, &[]);
    for handlers in [Handlers::new(), one().with(Protocol::CELLS, |_: Link| ())] {
        let refused = relay.serve(handlers).unwrap_err();
        assert!(matches!(refused, StartError::Handlers));
    }
    relay.serve(one()).unwrap();
    assert!(matches!(relay.serve(one()), Err(StartError::Twice)));
}

#[tokio::test(start_paused = true)]
async fn a_restarted_relay_resets_the_links_that_it_forgot() {
    let net = Net::new();
    let relay = net.relay(1, &[]);
    let mut accepted = serve(&relay);
    let client = net.client(9);
    let link = client.dial(&id(1), at(1)).await.unwrap();
    let seen = accepted.recv().await.unwrap();
    // The old process is there, but no packet reaches it: the address is the new one's.
    let mut config = relay_config(1, &[]);
    config.seed = llarp_core::crypto::secret::Secret::take(&mut [0x77; 32]);
    let _restarted = net.endpoint(1, config);
    let began = Instant::now();
    link.send_cell(vec![0; 1312].into()).unwrap();
    assert_eq!(link.closed().await, LinkClosed::Reset);
    assert!(began.elapsed() < Duration::from_secs(1));
    drop(seen);
}

#[tokio::test]
async fn real_sockets_carry_links_too() {
    let any = (std::net::Ipv4Addr::LOCALHOST, 0).into();
    let relay = Endpoint::bind(relay_config(1, &[]), any).unwrap();
    let mut accepted = serve(&relay);
    let client = Endpoint::bind(client_config(9), any).unwrap();
    let link = client
        .dial(&id(1), relay.local_addr().unwrap())
        .await
        .unwrap();
    let seen = accepted.recv().await.unwrap();
    link.send_cell(vec![5; 1312].into()).unwrap();
    assert_eq!(seen.recv_cell().await.unwrap(), vec![5; 1312]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_link_shows_an_address_or_a_name() {
    let net = Net::new();
    let (client, relay) = pair(&net).await;
    let endpoint = net.client(7);
    let shown = format!(
        "{client:?} {relay:?} {endpoint:?} {:?} {} {:?}",
        client.remote(),
        client.remote(),
        client.peer()
    );
    assert!(
        !shown.contains("192.0.") && !shown.contains("snode"),
        "{shown}"
    );
}
