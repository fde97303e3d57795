//! Introsets, as a client finds those of others and publishes its own.
//!
//! Each question goes over a path of its own to a terminal drawn by chance, and nothing of two epochs
//! goes over one path: whoever sees both could link what is published under two blinded keys. A
//! terminal that lies can deny that something is there; hence two are asked.

mod find;
mod missing;
mod publish;

use core::fmt;
use std::sync::{Arc, Mutex};

pub use self::find::{FindError, Found, Wanted};
use self::missing::Missing;
pub use self::publish::{Publication, PublishError, PublishStatus, Published};
use super::builder::PathError;
use super::path::Path;
use super::tunnels::TunnelError;
use super::{Client, Shared};
use crate::introset::message::{Answer, Request};
use crate::path::{Route, Want};
use crate::storer::{AskError, KnowsBeacons, ask};
use crate::tunnel::Tunnel;

/// A client's way to introsets. Clones share it.
#[derive(Clone)]
pub struct Introsets(Arc<Inner>);

struct Inner {
    client: Client,
    beacons: Arc<dyn KnowsBeacons>,
    missing: Mutex<Missing>,
}

/// Why one terminal was of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TerminalFailed {
    /// There is no path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// There is no tunnel to its end.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// It does not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It answers another question.
    #[error("the terminal answered another question")]
    OtherAnswer,
    /// It has no time.
    #[error("the terminal is busy; again in {seconds} s")]
    Busy {
        /// How long to wait.
        seconds: u32,
    },
}

/// The end of a path of its own, for one errand.
struct Terminal {
    /// The tunnel ends with it.
    _path: Path,
    tunnel: Tunnel,
}

impl Client {
    /// A way to introsets, located by what `beacons` knows.
    #[must_use]
    pub fn introsets(&self, beacons: Arc<dyn KnowsBeacons>) -> Introsets {
        Introsets(Arc::new(Inner {
            client: self.clone(),
            beacons,
            missing: Mutex::default(),
        }))
    }
}

impl Inner {
    fn shared(&self) -> &Arc<Shared> {
        &self.client.shared
    }

    /// Seconds since 1970.
    fn now(&self) -> u64 {
        self.shared().clock.unix().as_secs()
    }

    /// A terminal drawn by chance, over other relays than those of `beside` as far as there are any.
    async fn terminal(&self, beside: Option<Route>) -> Result<Terminal, TerminalFailed> {
        let path = self.shared().build_beside(Want::Any, beside).await?;
        self.terminal_of(path).await
    }

    async fn terminal_of(&self, path: Path) -> Result<Terminal, TerminalFailed> {
        let tunnel = self.shared().tunnel(&path).await?;
        Ok(Terminal {
            _path: path,
            tunnel,
        })
    }
}

impl Terminal {
    async fn ask(&self, request: &Request) -> Result<Answer, TerminalFailed> {
        Ok(ask(&self.tunnel, request).await?)
    }
}

impl fmt::Debug for Introsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introsets").finish_non_exhaustive()
    }
}
