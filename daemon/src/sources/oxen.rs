//! Which relays an Oxen daemon counts: its `get_service_nodes`, and the hashes of the blocks in which
//! they were registered.
//!
//! In: the address of a daemon of one's own. Out: [`Registration`]s, for an authority to propose. *Not*
//! here: whether they are taken; nothing of this is signed, so it is believed from this machine only.
//!
//! ```text
//! POST /json_rpc  get_service_nodes           ──▶ registration_height, pubkey_ed25519, active, funded
//! POST /json_rpc  get_block_header_by_height  ──▶ the hash of each of these blocks
//! ```
//!
//! The first answer has the newest block's hash, but not that of the block of a registration: a relay's swarm
//! is drawn with the latter, so it is asked for, never made up.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::HEXLOWER_PERMISSIVE;
use llarp_core::crypto::identity::{PublicKey, RelayId};
use llarp_core::registry::Registration;
use llarp_core::wire::limits::RELAYS_MAX;
use serde::Deserialize;
use serde_json::json;

use super::http::{HttpError, HttpUrl, Reach};

/// Bytes of an answer: 4 KB a relay with all its contributors, of 8,000.
pub const OXEN_ANSWER_MAX: usize = 32 << 20;
/// Heights that one request asks for: their headers are some 700 bytes each.
const HEIGHTS_AT_ONCE: usize = 500;

/// Why an Oxen daemon gives no relays.
#[derive(Debug, thiserror::Error)]
pub enum OxenError {
    /// It does not answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// Not this machine.
    #[error(
        "{address} is another machine, and whoever is between could add relays to the list; \
         ask a daemon of this machine, or say --dangerous-remote-oxen"
    )]
    Remote {
        /// Where it is.
        address: String,
    },
    /// Its answer is not of the shape that `get_service_nodes` has.
    #[error(
        "the Oxen daemon's answer is not as expected ({what}); is it an Oxen daemon's RPC port?"
    )]
    Shape {
        /// What is wrong.
        what: String,
    },
    /// It says no.
    #[error("the Oxen daemon refuses: {what:?}; look into its log")]
    Refused {
        /// What it says.
        what: String,
    },
    /// It is behind its own chain.
    #[error("the Oxen daemon is at block {height} of {target}; wait until it is synchronised")]
    Behind {
        /// Its newest block.
        height: u64,
        /// The chain's.
        target: u64,
    },
    /// Too many.
    #[error("the Oxen daemon lists {got} service nodes; a network has at most {RELAYS_MAX} relays")]
    TooMany {
        /// How many.
        got: usize,
    },
}

/// What a daemon lists.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// Height of registration by relay: those that are funded, active and have a key.
    pub relays: BTreeMap<RelayId, u64>,
    /// Service nodes that lack stake or are decommissioned.
    pub inactive: usize,
    /// Those whose Ed25519 key the daemon does not know yet, is none, or is that of an earlier one.
    pub without_key: usize,
}

/// The relays of a daemon, and what was left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The relays, by ascending id; without families, which an Oxen daemon does not know.
    pub relays: Vec<Registration>,
    /// Service nodes that lack stake or are decommissioned.
    pub inactive: usize,
    /// Those without a key of their own.
    pub without_key: usize,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    message: String,
}

#[derive(Deserialize)]
struct Nodes {
    status: String,
    height: u64,
    target_height: Option<u64>,
    service_node_states: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    registration_height: u64,
    active: bool,
    funded: bool,
    /// Omitted or empty until the node has proven that it runs.
    #[serde(default)]
    pubkey_ed25519: String,
}

#[derive(Deserialize)]
struct Headers {
    status: String,
    block_headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    height: u64,
    hash: String,
}

/// The relays of the daemon at `url`, whose path is `/json_rpc` unless it says otherwise.
///
/// # Errors
/// [`OxenError`].
pub async fn registrations(url: HttpUrl, reach: Reach) -> Result<Imported, OxenError> {
    let url = url.or_path("/json_rpc");
    let listed = parse_nodes(&call(&url, reach, "get_service_nodes", json!({})).await?)?;
    let heights: BTreeSet<u64> = listed.relays.values().copied().collect();
    let heights: Vec<u64> = heights.into_iter().collect();
    let mut blocks = BTreeMap::new();
    for some in heights.chunks(HEIGHTS_AT_ONCE) {
        let asked = json!({ "heights": some });
        let answer = call(&url, reach, "get_block_header_by_height", asked).await?;
        blocks.extend(parse_headers(&answer, some)?);
    }
    let registration = |(relay, height): (RelayId, u64)| {
        let block = blocks.get(&height).copied();
        let block = block.ok_or_else(|| shape(&format!("no hash of block {height}")))?;
        Ok(Registration {
            relay,
            height,
            block,
            family: None,
        })
    };
    let relays = listed.relays.into_iter().map(registration);
    Ok(Imported {
        relays: relays.collect::<Result<_, OxenError>>()?,
        inactive: listed.inactive,
        without_key: listed.without_key,
    })
}

async fn call(
    url: &HttpUrl,
    reach: Reach,
    method: &str,
    params: serde_json::Value,
) -> Result<Vec<u8>, OxenError> {
    let body = json!({ "jsonrpc": "2.0", "id": "0", "method": method, "params": params });
    let answer = url.post(body.to_string(), reach, OXEN_ANSWER_MAX).await;
    answer.map_err(|error| match error {
        HttpError::Remote { address, .. } => {
            let address = address.to_string();
            OxenError::Remote { address }
        }
        other => other.into(),
    })
}

/// Reads the answer to `get_service_nodes`.
///
/// # Errors
/// [`OxenError`]; fields that this does not need are not looked at.
pub fn parse_nodes(bytes: &[u8]) -> Result<Listed, OxenError> {
    let nodes: Nodes = result(bytes)?;
    status(&nodes.status)?;
    let (height, target) = (nodes.height, nodes.target_height.unwrap_or_default());
    if target > height.saturating_add(1) {
        return Err(OxenError::Behind { height, target });
    }
    let got = nodes.service_node_states.len();
    if got > RELAYS_MAX {
        return Err(OxenError::TooMany { got });
    }
    let mut listed = Listed::default();
    for node in nodes.service_node_states {
        if !(node.active && node.funded) {
            listed.inactive += 1;
            continue;
        }
        // Anybody who stakes can claim any key: one bad key must not stop everybody else.
        let Some(relay) = relay(&node.pubkey_ed25519)? else {
            listed.without_key += 1;
            continue;
        };
        let height = node.registration_height;
        if let Some(before) = listed.relays.insert(relay, height) {
            listed.relays.insert(relay, before.min(height));
            listed.without_key += 1;
        }
    }
    Ok(listed)
}

/// Reads the answer to `get_block_header_by_height`: a hash for each of `heights`, and no other.
///
/// # Errors
/// [`OxenError`].
pub fn parse_headers(bytes: &[u8], heights: &[u64]) -> Result<BTreeMap<u64, [u8; 32]>, OxenError> {
    let headers: Headers = result(bytes)?;
    status(&headers.status)?;
    let told = headers.block_headers.iter().map(|header| header.height);
    if !told.eq(heights.iter().copied()) {
        return Err(shape(&"other blocks than those asked for"));
    }
    let hash = |header: Header| Ok((header.height, hex("hash", &header.hash)?));
    headers.block_headers.into_iter().map(hash).collect()
}

fn relay(key: &str) -> Result<Option<RelayId>, OxenError> {
    if key.is_empty() {
        return Ok(None);
    }
    let key = PublicKey::check(&hex("pubkey_ed25519", key)?);
    Ok(key.ok().map(RelayId::from))
}

fn result<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, OxenError> {
    let answer: Answer<T> = serde_json::from_slice(bytes).map_err(|error| shape(&error))?;
    match answer {
        Answer {
            error: Some(error), ..
        } => Err(refused(&error.message)),
        Answer { result, .. } => result.ok_or_else(|| shape(&"no result")),
    }
}

fn status(status: &str) -> Result<(), OxenError> {
    match status {
        "OK" => Ok(()),
        other => Err(refused(other)),
    }
}

fn hex(field: &str, text: &str) -> Result<[u8; 32], OxenError> {
    let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| shape(&format!("{field} is not 64 hex digits")))
}

fn shape(what: &dyn core::fmt::Display) -> OxenError {
    let what = what.to_string();
    OxenError::Shape { what }
}

fn refused(what: &str) -> OxenError {
    let what = what.chars().take(200).collect();
    OxenError::Refused { what }
}
