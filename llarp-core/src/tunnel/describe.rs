//! What a relay says of itself.
//!
//! ```text
//!  0         1          33      34
//! ┌─────────┬──────────┬───────┬──────────────────────────┐
//! │ version │ relay id │ count │ count × (length 1, name) │
//! └─────────┴──────────┴───────┴──────────────────────────┘
//! ```

use super::connection::Tunnel;
use super::error::StreamError;
use super::services::Describe;
use super::stream::ServiceName;
use crate::crypto::identity::RelayId;
use crate::wire::limits::{DESCRIPTION_MAX, SERVICES_MAX, VERSION};
use crate::wire::{Fault, Reader, WireError};

/// Which relay it is, and what it offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The relay.
    pub relay: RelayId,
    /// Names of its services, in ascending order; at most
    /// [`SERVICES_MAX`], what exceeds them is not said.
    pub services: Vec<ServiceName>,
}

impl Description {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.relay.0);
        let said = self.services.len().min(SERVICES_MAX);
        bytes.push(u8::try_from(said).unwrap_or(u8::MAX));
        for name in self.services.iter().take(said) {
            name.encode(&mut bytes);
        }
        bytes
    }

    /// Reads all of `bytes`.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(bytes);
        reader.version()?;
        let relay = RelayId(*reader.array("relay id")?);
        let count = usize::from(reader.u8("count")?);
        if count > SERVICES_MAX {
            let (max, got) = (SERVICES_MAX as u64, count as u64);
            return Err(WireError::new("count", Fault::TooLarge { max, got }));
        }
        let mut services: Vec<ServiceName> = Vec::new();
        for _ in 0..count {
            let name = ServiceName::read(&mut reader)?;
            if services.last().is_some_and(|last| *last >= name) {
                return Err(WireError::new("service name", Fault::Mismatch));
            }
            services.push(name);
        }
        reader.finish("description")?;
        Ok(Self { relay, services })
    }
}

/// Why a relay has not described itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// The stream.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The far end does not keep to the specification.
    #[error("the description is malformed: {0}")]
    Malformed(#[from] WireError),
}

/// Asks the far end of `tunnel` what it is.
///
/// # Errors
/// [`DescribeError`].
pub async fn describe(tunnel: &Tunnel) -> Result<Description, DescribeError> {
    let mut stream = tunnel.open_bi(&ServiceName::new(Describe::NAME)?).await?;
    stream.finish();
    let bytes = stream.read_to_end(DESCRIPTION_MAX).await?;
    Ok(Description::decode(&bytes)?)
}
