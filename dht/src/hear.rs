//! A table that hears one peer from memory: for fuzz targets, and for tests of what goes over the
//! wire. No socket, no disk, and no waiting: what the peer says is all there at once.

use core::future::pending;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20::ChaCha20Rng;
use futures::future::{BoxFuture, Ready, ready};
use futures::io::{AsyncRead, AsyncWrite};
use futures::{FutureExt, StreamExt};
use libp2p_core::muxing::StreamMuxerBox;
use libp2p_core::transport::{DialOpts, ListenerId, TransportError, TransportEvent};
use libp2p_core::{Multiaddr, Transport};
use libp2p_identity::PeerId;
use libp2p_kad::Event;
use libp2p_swarm::{Swarm, SwarmEvent};
use llarp_core::clock::Clock;
use llarp_core::crypto::identity::RelayId;
use llarp_core::link::KnownRelays;
use llarp_core::relay::Directory;
use llarp_core::store::Store;
use rand_core::SeedableRng;
use tokio::runtime::{Builder, Handle};

use crate::counters::{Counters, Stats};
use crate::guard::Guard;
use crate::members::{Member, Members};
use crate::muxer::{Muxer, Streams};
use crate::names::{address_of, peer_of};
use crate::rules::Rules;
use crate::shelf::Shelf;
use crate::table::swarm;

/// The relay that hears.
const OWN: RelayId = RelayId([1; 32]);
/// The one that it hears.
const PEER: RelayId = RelayId([2; 32]);
/// Turns in which nothing is read or written, after which nothing will be.
const QUIET_TURNS: usize = 16;

/// What a table has made of a peer's streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// What it has counted.
    pub stats: Stats,
    /// Values that it keeps.
    pub kept: usize,
    /// What it has written on each stream.
    pub answers: Vec<Vec<u8>>,
}

/// Lets a table hear a registered peer, which opens these streams at once, writes that on them, and
/// writes no more. `None` if there is no thread for it.
#[must_use]
pub fn hear(rules: Arc<dyn Rules>, streams: Vec<Vec<u8>>) -> Option<Heard> {
    let runtime = Builder::new_current_thread().enable_time().build().ok()?;
    let peer = Memory::new(streams, Vec::new());
    let mut table = Table::new(rules, &peer, runtime.handle().clone())?;
    runtime.block_on(table.run(&peer, |_| {}));
    let kept = table.swarm.behaviour_mut().shelf().records().len();
    let said = peer.0.lock().unwrap_or_else(PoisonError::into_inner);
    Some(Heard {
        stats: table.counters.stats(),
        kept,
        answers: said.written.clone(),
    })
}

/// A table without links.
struct Table {
    swarm: Swarm<Guard>,
    counters: Arc<Counters>,
}

impl Table {
    fn new(rules: Arc<dyn Rules>, peer: &Memory, runtime: Handle) -> Option<Self> {
        let counters = Arc::new(Counters::default());
        let shelf = Shelf::open(
            OWN,
            rules,
            Store::in_memory(),
            Clock::system(),
            ChaCha20Rng::from_seed([0; 32]),
            Arc::clone(&counters),
        );
        let mut shelf = shelf.ok()?;
        shelf.set_members(Members::new(
            [OWN, PEER].map(|relay| Member { relay, keeps: true }),
        ));
        let own = peer_of(&OWN)?;
        let guard = Guard::new(own, shelf, Arc::new(Pair), Arc::clone(&counters));
        let transport = OneLink {
            link: Some(peer.clone()),
            peer: peer_of(&PEER)?,
        };
        Some(Self {
            swarm: swarm(own, transport.boxed(), guard, runtime),
            counters,
        })
    }

    /// Gives every task its turns until the peer is heard.
    async fn run(&mut self, peer: &Memory, mut event: impl FnMut(SwarmEvent<Event>)) {
        let (mut moved, mut quiet) = (0, 0);
        while quiet < QUIET_TURNS {
            while let Some(Some(happened)) = self.swarm.next().now_or_never() {
                event(happened);
            }
            tokio::task::yield_now().await;
            let now = peer.moved();
            quiet = if now == moved { quiet + 1 } else { 0 };
            moved = now;
        }
    }
}

/// The registry of two.
#[derive(Debug)]
struct Pair;

impl KnownRelays for Pair {
    fn is_known(&self, id: &RelayId) -> bool {
        [OWN, PEER].contains(id)
    }
}

impl Directory for Pair {
    fn address_of(&self, _: &RelayId) -> Option<SocketAddr> {
        None
    }
}

/// A transport with one link, that comes in.
struct OneLink {
    link: Option<Memory>,
    peer: PeerId,
}

type Output = (PeerId, StreamMuxerBox);

impl Transport for OneLink {
    type Output = Output;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Output>>;
    type Dial = Ready<io::Result<Output>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Some(link) = self.link.take() else {
            return Poll::Pending;
        };
        let link = StreamMuxerBox::new(Muxer::new(link));
        Poll::Ready(TransportEvent::Incoming {
            listener_id: ListenerId::next(),
            upgrade: ready(Ok((self.peer, link))),
            local_addr: address_of(self.peer),
            send_back_addr: address_of(self.peer),
        })
    }
}

/// A peer with all that it will ever say.
#[derive(Clone)]
struct Memory(Arc<Mutex<Said>>);

struct Said {
    /// On streams that it opens.
    asks: VecDeque<Vec<u8>>,
    /// On streams that are opened to it.
    answers: VecDeque<Vec<u8>>,
    /// What was written to it, by stream.
    written: Vec<Vec<u8>>,
    /// Bytes that were read of what it says.
    read: usize,
}

impl Memory {
    fn new(asks: Vec<Vec<u8>>, answers: Vec<Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Said {
            asks: asks.into(),
            answers: answers.into(),
            written: Vec::new(),
            read: 0,
        })))
    }

    /// Bytes read and written, and streams.
    fn moved(&self) -> usize {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written: usize = said.written.iter().map(Vec::len).sum();
        said.read + written + said.written.len()
    }

    fn stream(
        &self,
        next: impl FnOnce(&mut Said) -> Option<Vec<u8>>,
    ) -> BoxFuture<'static, io::Result<MemoryStream>> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(unread) = next(&mut said) else {
            return pending().boxed();
        };
        let number = said.written.len();
        said.written.push(Vec::new());
        let stream = MemoryStream {
            unread,
            number,
            said: Arc::clone(&self.0),
        };
        ready(Ok(stream)).boxed()
    }
}

impl Streams for Memory {
    type Stream = MemoryStream;

    fn accept(&self) -> BoxFuture<'static, io::Result<MemoryStream>> {
        self.stream(|said| said.asks.pop_front())
    }

    fn open(&self) -> BoxFuture<'static, io::Result<MemoryStream>> {
        self.stream(|said| said.answers.pop_front())
    }

    fn closed(&self) -> BoxFuture<'static, io::Error> {
        pending().boxed()
    }

    fn close(&self) {}
}

/// A stream whose other side has said everything.
struct MemoryStream {
    unread: Vec<u8>,
    number: usize,
    said: Arc<Mutex<Said>>,
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let len = buf.len().min(self.unread.len());
        let read = self.unread.drain(..len);
        buf.iter_mut().zip(read).for_each(|(to, from)| *to = from);
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.read += len;
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(written) = said.written.get_mut(self.number) {
            written.extend_from_slice(buf);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use libp2p_kad::{GetRecordOk, QueryResult};

    use super::*;
    use crate::names::Key;
    use crate::rules::{Invalid, Judged, Order};

    const NAMES: &[u8] = b"\x13/multistream/1.0.0\n\x0d/llarp/kad/1\n";
    const KEY: Key = [7; 32];
    const PUT_VALUE: u8 = 0;
    const GET_VALUE: u8 = 1;
    const ADD_PROVIDER: u8 = 2;
    const GET_PROVIDERS: u8 = 3;
    const FIND_NODE: u8 = 4;

    /// What does not begin with a zero is valid.
    struct NoZero;

    impl Rules for NoZero {
        fn judge(&self, _: &Key, value: &[u8], unix: u64) -> Result<Judged, Invalid> {
            let first = *value.first().ok_or(Invalid::Forged)?;
            if first == 0 {
                return Err(Invalid::Forged);
            }
            Ok(Judged {
                order: Order {
                    sequence: first.into(),
                    tie: [0; 32],
                },
                expires: unix + 60,
                owner: KEY,
            })
        }
    }

    fn varint(mut number: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let [low, ..] = number.to_le_bytes();
            number >>= 7;
            if number == 0 {
                bytes.push(low);
                return bytes;
            }
            bytes.push(low | 0x80);
        }
    }

    /// A field of bytes.
    fn field(number: usize, bytes: &[u8]) -> Vec<u8> {
        [&varint(number << 3 | 2), &varint(bytes.len()), bytes].concat()
    }

    fn message(kind: u8, fields: &[Vec<u8>]) -> Vec<u8> {
        let kind = if kind == 0 { vec![] } else { vec![8, kind] };
        [kind, fields.concat()].concat()
    }

    /// A whole stream.
    fn stream(messages: &[Vec<u8>]) -> Vec<u8> {
        let framed = messages.iter();
        let framed = framed.flat_map(|message| [varint(message.len()), message.clone()].concat());
        [NAMES, &framed.collect::<Vec<_>>()].concat()
    }

    fn record(value: &[u8], publisher: &[u8]) -> Vec<u8> {
        field(
            3,
            &[
                field(1, &KEY),
                field(2, value),
                field(666, publisher),
                [varint(777 << 3), varint(1)].concat(),
            ]
            .concat(),
        )
    }

    fn peers(ids: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
        ids.flat_map(|id| field(8, &field(1, &id))).collect()
    }

    /// What the table answers to one stream, behind the names.
    fn answer(streams: &[Vec<u8>]) -> (Heard, Vec<u8>) {
        let heard = hear(Arc::new(NoZero), streams.to_vec()).unwrap();
        let last = heard.answers[streams.len() - 1].clone();
        let rest = last.strip_prefix(NAMES).unwrap_or_default().to_vec();
        (heard, rest)
    }

    #[test]
    fn a_value_is_kept_and_the_answer_is_one_byte() {
        let put = stream(&[message(PUT_VALUE, &[field(2, &KEY), record(b"value", b"")])]);
        let (heard, said) = answer(&[put]);
        assert_eq!((heard.kept, heard.stats.stored), (1, 1));
        let kept = field(3, &[field(1, &KEY), field(2, &[1])].concat());
        assert!(said.ends_with(&kept), "{said:?}");
    }

    #[test]
    fn a_refused_value_is_answered_without_one_and_the_link_lives() {
        let put = |value: &[u8]| {
            let put = message(PUT_VALUE, &[field(2, &KEY), record(value, b"")]);
            stream(&[put])
        };
        let (heard, said) = answer(&[put(b"newer"), put(b"\0forged"), put(b"never")]);
        assert_eq!((heard.kept, heard.stats.brought), (1, 3));
        assert_eq!((heard.stats.forged, heard.stats.stored), (1, 1));
        let kept = field(2, &[1]);
        assert!(said.ends_with(&kept), "of one sequence and one hash");
        let (heard, said) = answer(&[put(b"newer"), put(b"above")]);
        assert_eq!(heard.stats.refused, 1);
        assert!(!said.is_empty() && !said.ends_with(&kept));
    }

    #[test]
    fn whose_name_stands_as_publisher_is_nothing_to_us() {
        let own = peer_of(&OWN).unwrap().to_bytes();
        let put = message(PUT_VALUE, &[field(2, &KEY), record(b"value", &own)]);
        assert_eq!(answer(&[stream(&[put])]).0.kept, 1);
    }

    #[test]
    fn a_value_is_found() {
        let put = stream(&[message(PUT_VALUE, &[field(2, &KEY), record(b"value", b"")])]);
        let get = stream(&[message(GET_VALUE, &[field(2, &KEY)])]);
        let (heard, said) = answer(&[put, get]);
        assert_eq!(heard.stats.asked, 1);
        let found = field(3, &[field(1, &KEY), field(2, b"value")].concat());
        let end = said.windows(found.len()).position(|part| part == found);
        assert!(end.is_some(), "{said:?}");
    }

    #[test]
    fn nobody_is_named_and_nothing_is_provided() {
        let provide = field(9, &field(1, &peer_of(&PEER).unwrap().to_bytes()));
        let provide = message(ADD_PROVIDER, &[field(2, &KEY), provide]);
        let add = stream(&[provide.clone(), provide]);
        let (heard, said) = answer(&[add]);
        assert_eq!((said, heard.kept), (vec![], 0));
        for kind in [FIND_NODE, GET_PROVIDERS] {
            let key = if kind == FIND_NODE { b"x" } else { &KEY[..] };
            let (_, said) = answer(&[stream(&[message(kind, &[field(2, key)])])]);
            assert!(!said.is_empty() && said.len() < 48, "{kind}: {said:?}");
        }
    }

    #[test]
    fn whoever_asks_without_end_is_sent_away() {
        let put = message(PUT_VALUE, &[field(2, &KEY), record(b"value", b"")]);
        let streams = vec![stream(&vec![put; 60]); 16];
        let heard = hear(Arc::new(NoZero), streams).unwrap();
        assert!(heard.stats.sent_away > 0);
        assert!((512..600).contains(&heard.stats.brought));
    }

    #[test]
    fn nobody_is_asked_because_a_peer_says_so() {
        let strangers = (0..=255_u8).map(|n| [&[0, 0x24, 8, 1, 0x12, 0x20][..], &[n; 32]].concat());
        let say = [record(b"value", b""), peers(strangers)];
        let peer = Memory::new(vec![], vec![stream(&[message(GET_VALUE, &say)])]);
        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let handle = runtime.handle().clone();
        let mut table = Table::new(Arc::new(NoZero), &peer, handle).unwrap();
        let mut events = Vec::new();
        runtime.block_on(async {
            table.run(&peer, |_| {}).await;
            table.swarm.behaviour_mut().get(&KEY, &[PEER]);
            table.run(&peer, |event| events.push(event)).await;
        });
        let mut found = 0;
        for event in &events {
            match event {
                SwarmEvent::Behaviour(Event::OutboundQueryProgressed { result, stats, .. }) => {
                    let QueryResult::GetRecord(Ok(result)) = result else {
                        panic!("{result:?}");
                    };
                    if let GetRecordOk::FoundRecord(record) = result {
                        assert_eq!(record.record.value, b"value");
                        found += 1;
                    }
                    assert_eq!(stats.num_requests(), 1);
                }
                SwarmEvent::Dialing { .. } | SwarmEvent::OutgoingConnectionError { .. } => {
                    panic!("somebody was dialled: {event:?}");
                }
                _ => {}
            }
        }
        assert_eq!(found, 1);
    }
}
