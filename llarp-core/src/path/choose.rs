//! Which relays a path runs over.

use rand_core::Rng;

use super::{Profile, Route, Seconds, Want, draw};
use crate::crypto::identity::RelayId;
use crate::registry::{RelayContact, RelayList};

/// Why no route was chosen, and what can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    /// The profile was never given relays.
    #[error("no guard is sampled: the profile needs a list of relays first")]
    NoGuards,
    /// All guards are down, gone or over.
    #[error(
        "none of {sampled} guards can be reached: is the network down? \
         The next is tried in {retry_secs} s"
    )]
    GuardsDown {
        /// Guards in the sample.
        sampled: usize,
        /// When to choose again, in seconds.
        retry_secs: u64,
    },
    /// The list does not have the wanted relay.
    #[error("the wanted relay is not in the list: it has left, or the list is old")]
    WantedUnknown,
    /// Nobody is left for a hop.
    #[error(
        "none of {relays} relays can be hop {hop}: it must differ from the others in id, family, \
         IPv4 /16 and IPv6 /32"
    )]
    TooFew {
        /// The hop, counted from 0.
        hop: usize,
        /// Relays in the list.
        relays: usize,
    },
}

/// Chooses the relays of a path. The same arguments and the same randomness give the same route.
///
/// The guard is drawn first, and knows nothing of what is wanted: whoever names the end of a path
/// learns nothing about its beginning. So the wanted relay restricts the hops between, but may share
/// subnet, family or even its id with the guard (`docs/spec/07-path.md` §3).
///
/// # Errors
/// [`ChooseError`] says what to do.
pub fn choose(
    list: &RelayList,
    profile: &Profile,
    want: &Want,
    now: Seconds,
    rng: &mut impl Rng,
) -> Result<Route, ChooseError> {
    let guard = choose_guard(list, profile, now, rng)?;
    let relays = list.len();
    let find = |id: &RelayId| list.get(id).ok_or(ChooseError::WantedUnknown);
    let wanted = want.relay().map(find).transpose()?;
    let diversity = profile.diversity();
    let admits = |relay: &RelayContact, others: &[Option<&RelayContact>]| {
        let mut others = others.iter().flatten();
        others.all(|other| diversity.admits(relay, other))
    };

    let sticky: Vec<_> = profile
        .second_hops(list, &guard, now)
        .into_iter()
        .filter(|id| list.get(id).is_some_and(|relay| admits(relay, &[wanted])))
        .collect();
    let weighed = profile.health.weigh_sticky(&guard, &sticky, now);
    let too_few = |hop| ChooseError::TooFew { hop, relays };
    let second = draw::weighted(&weighed, rng).ok_or(too_few(1))?;

    let mut hops = vec![guard, second];
    if !matches!(want, Want::Terminal(_)) {
        let others = [list.get(&guard), list.get(&second), wanted];
        let fresh = list.iter().filter(|relay| admits(relay, &others));
        let fresh: Vec<_> = fresh.map(|relay| relay.id).collect();
        let weighed = profile.health.weigh_fresh(&second, &fresh, now);
        hops.push(draw::weighted(&weighed, rng).ok_or(too_few(2))?);
    }
    hops.extend(want.relay());
    Ok(Route::new(hops, wanted.is_some()))
}

fn choose_guard(
    list: &RelayList,
    profile: &Profile,
    now: Seconds,
    rng: &mut impl Rng,
) -> Result<RelayId, ChooseError> {
    let in_use = profile.guards_in_use(list, now);
    draw::one_of(&in_use, rng).ok_or_else(|| match profile.next_retry() {
        (_, None) => ChooseError::NoGuards,
        (sampled, Some(next)) => ChooseError::GuardsDown {
            sampled,
            retry_secs: next.since(now),
        },
    })
}
