//! The demo: a path over three relays, in memory, step by step.
//!
//! The relays are the library's own state machines and every byte that a link would carry is made
//! and parsed; there is no network between them yet. Each scene is judged by what comes out of it,
//! and the first that goes wrong ends the demo with an error.

use std::io::{self, Write};

use llarp_core::build::{
    AwaitNext, BuildHop, BuildReply, BuildRequest, Minute, OpenedBuild, RefusalCause, RelayContext,
    ReplayCache, open_build, start_build,
};
use llarp_core::cell::{
    Body, Command, HopKeys, InboundLayers, MiddleHop, OutboundLayers, PathId, TerminalHop,
};
use llarp_core::crypto::hash::NetworkId;
use llarp_core::crypto::identity::{RelayId, SecretKey};
use llarp_core::crypto::onion_key::{OnionPublic, OnionSecret};
use llarp_core::wire::limits::{BODY_LEN, BUILD_REQUEST_LEN, CELL_LEN};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Standard output is gone.
    #[error("writing its output: {0}")]
    Output(#[from] io::Error),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(#[from] getrandom::Error),
    /// A scene did not go as it should.
    #[error("scene {scene:?} did not go as it should: {what}")]
    Scene {
        /// The scene.
        scene: &'static str,
        /// What was expected.
        what: String,
    },
}

type Result<T, E = DemoError> = std::result::Result<T, E>;

struct Relay {
    id: RelayId,
    onion: [OnionSecret; 1],
    public: OnionPublic,
    replays: ReplayCache,
}

struct Demo<'a> {
    out: &'a mut dyn Write,
    network: NetworkId,
    now: Minute,
    rng: ChaCha20Rng,
    relays: Vec<Relay>,
}

/// What a built path leaves behind.
struct Built {
    client: Vec<HopKeys>,
    relays: Vec<HopKeys>,
    request: BuildRequest,
}

/// Runs all scenes.
///
/// # Errors
/// [`DemoError`] names the first scene that did not go as it should.
pub fn run(out: &mut dyn Write) -> Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let network = NetworkId::from_name("demo");
    let mut rng = ChaCha20Rng::from_seed(seed);
    let relays = (0..3).map(|_| Relay::new(&network, &mut rng)).collect();
    let now = Minute::at(unix_now());
    let mut demo = Demo {
        out,
        network,
        now,
        rng,
        relays,
    };
    let built = demo.build_a_path()?;
    demo.send_cells(&built)?;
    demo.garble_a_cell(&built)?;
    demo.replay_the_build(&built)?;
    writeln!(demo.out, "\nAll four scenes went as they should.")?;
    Ok(())
}

impl Relay {
    fn new(network: &NetworkId, rng: &mut ChaCha20Rng) -> Self {
        let id = SecretKey::generate(rng).relay_id();
        let onion = OnionSecret::generate(network, &id, rng);
        Self {
            id,
            public: onion.public(),
            onion: [onion],
            replays: ReplayCache::for_fresh_keys(rng),
        }
    }
}

impl Demo<'_> {
    fn build_a_path(&mut self) -> Result<Built> {
        const SCENE: &str = "build";
        let hops: Vec<_> = self.relays.iter().map(hop).collect();
        let path_id = PathId::random(&mut self.rng);
        let (request, expect) = start_build(&self.network, &hops, path_id, self.now, &mut self.rng)
            .map_err(|error| failed(SCENE, &error))?;
        writeln!(
            self.out,
            "1. Alice builds a path: one message of {BUILD_REQUEST_LEN} bytes, one round trip."
        )?;
        let (reply, relays) = self.carry(request.clone())?;
        let client = expect
            .handle_reply(reply)
            .map_err(|error| failed(SCENE, &error))?;
        let same = client.iter().zip(&relays).all(|(a, b)| a.up() == b.up());
        check(
            SCENE,
            same && client.len() == 3,
            "both ends hold the same keys",
        )?;
        for (relay, role) in self.relays.iter().zip(["guard", "middle", "terminal"]) {
            writeln!(self.out, "     {role:<9} {}", relay.id)?;
        }
        Ok(Built {
            client,
            relays,
            request,
        })
    }

    /// Carries a request to the terminal and the reply back, as bytes.
    fn carry(&mut self, mut request: BuildRequest) -> Result<(BuildReply, Vec<HopKeys>)> {
        const SCENE: &str = "build";
        let mut waiting: Vec<AwaitNext> = Vec::new();
        let (mut reply, mut keys) = loop {
            request = BuildRequest::decode(&request.encode()).map_err(|e| failed(SCENE, &e))?;
            let opened = self.open(waiting.len(), request);
            let path_id = PathId::random(&mut self.rng);
            match opened.map_err(|error| failed(SCENE, &error))? {
                OpenedBuild::Forward(build) => {
                    let (next, wait) = build.into_next(path_id);
                    waiting.push(wait);
                    request = next;
                }
                OpenedBuild::Terminal(build) => {
                    let (keys, reply) = build
                        .accept(path_id, &mut self.rng)
                        .map_err(|error| failed(SCENE, &error))?;
                    break (reply, vec![keys]);
                }
            }
        };
        while let Some(wait) = waiting.pop() {
            reply = BuildReply::decode(&reply.encode()).map_err(|e| failed(SCENE, &e))?;
            let path_id = PathId::random(&mut self.rng);
            let (own, answered) = wait
                .accept(reply, path_id)
                .map_err(|error| failed(SCENE, &error))?;
            keys.insert(0, own);
            reply = answered;
        }
        Ok((reply, keys))
    }

    fn open(&mut self, hop: usize, request: BuildRequest) -> Result<OpenedBuild, RefusalCause> {
        let relay = &mut self.relays[hop];
        let context = RelayContext {
            network: &self.network,
            relay: &relay.id,
            now: self.now,
        };
        let keys = relay.onion.as_slice();
        open_build(context, keys, &mut relay.replays, request, &mut self.rng)
            .map_err(|refusal| refusal.cause)
    }

    fn send_cells(&mut self, built: &Built) -> Result<()> {
        const SCENE: &str = "cells";
        let mut links = Links::new(built);
        writeln!(
            self.out,
            "2. A cell each way: always {CELL_LEN} bytes, another face on every link."
        )?;
        let mut body = links
            .seal_up(b"hello, terminal")
            .map_err(|e| failed(SCENE, &e))?;
        let mut faces = vec![face(&body)];
        for middle in &mut links.middle {
            middle.peel(&mut body).map_err(|e| failed(SCENE, &e))?;
            faces.push(face(&body));
        }
        let opened = links
            .terminal
            .open(&mut body)
            .map_err(|e| failed(SCENE, &e))?;
        check(
            SCENE,
            opened == (Command::Data, b"hello, terminal"),
            "it arrives whole",
        )?;
        let heard = String::from_utf8_lossy(opened.1);
        writeln!(self.out, "     up    {} -> {heard:?}", faces.join(" -> "))?;

        let mut body: Body = [0; BODY_LEN];
        let answer = b"hello, Alice";
        let sealed = links.terminal.seal(Command::Data, answer, &mut body);
        sealed.map_err(|error| failed(SCENE, &error))?;
        let mut faces = vec![face(&body)];
        for middle in links.middle.iter_mut().rev() {
            middle.wrap(&mut body).map_err(|e| failed(SCENE, &e))?;
            faces.push(face(&body));
        }
        let arrived = links
            .inbound
            .open(&mut body)
            .map_err(|e| failed(SCENE, &e))?;
        check(
            SCENE,
            arrived.hop == 2 && arrived.data == answer,
            "it comes back whole",
        )?;
        let heard = String::from_utf8_lossy(arrived.data);
        writeln!(self.out, "     down  {} -> {heard:?}", faces.join(" -> "))?;
        Ok(())
    }

    fn garble_a_cell(&mut self, built: &Built) -> Result<()> {
        const SCENE: &str = "tagging";
        let mut links = Links::new(built);
        let mut body = links.seal_up(b"tagged?").map_err(|e| failed(SCENE, &e))?;
        let bit = usize::try_from(self.rng.next_u32()).unwrap_or(0) % (BODY_LEN * 8);
        body[bit / 8] ^= 1 << (bit % 8);
        for middle in &mut links.middle {
            middle.peel(&mut body).map_err(|e| failed(SCENE, &e))?;
        }
        let Err(discarded) = links.terminal.open(&mut body) else {
            return check(SCENE, false, "a changed cell must not open");
        };
        writeln!(
            self.out,
            "3. The guard flips bit {bit} of a cell, to recognise it later: {discarded}."
        )?;
        Ok(())
    }

    fn replay_the_build(&mut self, built: &Built) -> Result<()> {
        const SCENE: &str = "replay";
        let Err(cause) = self.open(0, built.request.clone()) else {
            return check(SCENE, false, "a replayed build must not open");
        };
        check(
            SCENE,
            cause == RefusalCause::Replayed,
            "it is refused as a replay",
        )?;
        writeln!(
            self.out,
            "4. Somebody replays Alice's build message: {cause}."
        )?;
        Ok(())
    }
}

/// The layers of a built path, at both ends and between.
struct Links {
    out: OutboundLayers,
    inbound: InboundLayers,
    middle: Vec<MiddleHop>,
    terminal: TerminalHop,
}

impl Links {
    fn new(built: &Built) -> Self {
        let (terminal, middle) = built.relays.split_last().map_or_else(
            || unreachable!("a built path has hops"),
            |(terminal, middle)| (TerminalHop::new(terminal), middle),
        );
        Self {
            out: OutboundLayers::new(&built.client),
            inbound: InboundLayers::new(&built.client),
            middle: middle.iter().map(MiddleHop::new).collect(),
            terminal,
        }
    }

    fn seal_up(&mut self, data: &[u8]) -> Result<Body, llarp_core::cell::SealError> {
        let mut body = [0; BODY_LEN];
        self.out.seal(2, Command::Data, data, &mut body)?;
        Ok(body)
    }
}

fn hop(relay: &Relay) -> BuildHop<'_> {
    BuildHop {
        relay: &relay.id,
        onion: &relay.public,
    }
}

/// The first bytes of a body, to look at.
fn face(body: &Body) -> String {
    let shown = body.iter().take(4);
    shown.map(|byte| format!("{byte:02x}")).collect()
}

fn failed(scene: &'static str, error: &dyn std::error::Error) -> DemoError {
    let what = error.to_string();
    DemoError::Scene { scene, what }
}

fn check(scene: &'static str, holds: bool, expected: &str) -> Result<()> {
    let what = format!("expected that {expected}");
    holds.then_some(()).ok_or(DemoError::Scene { scene, what })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the daemon is where the clock is read"
)]
fn unix_now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |since| since.as_secs())
}
