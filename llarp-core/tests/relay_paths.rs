//! A relay's driver on real links: builds, cells, ends of paths.

use core::time::Duration;

use llarp_core::build::{Cause, Charge, Status};
use llarp_core::cell::{CloseReason, Command};
use llarp_core::hop::message::{KIND_BUILD, KIND_CLOSE, encode_close};
use llarp_core::link::RequestError;
use llarp_core::wire::limits::{BUILD_REPLY_LEN, CLIENT_BUILDS_AT_ONCE, CLIENT_BUILDS_PER_SECOND};
use tokio::time::sleep;

use crate::relay_net::{Client, Heard, Relays};

#[tokio::test(start_paused = true)]
async fn each_hop_of_a_built_path_answers_a_probe_with_its_counts() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    for hop in 0..3 {
        let answer = client.probe(&mut path, hop).await.unwrap();
        // The guard sees every cell, the next one those beyond the guard, and so on.
        assert_eq!(answer.received, 1, "hop {hop}");
    }
    let answer = client.probe(&mut path, 0).await.unwrap();
    assert_eq!((answer.received, answer.sent), (4, 4));
    for n in 1..=3 {
        let stats = relays.relays[&n].stats();
        assert_eq!((stats.paths, stats.built, stats.dropped), (1, 1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn many_paths_over_one_pair_of_relays_share_a_link() {
    let relays = Relays::new(3);
    let mut one = Client::new(&relays, 8, 1).await;
    let mut other = Client::new(&relays, 9, 2).await;
    let mut paths = [
        one.build(&relays, &[1, 2, 3]).await,
        one.build(&relays, &[1, 2, 3]).await,
    ];
    let mut back = other.build(&relays, &[2, 1]).await;
    for path in &mut paths {
        assert!(one.probe(path, 2).await.is_some());
    }
    assert!(other.probe(&mut back, 1).await.is_some());
    // A client each, and relay 3; the way from 2 to 1 is the link from 1 to 2.
    assert_eq!(relays.relays[&1].stats().links, 2);
    assert_eq!(relays.relays[&2].stats().links, 3);
}

#[tokio::test(start_paused = true)]
async fn a_closed_path_is_forgotten_at_every_hop() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let path = client.build(&relays, &[1, 2, 3]).await;
    let close = encode_close(&[path.theirs]);
    client.link.request(KIND_CLOSE, &close, 0).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    for n in 1..=3 {
        assert_eq!(relays.relays[&n].stats().paths, 0, "relay {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_neighbour_cannot_close_a_path_of_another_link() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 8, 1).await;
    let stranger = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    let close = encode_close(&[path.theirs]);
    stranger.link.request(KIND_CLOSE, &close, 0).await.unwrap();
    assert!(client.probe(&mut path, 2).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_clients_end_leaves_nothing_behind() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let _path = client.build(&relays, &[1, 2, 3]).await;
    drop(client);
    sleep(Duration::from_secs(2)).await;
    for n in 1..=3 {
        assert_eq!(relays.relays[&n].stats().paths, 0, "relay {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_relay_behind_is_reported_by_the_one_before_it() {
    let mut relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    drop(relays.relays.remove(&3));
    let heard = client.hear(&mut path).await;
    let expected = Heard {
        hop: 1,
        command: Command::Closed,
        data: vec![CloseReason::LinkLost.code()],
    };
    assert_eq!(heard, Some(expected));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(relays.relays[&1].stats().paths, 1, "its client closes it");
    assert_eq!(relays.relays[&2].stats().paths, 0);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_next_hop_is_told_and_charged_to_the_pair() {
    let mut relays = Relays::new(3);
    drop(relays.relays.remove(&3));
    let mut client = Client::new(&relays, 9, 1).await;
    let failed = client.fail(&relays, &[1, 2, 3]).await;
    assert_eq!(failed.charge(), Charge::Pair(1, 2));
    let Cause::Refused { status, .. } = failed.cause else {
        panic!("{failed}");
    };
    assert_eq!(status, Status::NextUnreachable);
}

#[tokio::test(start_paused = true)]
async fn a_path_that_nobody_asks_is_given_up_by_all_its_relays() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut used = client.build(&relays, &[1, 2, 3]).await;
    let _abandoned = client.build(&relays, &[1, 2, 3]).await;
    assert!(client.probe(&mut used, 2).await.is_some());
    sleep(Duration::from_secs(88)).await;
    let paths = || [1, 2, 3].map(|n| relays.relays[&n].stats().paths);
    assert_eq!(paths(), [2; 3]);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(paths(), [1; 3]);
}

#[tokio::test(start_paused = true)]
async fn paths_end_when_their_time_is_over() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    assert!(client.probe(&mut path, 2).await.is_some());
    sleep(Duration::from_secs(599)).await;
    assert!(client.probe(&mut path, 2).await.is_some());
    sleep(Duration::from_secs(2)).await;
    let heard = client.hear(&mut path).await.unwrap();
    assert_eq!(heard.command, Command::Closed);
    assert_eq!(heard.data, [CloseReason::Expired.code()]);
    sleep(Duration::from_secs(2)).await;
    for n in 1..=3 {
        assert_eq!(relays.relays[&n].stats().paths, 0, "relay {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_counted_for_links_that_are_gone() {
    let relays = Relays::new(2);
    for n in 20..40 {
        let mut client = Client::new(&relays, n, 1).await;
        let _path = client.build(&relays, &[1, 2]).await;
        let _closed_by_itself = client.build(&relays, &[1]).await;
        let refused = client.ask(&[0; 6729]).await;
        assert!(refused.is_err());
        // One is under way when its link goes.
        let (request, ..) = client.start(&relays, &[1, 2]);
        let link = client.link.clone();
        let asking = tokio::spawn(async move {
            let _ = link.request(KIND_BUILD, &request, BUILD_REPLY_LEN).await;
        });
        tokio::task::yield_now().await;
        assert!(relays.relays[&1].stats().accounts >= 1);
        drop(client);
        asking.abort();
    }
    sleep(Duration::from_secs(60)).await;
    let stats = relays.relays[&1].stats();
    assert_eq!((stats.accounts, stats.paths), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_unused_link_between_relays_is_closed() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    assert!(client.probe(&mut path, 2).await.is_some());
    sleep(Duration::from_secs(601)).await;
    assert_eq!(relays.relays[&2].stats().links, 2, "not at once");
    sleep(Duration::from_secs(310)).await;
    assert_eq!(relays.relays[&2].stats().links, 0);
    assert_eq!(relays.relays[&1].stats().links, 1, "the client's stays");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_builds_is_shed_and_the_paths_live() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 8, 1).await;
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    let mut flooder = Client::new(&relays, 9, 1).await;
    let mut refused = 0;
    let before = relays.clock.unix();
    for _ in 0..300 {
        let (request, ..) = flooder.start(&relays, &[1]);
        match flooder.ask(&request).await {
            Ok(_) => (),
            Err(RequestError::Refused) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    let seconds = (relays.clock.unix() - before).as_secs() + 1;
    let most = seconds * CLIENT_BUILDS_PER_SECOND + CLIENT_BUILDS_AT_ONCE;
    assert!(refused >= 300 - most, "{refused} refused in {seconds} s");
    assert_eq!(relays.relays[&1].stats().shed, refused);
    assert!(client.probe(&mut path, 2).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_replayed_build_opens_nowhere() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let (request, _, expect) = client.start(&relays, &[1, 2, 3]);
    let reply = client.ask(&request).await.unwrap();
    assert!(expect.handle_reply(reply).is_ok());
    let again = client.ask(&request).await.unwrap();
    assert_eq!(relays.relays[&1].stats().paths, 1);
    assert_eq!(relays.relays[&1].stats().refused, 1);
    drop(again);
}

#[tokio::test(start_paused = true)]
async fn truncated_and_unknown_requests_are_refused_and_the_link_lives() {
    let relays = Relays::new(3);
    let mut client = Client::new(&relays, 9, 1).await;
    let (request, ..) = client.start(&relays, &[1, 2, 3]);
    for (kind, body) in [
        (1, &request[..request.len() - 1]),
        (2, &[0; 7][..]),
        (2, &[]),
        (99, &[1]),
    ] {
        let refused = client.link.request(kind, body, 1000).await;
        assert_eq!(refused, Err(RequestError::Refused), "kind {kind}");
    }
    assert!(client.hears_nothing().await);
    let mut path = client.build(&relays, &[1, 2, 3]).await;
    assert!(client.probe(&mut path, 2).await.is_some());
}
