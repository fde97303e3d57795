//! How long a comparison waits for whom, so that one slow source holds nobody up.
//!
//! ```text
//!  a question open for 5 s ──────────────────▶ others may be asked the same
//!  three have told ──── 10 s ────────────────▶ whoever has not does not count
//!  too few have told ── 60 s ────────────────▶ the same: documents are fetched all the same
//!  only slow ones give what is lacking ─ 10 s ▶ it is lacking this time
//! ```

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::registry::message::Request;
use crate::registry::sync::{SourceId, Sync};
use crate::wire::limits::{
    DIRECTORY_GRACE, DIRECTORY_SLOW, DIRECTORY_SOURCES_LEAST, DIRECTORY_TELLING,
};

/// Since when sources are waited for.
#[derive(Debug)]
pub(super) struct Pace {
    /// When the comparison has to know who has what, if too few tell soon.
    told_by: Instant,
    /// Since when each has its question, all pages of it.
    asked: BTreeMap<SourceId, Instant>,
    /// Since when enough have told.
    enough: Option<Instant>,
    /// Since when only slow ones are waited for.
    slow: Option<Instant>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self {
            told_by: Instant::now() + DIRECTORY_TELLING,
            asked: BTreeMap::new(),
            enough: None,
            slow: None,
        }
    }

    /// A source is asked.
    pub(super) fn asked(&mut self, source: SourceId, request: &Request) {
        let further = matches!(request, Request::Hashes { after, .. } if after.0 != [0; 32]);
        if !(further && self.asked.contains_key(&source)) {
            self.asked.insert(source, Instant::now());
        }
    }

    /// Loses patience with those whose time is over. Whether there were any: then there may be more to
    /// ask.
    pub(super) fn hurry(&mut self, sync: &mut Sync) -> bool {
        let now = Instant::now();
        let open = |source: &SourceId| {
            self.asked
                .get(source)
                .is_some_and(|since| *since + DIRECTORY_SLOW <= now)
        };
        let busy = sync.busy().filter(|(source, slow)| !slow && open(source));
        let slow: Vec<_> = busy.map(|(source, _)| source).collect();
        slow.iter().for_each(|source| sync.mark_slow(*source));
        let enough = sync.told() >= DIRECTORY_SOURCES_LEAST;
        self.enough = enough.then(|| self.enough.unwrap_or(now));
        self.slow = sync.waits_for_slow().then(|| self.slow.unwrap_or(now));
        let mut late: Vec<_> = Vec::new();
        if self.until_told() <= now {
            late.extend(sync.untold());
        }
        if self
            .slow
            .is_some_and(|since| since + DIRECTORY_GRACE <= now)
        {
            late.extend(sync.busy().map(|(source, _)| source));
        }
        late.iter().for_each(|source| sync.failed(*source));
        !slow.is_empty() || !late.is_empty()
    }

    /// When patience with somebody ends next.
    pub(super) fn wake(&self, sync: &Sync) -> Option<Instant> {
        let prompt = sync.busy().filter(|(_, slow)| !slow);
        let since = prompt.filter_map(|(source, _)| self.asked.get(&source));
        let slow = since.map(|since| *since + DIRECTORY_SLOW);
        let told = sync.untold().next().map(|_| self.until_told());
        let given = self.slow.map(|since| since + DIRECTORY_GRACE);
        slow.chain(told).chain(given).min()
    }

    fn until_told(&self) -> Instant {
        let enough = self.enough.map(|since| since + DIRECTORY_GRACE);
        enough.unwrap_or(self.told_by).min(self.told_by)
    }
}
