//! Relays that come and go, and a client that needs a path all the time.
//!
//! Each minute some of a hundred relays, drawn anew, die at random moments: five, in whose places new
//! machines stand a minute later, or one, which is itself restarted a minute later and then carries
//! out no builds for five minutes. Five restarted a minute are more than a client copes with: it has
//! four second hops, of which the 28 % that are down or refuse are sometimes all, and 95.3 % of the
//! questions of such an hour were answered.
//!
//! Counted: each second the client's user asks a question on the path that the pool calls best, and
//! asks again on whichever is best then when there is no answer in 1.5 s. The question is answered if
//! any of its answers comes within five seconds; how many are answered at once is printed.

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

/// How relays go.
#[derive(Debug, Clone, Copy)]
struct Churn {
    dying_a_minute: usize,
    /// Whether those that come back refuse builds for a while, as after a restart.
    refuse: bool,
}

/// How often it was asked until the answer, if there was one.
async fn ask(client: Client) -> Option<u32> {
    let asking = async {
        let mut times = 0;
        loop {
            times += 1;
            let Ok(path) = client.path(KEY).await else {
                sleep(Duration::from_millis(100)).await;
                continue;
            };
            let answer = timeout(Duration::from_millis(1500), path.probe(2)).await;
            if matches!(answer, Ok(Ok(_))) {
                return times;
            }
        }
    };
    timeout(Duration::from_secs(5), asking).await.ok()
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

/// What became of the questions of an hour.
fn questions(seed: u64, churn: Churn, rng: &mut ChaCha20Rng) -> Vec<Option<u32>> {
    virtual_time(seed, async {
        let mut net = TestNet::new(seed, Weather::FAIR, RELAYS);
        let client = net.client(0);
        client.keep(KEY, Want::Any, 2);
        client.path(KEY).await.unwrap();
        let mut asked = JoinSet::new();
        let mut down: Vec<(u32, usize)> = Vec::new();
        for _ in 0..60 {
            let is_up = |n: &usize| down.iter().all(|(_, other)| other != n);
            let up: Vec<_> = (0..RELAYS).filter(is_up).collect();
            let dying = draw(&up, churn.dying_a_minute, rng);
            for second in 0..60 {
                let now = |at: u32| at == second;
                for (_, n) in down.extract_if(.., |(at, _)| now(*at)) {
                    if churn.refuse {
                        net.start(n);
                    } else {
                        net.replace(n);
                    }
                }
                for (_, n) in dying.iter().filter(|(at, _)| now(*at)) {
                    net.kill(*n);
                }
                asked.spawn(ask(client.clone()));
                sleep(Duration::from_secs(1)).await;
            }
            down.extend(dying);
        }
        asked.join_all().await
    })
}

fn check(name: &'static str, churn: Churn) {
    let heavy = Heavy {
        name,
        ci: 2,
        full: 100,
    };
    heavy.run(|seed, rng| {
        let times = questions(seed, churn, rng);
        let asked = times.len();
        let at_once = times.iter().filter(|times| **times == Some(1)).count();
        let answered = times.iter().flatten().count();
        figure(&format!(
            "seed {seed}: {answered} of {asked}, {at_once} at once"
        ));
        assert!(answered * 1000 >= asked * 995, "{answered} answered");
    });
}

#[test]
fn five_relays_of_a_hundred_replaced_a_minute_leave_995_of_1000_questions_answered() {
    let churn = Churn {
        dying_a_minute: 5,
        refuse: false,
    };
    check(
        "five_relays_of_a_hundred_replaced_a_minute_leave_995_of_1000_questions_answered",
        churn,
    );
}

#[test]
fn one_relay_of_a_hundred_restarted_a_minute_leaves_995_of_1000_questions_answered() {
    let churn = Churn {
        dying_a_minute: 1,
        refuse: true,
    };
    check(
        "one_relay_of_a_hundred_restarted_a_minute_leaves_995_of_1000_questions_answered",
        churn,
    );
}
