//! Services by name, half-closed streams, heads that are late or wrong.

use std::sync::Arc;
use std::time::Duration;

use llarp_core::tunnel::{
    Description, PathNumber, ServiceName, Services, StreamError, TunnelClosed, TunnelCode,
    TunnelKeys as _, describe, serve_tunnel,
};
use llarp_core::wire::limits::TUNNEL_ACCEPT_SEND;
use llarp_core::wire::{Fault, Reader};

use super::tunnel_network::{FAIR, Pair, echo, echoed};

#[tokio::test(start_paused = true)]
async fn a_relay_describes_itself() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let description = describe(&tunnel).await.unwrap();
    assert_eq!(description.relay, pair.keys.relay());
    let names: Vec<_> = description
        .services
        .iter()
        .map(ServiceName::as_str)
        .collect();
    assert_eq!(names, ["describe/1", "echo/1"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_service_is_a_clear_error() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let mut stream = tunnel
        .open_bi(&ServiceName::new("nothing/1").unwrap())
        .await
        .unwrap();
    assert_eq!(stream.admitted().await, Err(StreamError::NoSuchService));
    assert_eq!(stream.read(&mut [0]).await, Err(StreamError::NoSuchService));
    echoed(&tunnel, 1000).await;
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_stream_still_gives() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let mut stream = ours.open_bi(&echo()).await.unwrap();
    stream.finish();
    let mut far = theirs.accept_bi().await.unwrap().accept().await.unwrap();
    assert_eq!(far.read(&mut [0]).await, Ok(None));
    far.write_all(b"late").await.unwrap();
    far.finish();
    assert_eq!(stream.read_to_end(10).await.unwrap(), b"late");
    far.delivered().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_incoming_stream_that_is_dropped_is_refused() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let mut stream = ours.open_bi(&echo()).await.unwrap();
    drop(theirs.accept_bi().await.unwrap());
    assert_eq!(stream.admitted().await, Err(StreamError::NoSuchService));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_accept_loses_no_stream() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let _stream = ours.open_bi(&echo()).await.unwrap();
    for _ in 0..200 {
        let wait = tokio::time::timeout(Duration::from_millis(1), theirs.accept_bi()).await;
        if let Ok(stream) = wait {
            assert_eq!(stream.unwrap().name(), &echo());
            return;
        }
    }
    panic!("the stream was lost");
}

#[tokio::test(start_paused = true)]
async fn more_streams_than_the_limit_wait_and_all_are_served() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let tunnel = tunnel.clone();
        tasks.spawn(async move { echoed(&tunnel, 2000).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_tunnel_ends_streams_and_services_on_both_sides() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let services = Services::of_relay(pair.keys.relay()).unwrap();
    let serving = tokio::spawn(serve_tunnel(theirs, Arc::new(services)));
    let mut stream = ours.open_bi(&echo()).await.unwrap();
    stream.admitted().await.unwrap();
    ours.close(TunnelCode::Done);
    assert_eq!(serving.await.unwrap(), TunnelClosed::Far(TunnelCode::Done));
    assert_eq!(
        stream.read(&mut [0]).await,
        Err(StreamError::Closed(TunnelClosed::Here))
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_its_tunnel_and_the_last_handle_closes_it() {
    let pair = Pair::new(FAIR);
    let tunnel = pair.served().await;
    let mut stream = tunnel.open_bi(&echo()).await.unwrap();
    drop(tunnel);
    stream.write_all(b"still here").await.unwrap();
    stream.finish();
    assert_eq!(stream.read_to_end(100).await.unwrap(), b"still here");
    drop(stream);
    tokio::time::sleep(FAIR.delay + Duration::from_millis(5)).await;
    assert_eq!(pair.relay.called(), 0, "the relay was told");
}

#[test]
fn a_name_is_short_printable_ascii() {
    for good in ["a", "echo/1", &"x".repeat(32)] {
        let name = ServiceName::new(good).unwrap();
        let mut bytes = Vec::new();
        name.encode(&mut bytes);
        assert_eq!(ServiceName::read(&mut Reader::new(&bytes)), Ok(name));
    }
    for bad in ["", "a b", "é", "a\n", &"x".repeat(33)] {
        ServiceName::new(bad).unwrap_err();
    }
}

#[test]
fn a_description_is_read_as_it_was_written_and_in_no_other_way() {
    let name = |text| ServiceName::new(text).unwrap();
    let description = Description {
        relay: Pair::relay_id(),
        services: vec![name("a/1"), name("b/1")],
    };
    let bytes = description.encode();
    assert_eq!(Description::decode(&bytes), Ok(description.clone()));
    for len in 0..bytes.len() {
        Description::decode(&bytes[..len]).unwrap_err();
    }
    let longer = [&bytes[..], &[0]].concat();
    let error = Description::decode(&longer).unwrap_err();
    assert_eq!(error.fault, Fault::LeftOver { bytes: 1 });
    let twice = Description {
        services: vec![name("a/1"), name("a/1")],
        ..description
    };
    Description::decode(&twice.encode()).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_never_acknowledges_makes_a_callee_hold_so_much() {
    let pair = Pair::new(FAIR);
    let (ours, theirs) = pair.tunnel().await;
    let mut stream = ours.open_bi(&echo()).await.unwrap();
    let mut far = theirs.accept_bi().await.unwrap().accept().await.unwrap();
    far.write_all(b"here").await.unwrap();
    stream.read(&mut [0; 4]).await.unwrap();
    pair.net.cut(PathNumber(1));
    let chunk = vec![7; 64 << 10];
    let mut held = 0;
    let wait = Duration::from_secs(5);
    while let Ok(Ok(())) = tokio::time::timeout(wait, far.write_all(&chunk)).await {
        held += chunk.len();
    }
    let most = TUNNEL_ACCEPT_SEND as usize;
    assert!((most / 2..=most).contains(&held), "{held} bytes");
}
