//! A client's question to a terminal.

use tokio::time::timeout;

use crate::introset::message::{Answer, Request, SERVICE};
use crate::tunnel::{ServiceName, StreamError, Tunnel};
use crate::wire::WireError;
use crate::wire::limits::{INTROSET_ANSWER_MAX, INTROSET_ASK_TIME};

/// Why a terminal has not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The tunnel or the service gave up.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// It answered what is no answer.
    #[error("the terminal's answer: {0}")]
    Answer(#[from] WireError),
    /// It took too long.
    #[error("no answer in {} s", INTROSET_ASK_TIME.as_secs())]
    TimedOut,
}

/// Asks the terminal at the end of `tunnel`. Cancel-safe.
///
/// # Errors
/// [`AskError`]: the terminal is of no use, whoever's fault that is.
pub async fn ask(tunnel: &Tunnel, request: &Request) -> Result<Answer, AskError> {
    let asked = timeout(INTROSET_ASK_TIME, exchange(tunnel, request)).await;
    asked.map_err(|_| AskError::TimedOut)?
}

async fn exchange(tunnel: &Tunnel, request: &Request) -> Result<Answer, AskError> {
    let mut stream = tunnel.open_bi(&ServiceName::new(SERVICE)?).await?;
    stream.write_all(&request.encode()).await?;
    stream.finish();
    let answer = stream.read_to_end(INTROSET_ANSWER_MAX).await?;
    Ok(Answer::decode(&answer)?)
}
