//! A relay whose next hop, or whose asker, lets it wait.

use core::time::Duration;

use llarp_core::build::{Cause, Status};
use llarp_core::hop::message::KIND_BUILD;
use llarp_core::link::{CloseCode, Link, RequestError};
use llarp_core::wire::limits::{
    BUILD_REPLY_LEN, BUILD_REQUEST_LEN, BUILD_TIME, LINK_UNUSED_MILLIS, NEXT_DIAL_TIME,
    NEXT_PENDING_BUILDS_MAX, PATH_LIFE_MILLIS,
};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::relay_net::{Client, Relays};

const SOON: Duration = Duration::from_secs(1);

/// Takes the links that come, and all that is asked over them, and never answers.
fn be_silent(mut links: mpsc::Receiver<Link>) {
    tokio::spawn(async move {
        while let Some(link) = links.recv().await {
            link.allow_requests(1000);
            tokio::spawn(async move {
                let mut held = Vec::new();
                while let Ok(asked) = link.next_request(BUILD_REQUEST_LEN).await {
                    held.push(asked);
                }
            });
        }
    });
}

/// Asks for as many builds at once; what comes of them.
fn ask_all(
    relays: &Relays,
    client: &mut Client,
    hops: &[u8],
    count: usize,
) -> JoinSet<Result<Option<Status>, RequestError>> {
    let mut asking = JoinSet::new();
    for _ in 0..count {
        let (request, _, expect) = client.start(relays, hops);
        let link = client.link.clone();
        asking.spawn(async move {
            let reply = link.request(KIND_BUILD, &request, BUILD_REPLY_LEN).await?;
            let reply = llarp_core::build::BuildReply::decode(&reply).unwrap();
            Ok(match expect.handle_reply(reply) {
                Err(failed) => match failed.cause {
                    Cause::Refused { status, .. } => Some(status),
                    _ => None,
                },
                Ok(_) => None,
            })
        });
    }
    asking
}

#[tokio::test(start_paused = true)]
async fn a_next_hop_that_never_answers_is_waited_for_as_long_as_a_client_cares() {
    let (relays, _endpoint, links) = Relays::with_hostile_last(2);
    be_silent(links);
    let mut client = Client::new(&relays, 9, 1).await;
    let (request, ..) = client.start(&relays, &[1, 2]);
    let began = Instant::now();
    assert_eq!(
        client.ask(&request).await.err(),
        Some(RequestError::Refused)
    );
    assert_eq!(began.elapsed().as_secs(), BUILD_TIME.as_secs());
}

#[tokio::test(start_paused = true)]
async fn a_build_that_is_taken_back_is_taken_back_from_the_next_hop_too() {
    let (relays, _endpoint, mut links) = Relays::with_hostile_last(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut asking = ask_all(&relays, &mut client, &[1, 2, 3], 1);
    let link = links.recv().await.unwrap();
    let asked = link.next_request(BUILD_REQUEST_LEN).await.unwrap();
    assert!(timeout(SOON, asked.withdrawn()).await.is_err());
    asking.abort_all();
    timeout(SOON, asked.withdrawn()).await.unwrap();
    for n in [1, 2] {
        assert_eq!(relays.relays[&n].stats().refused, 1, "relay {n}");
    }
    // A client that goes takes back all that it asked for.
    let _asking = ask_all(&relays, &mut client, &[1, 2, 3], 1);
    let asked = link.next_request(BUILD_REQUEST_LEN).await.unwrap();
    client.link.close(CloseCode::Done);
    timeout(SOON, asked.withdrawn()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn builds_to_a_silent_relay_stop_no_others_over_the_same_link() {
    let (relays, _endpoint, links) = Relays::with_hostile_last(3);
    be_silent(links);
    let mut hostile = [
        Client::new(&relays, 7, 1).await,
        Client::new(&relays, 8, 1).await,
    ];
    let mut asking = Vec::new();
    for client in &mut hostile {
        asking.push(ask_all(&relays, client, &[1, 2, 3], 15));
    }
    sleep(SOON).await;
    let mut client = Client::new(&relays, 9, 1).await;
    let built = timeout(SOON, client.build(&relays, &[1, 2])).await;
    assert!(built.is_ok(), "no room on the link from 1 to 2");
}

#[tokio::test(start_paused = true)]
async fn a_silent_relay_does_not_take_all_places_of_the_one_before_it() {
    let (relays, _endpoint, links) = Relays::with_hostile_last(2);
    be_silent(links);
    let mut clients = Vec::new();
    let mut asking = Vec::new();
    for n in 10..20 {
        let mut client = Client::new(&relays, n, 1).await;
        asking.push(ask_all(&relays, &mut client, &[1, 2], 14));
        clients.push(client);
    }
    sleep(SOON).await;
    let mut overloaded = 0;
    for asking in &mut asking {
        while let Some(done) = asking.try_join_next() {
            assert_eq!(done.unwrap(), Ok(Some(Status::Overloaded)));
            overloaded += 1;
        }
    }
    assert_eq!(overloaded, 10 * 14 - NEXT_PENDING_BUILDS_MAX);
    // The places are free again when the time is over.
    sleep(BUILD_TIME).await;
    let mut again = ask_all(&relays, &mut clients[0], &[1, 2], 1);
    sleep(SOON).await;
    assert!(again.try_join_next().is_none(), "it waits for the next hop");
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_next_hop_is_told_while_the_client_still_listens() {
    let mut relays = Relays::new(3);
    drop(relays.relays.remove(&3));
    let mut client = Client::new(&relays, 9, 1).await;
    let began = Instant::now();
    client.fail(&relays, &[1, 2, 3]).await;
    assert!(began.elapsed() < BUILD_TIME, "{:?}", began.elapsed());
    assert!(began.elapsed() >= NEXT_DIAL_TIME);
    // The dial goes on, for 11 s in all: who comes late waits for its end, and dials no other.
    sleep(Duration::from_secs(2)).await;
    let began = Instant::now();
    client.fail(&relays, &[1, 2, 3]).await;
    assert!(began.elapsed() < NEXT_DIAL_TIME, "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_build_straight_back_is_carried_out() {
    let relays = Relays::new(2);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 1]).await;
    for hop in 0..3 {
        assert!(client.probe(&mut path, hop).await.is_some(), "hop {hop}");
    }
    assert_eq!(relays.relays[&1].stats().paths, 2, "its guard and its end");
    client.link.close(CloseCode::Done);
    sleep(SOON).await;
    for n in [1, 2] {
        assert_eq!(relays.relays[&n].stats().paths, 0, "relay {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_link_over_which_a_build_waits_is_not_unused() {
    let (relays, _endpoint, links) = Relays::with_hostile_last(3);
    be_silent(links);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2]).await;
    assert!(client.probe(&mut path, 1).await.is_some());
    let unused = Duration::from_millis(PATH_LIFE_MILLIS + LINK_UNUSED_MILLIS);
    sleep(unused - Duration::from_secs(2)).await;
    assert_eq!(relays.relays[&1].stats().links, 2);
    let _asking = ask_all(&relays, &mut client, &[1, 2, 3], 1);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(relays.relays[&1].stats().links, 2);
    sleep(unused).await;
    assert_eq!(relays.relays[&1].stats().links, 1);
}
