//! Relays that come and go, and clients that need a path all the time.
//!
//! Each minute five of a hundred relays, drawn anew, die at random moments. A minute later other
//! relays stand in their places, with keys, names and addresses of their own, and the list names them
//! instead; or they are restarted with the keys that they had, and carry out no builds for five
//! minutes more, so that 28 % of the network are down or refuse at any time.
//!
//! Counted, by a client each, once a second for an hour:
//!
//! - **probes**: one question on the path that the pool calls best, and its own answer. No path at
//!   hand is no answer.
//! - **questions**: asked again after 1.5 s on whichever path is best then; answered within five
//!   seconds, or not.

use core::fmt;
use core::time::Duration;

use llarp_core::client::Client;
use llarp_core::path::Want;
use llarp_core::path::pool::{Isolation, Purpose};
use llarp_tests::net::{Weather, virtual_time};
use llarp_tests::testnet::TestNet;
use llarp_tests::{Heavy, figure};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const KEY: Isolation = Isolation {
    identity: 1,
    purpose: Purpose::Session,
};
const RELAYS: usize = 100;
const DYING_A_MINUTE: usize = 5;

/// What stands in the place of a relay a minute after its death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Another relay.
    Another,
    /// The same one, restarted.
    Itself,
}

/// How many were answered.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    asked: usize,
    answered: usize,
}

/// What became of the probes and questions of an hour.
struct Hour {
    probes: Share,
    questions: Share,
}

async fn probe(client: Client) -> bool {
    match timeout(Duration::ZERO, client.path(KEY)).await {
        Ok(Ok(path)) => path.probe(2).await.is_ok(),
        _ => false,
    }
}

async fn question(client: Client) -> bool {
    let asking = async {
        loop {
            let Ok(path) = client.path(KEY).await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let answer = timeout(Duration::from_millis(1500), path.probe(2)).await;
            if matches!(answer, Ok(Ok(_))) {
                return;
            }
        }
    };
    timeout(Duration::from_secs(5), asking).await.is_ok()
}

/// Which relays die in a minute, and in which second.
fn draw(alive: &[usize], count: usize, rng: &mut ChaCha20Rng) -> Vec<(u32, usize)> {
    let mut alive = alive.to_vec();
    let drawn = (0..count).map(|_| {
        let at = rng.next_u32() as usize % alive.len();
        (rng.next_u32() % 60, alive.swap_remove(at))
    });
    drawn.collect()
}

impl Next {
    fn stands(self, net: &mut TestNet, n: usize, clients: &[Client]) {
        match self {
            Self::Itself => net.start(n),
            Self::Another => {
                net.replace(n);
                for client in clients {
                    client.set_relays(net.list.clone());
                }
            }
        }
    }
}

fn hour(seed: u64, next: Next, rng: &mut ChaCha20Rng) -> Hour {
    virtual_time(seed, async {
        let mut net = TestNet::new(seed, Weather::FAIR, RELAYS);
        let clients = [0, 1].map(|n| net.client(n));
        for client in &clients {
            client.keep(KEY, Want::Any, 2);
            client.path(KEY).await.unwrap();
        }
        let [probes, questions] = &clients;
        let (mut probed, mut asked) = (JoinSet::new(), JoinSet::new());
        let mut down: Vec<(u32, usize)> = Vec::new();
        for _ in 0..60 {
            let is_up = |n: &usize| down.iter().all(|(_, other)| other != n);
            let up: Vec<_> = (0..RELAYS).filter(is_up).collect();
            let dying = draw(&up, DYING_A_MINUTE, rng);
            for second in 0..60 {
                let now = |at: u32| at == second;
                for (_, n) in down.extract_if(.., |(at, _)| now(*at)) {
                    next.stands(&mut net, n, &clients);
                }
                for (_, n) in dying.iter().filter(|(at, _)| now(*at)) {
                    net.kill(*n);
                }
                probed.spawn(probe(probes.clone()));
                asked.spawn(question(questions.clone()));
                sleep(Duration::from_secs(1)).await;
            }
            down.extend(dying);
        }
        Hour {
            probes: probed.join_all().await.into_iter().collect(),
            questions: asked.join_all().await.into_iter().collect(),
        }
    })
}

impl FromIterator<bool> for Share {
    fn from_iter<T: IntoIterator<Item = bool>>(answers: T) -> Self {
        let count = |share: Self, is_answered| Self {
            asked: share.asked + 1,
            answered: share.answered + usize::from(is_answered),
        };
        answers.into_iter().fold(Self::default(), count)
    }
}

impl Share {
    fn is_at_least(self, per_mille: usize) -> bool {
        self.answered * 1000 >= self.asked * per_mille
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, answered } = self;
        let hundredths = answered * 10_000 / asked.max(&1);
        let (whole, part) = (hundredths / 100, hundredths % 100);
        write!(f, "{answered} of {asked}, {whole}.{part:02} %")
    }
}

/// The least shares that are answered, of a thousand: of an hour's probes and questions, and of all
/// hours' probes together.
struct Least {
    probes: usize,
    questions: usize,
    all_probes: usize,
}

fn check(name: &'static str, next: Next, least: &Least) {
    let heavy = Heavy {
        name,
        ci: 2,
        full: 100,
    };
    let mut all = Share::default();
    heavy.run(|seed, rng| {
        let Hour { probes, questions } = hour(seed, next, rng);
        figure(&format!(
            "seed {seed}: probes {probes}; questions {questions}"
        ));
        assert!(probes.is_at_least(least.probes), "probes {probes}");
        assert!(
            questions.is_at_least(least.questions),
            "questions {questions}"
        );
        all.asked += probes.asked;
        all.answered += probes.answered;
    });
    figure(&format!("all: probes {all}"));
    assert!(all.is_at_least(least.all_probes), "all probes {all}");
}

#[test]
fn five_relays_of_a_hundred_replaced_a_minute_leave_995_of_1000_probes_answered() {
    check(
        "five_relays_of_a_hundred_replaced_a_minute_leave_995_of_1000_probes_answered",
        Next::Another,
        &Least {
            probes: 990,
            questions: 995,
            all_probes: 995,
        },
    );
}

/// Less than 995 of a thousand probes: 28 % of the network cannot be built over.
#[test]
fn five_relays_of_a_hundred_restarted_a_minute_leave_995_of_1000_questions_answered() {
    check(
        "five_relays_of_a_hundred_restarted_a_minute_leave_995_of_1000_questions_answered",
        Next::Itself,
        &Least {
            probes: 970,
            questions: 995,
            all_probes: 980,
        },
    );
}
