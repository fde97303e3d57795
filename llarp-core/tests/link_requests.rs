//! Requests and replies, and their bounds.

use core::time::Duration;

use llarp_core::link::{CloseCode, Link, LinkClosed, RequestError};
use llarp_core::wire::limits::{REQUEST_BODY_TIME, REQUEST_MAX, REQUEST_TIME, RESPONSE_TIME};

use super::link_network::{Net, pair};

/// Answers each request with its kind and its body.
fn echo(link: Link, max: usize) {
    tokio::spawn(async move {
        while let Ok(request) = link.next_request(max).await {
            let reply = [&[request.kind], request.body.as_slice()].concat();
            let _ = request.respond(&reply).await;
        }
    });
}

#[tokio::test(start_paused = true)]
async fn a_request_is_answered_on_either_side() {
    let (client, relay) = pair(&Net::new()).await;
    echo(client.clone(), 100);
    echo(relay.clone(), 100);
    for link in [&client, &relay] {
        assert_eq!(link.request(7, b"ab", 3).await.unwrap(), b"\x07ab");
        assert_eq!(link.request(8, b"", 3).await.unwrap(), b"\x08");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_above_the_receivers_bound_is_refused_and_the_link_lives() {
    let (client, relay) = pair(&Net::new()).await;
    echo(relay, 100);
    assert_eq!(client.request(1, &[0; 100], 101).await.unwrap().len(), 101);
    for len in [101, 5000, REQUEST_MAX] {
        let refused = client.request(1, &vec![0; len], 101).await;
        assert_eq!(refused, Err(RequestError::Refused), "{len}");
    }
    assert_eq!(client.request(1, &[0; 100], 101).await.unwrap().len(), 101);
}

#[tokio::test(start_paused = true)]
async fn a_reply_above_the_askers_bound_is_refused_and_the_link_lives() {
    let (client, relay) = pair(&Net::new()).await;
    echo(relay, REQUEST_MAX - 1);
    let refused = client.request(1, &[0; 100], 100).await;
    assert_eq!(refused, Err(RequestError::ReplyTooLarge { max: 100 }));
    let body = vec![0; REQUEST_MAX - 1];
    let largest = client.request(1, &body, REQUEST_MAX).await.unwrap();
    assert_eq!(largest.len(), REQUEST_MAX);
}

#[tokio::test(start_paused = true)]
async fn what_no_request_can_be_is_not_sent() {
    let (client, _relay) = pair(&Net::new()).await;
    let reserved = client.request(0, b"", 0).await;
    assert_eq!(reserved, Err(RequestError::ReservedKind));
    let (max, got) = (REQUEST_MAX, REQUEST_MAX + 1);
    let large = client.request(1, &vec![0; got], 0).await;
    assert_eq!(large, Err(RequestError::TooLarge { max, got }));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_unanswered_is_refused() {
    let (client, relay) = pair(&Net::new()).await;
    let (asked, taken) = tokio::join!(client.request(1, b"", 0), async {
        relay.next_request(0).await.map(drop)
    });
    assert_eq!(asked, Err(RequestError::Refused));
    assert_eq!(taken, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_truncated_or_slow_request_reaches_nobody_and_the_next_one_does() {
    let (client, relay) = pair(&Net::new()).await;
    echo(relay, 100);
    for bytes in [
        &b""[..],
        b"\x01",
        b"\x01\0\0\0\x05abcd",
        b"\x01\0\0\0\x01abcd",
    ] {
        let (mut send, mut recv) = client.quic().open_bi().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        assert!(recv.read_to_end(100).await.is_err(), "{bytes:?}");
    }
    let (mut slow, _reply) = client.quic().open_bi().await.unwrap();
    slow.write_all(b"\x01").await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(client.request(1, b"x", 2).await.unwrap(), b"\x01x");
    assert!(began.elapsed() < REQUEST_BODY_TIME + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_answers_is_not_waited_for_forever() {
    let (client, _relay) = pair(&Net::new()).await;
    let began = tokio::time::Instant::now();
    let asked = client.request(1, b"", 0).await;
    assert_eq!(asked, Err(RequestError::TimedOut));
    assert_eq!(began.elapsed().as_secs(), REQUEST_TIME.as_secs());
}

#[tokio::test(start_paused = true)]
async fn requests_end_with_their_link() {
    let (client, relay) = pair(&Net::new()).await;
    let (asked, ()) = tokio::join!(client.request(1, b"", 0), async {
        let _request = relay.next_request(0).await.unwrap();
        relay.close(CloseCode::Other(77));
    });
    let gone = LinkClosed::Peer(CloseCode::Other(77));
    assert_eq!(asked, Err(RequestError::Closed(gone)));
    assert_eq!(client.next_request(0).await.map(drop), Err(gone));
}

#[tokio::test(start_paused = true)]
async fn an_asker_names_its_own_patience() {
    let (client, _relay) = pair(&Net::new()).await;
    let began = tokio::time::Instant::now();
    let patience = Duration::from_secs(3);
    let asked = client.request_within(patience, 1, b"", 0).await;
    assert_eq!(asked, Err(RequestError::TimedOut));
    assert_eq!(began.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_take_its_reply_is_not_waited_for_forever() {
    let net = Net::new();
    let (client, relay) = pair(&net).await;
    let asking = tokio::spawn(async move { client.request(1, b"", 100).await });
    let request = relay.next_request(0).await.unwrap();
    net.cut();
    let began = tokio::time::Instant::now();
    let answered = request.respond(b"yes").await;
    assert_eq!(answered, Err(RequestError::TimedOut));
    assert_eq!(began.elapsed().as_secs(), RESPONSE_TIME.as_secs());
    asking.abort();
}

#[tokio::test(start_paused = true)]
async fn whoever_answers_learns_that_nobody_wants_it_any_more() {
    let (client, relay) = pair(&Net::new()).await;
    let asker = client.clone();
    let asking = tokio::spawn(async move { asker.request(1, b"", 0).await });
    let request = relay.next_request(0).await.unwrap();
    let withdrawn = request.withdrawn();
    let soon = Duration::from_secs(1);
    let waited = tokio::time::timeout(soon, request.withdrawn()).await;
    assert!(waited.is_err(), "it is still wanted");
    asking.abort();
    tokio::time::timeout(soon, withdrawn).await.unwrap();
    assert_eq!(request.respond(b"").await, Err(RequestError::Refused));
    // So does the end of the link.
    let asker = client.clone();
    let _asking = tokio::spawn(async move { asker.request(1, b"", 0).await });
    let request = relay.next_request(0).await.unwrap();
    client.close(CloseCode::Done);
    tokio::time::timeout(soon, request.withdrawn())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_has_so_many_requests_open_as_it_is_allowed() {
    let (client, relay) = pair(&Net::new()).await;
    relay.allow_requests(20);
    for _ in 0..30 {
        let client = client.clone();
        tokio::spawn(async move { client.request(1, b"", 0).await });
    }
    let mut open = Vec::new();
    let second = Duration::from_secs(1);
    while let Ok(request) = tokio::time::timeout(second, relay.next_request(0)).await {
        open.push(request.unwrap());
    }
    assert_eq!(open.len(), 20);
}
