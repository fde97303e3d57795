//! Services of relays that are measured. A relay in the open must not offer them: who calls them
//! costs the relay more than himself.

use std::sync::Arc;

use llarp_core::tunnel::{BiStream, Caller, Services, Serving, StreamError, TerminalService};
use llarp_core::wire::WireError;

/// Sends as many bytes as the caller asks for, in 8 bytes.
pub const SOURCE: &str = "bench-source/1";
/// Reads to the end, and says how many bytes that were, in 8 bytes.
pub const SINK: &str = "bench-sink/1";

const BUFFER: usize = 64 << 10;

struct Source;
struct Sink;

/// `services`, and those of the benches.
///
/// # Errors
/// There are too many.
pub fn with_bench_services(services: Services) -> Result<Services, WireError> {
    services.with(Arc::new(Source))?.with(Arc::new(Sink))
}

impl TerminalService for Source {
    fn name(&self) -> &'static str {
        SOURCE
    }

    fn serve(&self, stream: BiStream, _from: Caller) -> Serving {
        Box::pin(async move {
            // Whoever measures sees what is missing.
            let _ = pour(stream).await;
        })
    }
}

impl TerminalService for Sink {
    fn name(&self) -> &'static str {
        SINK
    }

    fn serve(&self, stream: BiStream, _from: Caller) -> Serving {
        Box::pin(async move {
            let _ = drain(stream).await;
        })
    }
}

async fn pour(mut stream: BiStream) -> Result<(), StreamError> {
    let asked = stream.read_to_end(8).await?;
    let mut left = asked
        .first_chunk()
        .map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let buffer = vec![0x5a; BUFFER];
    while left > 0 {
        let now = usize::try_from(left).unwrap_or(BUFFER).min(BUFFER);
        stream.write_all(&buffer[..now]).await?;
        left -= now as u64;
    }
    stream.finish();
    Ok(())
}

async fn drain(mut stream: BiStream) -> Result<(), StreamError> {
    let mut buffer = vec![0; BUFFER];
    let mut came = 0_u64;
    while let Some(len) = stream.read(&mut buffer).await? {
        came += len as u64;
    }
    stream.write_all(&came.to_be_bytes()).await?;
    stream.finish();
    Ok(())
}
