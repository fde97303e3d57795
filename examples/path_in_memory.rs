//! Run: `cargo run -p llarp-examples --example path_in_memory`
//!
//! Builds a path over three relays in one round trip and sends a cell to its terminal. All in
//! memory: the links between the four are function calls.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]
#![expect(clippy::disallowed_methods, reason = "a program has a clock")]

use std::error::Error;
use std::time::{SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use llarp_core::build::*;
use llarp_core::cell::{Command, HopKeys, MiddleHop, OutboundLayers, PathId, Peeled, TerminalHop};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use llarp_core::wire::limits::BODY_LEN;

fn main() -> Result<(), Box<dyn Error>> {
    let (network, mut rng) = (NetworkId::from_name("example"), UnwrapErr(SysRng));
    let now = Minute::at(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs());
    let mut relays = [(); 3].map(|()| Relay::new(&network));

    // Build: one message there, one back. `carry` plays the links and the relays.
    let hops = relays.each_ref().map(Relay::as_hop);
    let id = PathId::random(&mut rng);
    let (request, expect) = start_build(&network, &hops, id, now, &mut rng)?;
    let (reply, relay_keys) = carry(&network, now, &mut relays, request)?;
    let keys = expect.handle_reply(reply)?;

    // Send: the client puts three layers on, each hop takes its own off.
    let mut layers = OutboundLayers::new(&keys);
    let mut body = [0; BODY_LEN];
    layers.seal(2, Command::Data, b"hello, terminal", &mut body)?;
    for hop in &relay_keys[..2] {
        assert_eq!(MiddleHop::new(hop).peel(&mut body)?, Peeled::Onward);
    }
    let mut terminal = TerminalHop::new(&relay_keys[2]);
    let (_, data) = terminal.open(&mut body)?;
    println!("the terminal reads: {}", data.escape_ascii());
    Ok(())
}

struct Relay {
    id: RelayId,
    onion: [OnionSecret; 1],
    public: OnionPublic,
    replays: ReplayCache,
}

impl Relay {
    fn new(network: &NetworkId) -> Self {
        let rng = &mut UnwrapErr(SysRng);
        let id = SecretKey::generate(rng).relay_id();
        let onion = OnionSecret::generate(network, &id, rng);
        Self {
            id,
            public: onion.public(),
            onion: [onion],
            replays: ReplayCache::for_fresh_keys(rng),
        }
    }

    fn as_hop(&self) -> BuildHop<'_> {
        let (relay, onion) = (&self.id, &self.public);
        BuildHop { relay, onion }
    }
}

/// Hands `request` from relay to relay and the reply back. Gives the relays' keys too.
fn carry(
    network: &NetworkId,
    now: Minute,
    relays: &mut [Relay],
    request: BuildRequest,
) -> Result<(BuildReply, Vec<HopKeys>), Box<dyn Error>> {
    let (here, behind) = relays.split_first_mut().ok_or("no such relay")?;
    let (relay, keys, rng) = (&here.id, here.onion.as_slice(), &mut UnwrapErr(SysRng));
    let context = RelayContext {
        network,
        relay,
        now,
    };
    match open_build(context, keys, &mut here.replays, request, rng).map_err(|no| no.cause)? {
        OpenedBuild::Terminal(build) => {
            let (own, reply) = build.accept(PathId::random(rng), rng)?;
            Ok((reply, vec![own]))
        }
        OpenedBuild::Forward(build) => {
            let (request, expect) = build.into_next(PathId::random(rng));
            let (reply, mut keys) = carry(network, now, behind, request)?;
            let (own, reply) = expect.accept(reply, PathId::random(rng))?;
            keys.insert(0, own);
            Ok((reply, keys))
        }
    }
}
