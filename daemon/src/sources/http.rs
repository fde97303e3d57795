//! One request to a web server: bounded in bytes and in time, no redirects, no TLS, no cookies.

use core::net::SocketAddr;
use core::pin::Pin;
use core::time::Duration;
use std::future::poll_fn;

use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long a request may take, from the name's lookup to the last byte: 2 MB at 70 KB/s.
pub const HTTP_TIME: Duration = Duration::from_secs(30);
/// Bytes of an answer's head: what servers send in practice is a tenth of it.
const HEAD_MAX: usize = 16 << 10;
/// Characters of an address.
const URL_MAX: usize = 2048;

/// An address that begins with `http://`, and names a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpUrl {
    host: String,
    port: u16,
    path: String,
}

/// Which machines may be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Any: what comes is signed.
    Anywhere,
    /// This one: what comes is believed.
    Loopback,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none.
    #[error("{url:?} is no address of a source: {what}")]
    Url {
        /// The address.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The machine does not answer, or breaks off.
    #[error("{url}: {what}; is the address right, and does the server run?")]
    Unreachable {
        /// The address.
        url: String,
        /// What the system says.
        what: String,
    },
    /// It takes too long.
    #[error("{url}: no whole answer within {} s; try again, or use another source", HTTP_TIME.as_secs())]
    TooSlow {
        /// The address.
        url: String,
    },
    /// It does not have what was asked for.
    #[error("{url}: the server answers {status}, not 200; correct the address{}", redirect(*status))]
    Status {
        /// The address.
        url: String,
        /// The status.
        status: u16,
    },
    /// Too many bytes.
    #[error("{url}: more than {max} bytes, so it is not what was asked for; use another source")]
    TooLong {
        /// The address.
        url: String,
        /// Bytes that would be read.
        max: usize,
    },
    /// Another machine, where only this one is to be believed.
    #[error(
        "{url}: {address} is another machine, and what it says is not signed; use a daemon of this machine"
    )]
    Remote {
        /// The address.
        url: String,
        /// What it stands for.
        address: SocketAddr,
    },
}

const fn redirect(status: u16) -> &'static str {
    match status {
        300..400 => " (redirects are not followed)",
        _ => "",
    }
}

impl HttpUrl {
    /// Reads an address: `http://host[:port][/path]`.
    ///
    /// # Errors
    /// [`HttpError::Url`].
    pub fn parse(text: &str) -> Result<Self, HttpError> {
        let bad = |what| {
            let url = text.chars().take(100).collect();
            HttpError::Url { url, what }
        };
        if text.len() > URL_MAX {
            return Err(bad("it is too long"));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| {
            bad("it must begin with http:// (what is fetched is signed, https adds nothing)")
        })?;
        if rest.contains(['@', '#']) {
            return Err(bad("it must have no user, no password and no '#'"));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_| bad("it must be http://host:port/path"))?;
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| bad("the host is missing"))?.to_owned();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let port = match uri.port() {
            Some(port) => port.as_u16(),
            None if authority == host => 80,
            None => return Err(bad("the port must be a number up to 65535")),
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = path.to_owned();
        Ok(Self { host, port, path })
    }

    /// Whether it is a folder: its path ends in `/`.
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    /// The address of `name` in this folder; this address itself if it is none.
    #[must_use]
    pub fn in_folder(&self, name: &str) -> Self {
        let mut url = self.clone();
        if url.is_folder() {
            url.path.push_str(name);
        }
        url
    }

    /// The same with this path, if it has none.
    #[must_use]
    pub fn or_path(mut self, path: &str) -> Self {
        if self.path == "/" {
            path.clone_into(&mut self.path);
        }
        self
    }

    /// Fetches at most `max` bytes.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn get(&self, reach: Reach, max: usize) -> Result<Vec<u8>, HttpError> {
        self.ask(Method::GET, String::new(), reach, max).await
    }

    /// Asks with a body of JSON for at most `max` bytes.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn post(&self, json: String, reach: Reach, max: usize) -> Result<Vec<u8>, HttpError> {
        self.ask(Method::POST, json, reach, max).await
    }

    async fn ask(
        &self,
        method: Method,
        body: String,
        reach: Reach,
        max: usize,
    ) -> Result<Vec<u8>, HttpError> {
        let asked = timeout(HTTP_TIME, self.exchange(method, body, reach, max)).await;
        asked.unwrap_or_else(|_| {
            let url = self.to_string();
            Err(HttpError::TooSlow { url })
        })
    }

    async fn exchange(
        &self,
        method: Method,
        body: String,
        reach: Reach,
        max: usize,
    ) -> Result<Vec<u8>, HttpError> {
        let stream = TokioIo::new(self.connect(reach).await?);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_MAX);
        let connected = builder.handshake(stream).await;
        let (mut sender, connection) = connected.map_err(|error| self.broken(&error))?;
        let exchange = async {
            let answer = sender.send_request(self.request(method, body)?).await;
            let answer = answer.map_err(|error| self.broken(&error))?;
            self.read(answer, max).await
        };
        tokio::pin!(exchange);
        // The connection moves the exchange's bytes; when it ends first, what came is still there.
        tokio::select! {
            done = &mut exchange => done,
            _ = connection => exchange.await,
        }
    }

    async fn connect(&self, reach: Reach) -> Result<TcpStream, HttpError> {
        // An IPv6 address is in brackets, which a lookup does not want.
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let found = lookup_host((host, self.port)).await;
        let found: Vec<_> = found.map_err(|error| self.broken(&error))?.collect();
        let remote = found.iter().find(|address| !address.ip().is_loopback());
        if let (Reach::Loopback, Some(address)) = (reach, remote) {
            let (url, address) = (self.to_string(), *address);
            return Err(HttpError::Remote { url, address });
        }
        let stream = TcpStream::connect(found.as_slice()).await;
        stream.map_err(|error| self.broken(&error))
    }

    fn request(&self, method: Method, body: String) -> Result<Request<String>, HttpError> {
        let host = format!("{}:{}", self.host, self.port);
        let built = Request::builder()
            .method(method)
            .uri(&self.path)
            .header(HOST, host)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(body);
        built.map_err(|error| self.broken(&error))
    }

    async fn read(&self, answer: Response<Incoming>, max: usize) -> Result<Vec<u8>, HttpError> {
        let status = answer.status().as_u16();
        if status != 200 {
            let url = self.to_string();
            return Err(HttpError::Status { url, status });
        }
        let told = answer.headers().get(CONTENT_LENGTH);
        let told = told.and_then(|told| told.to_str().ok()?.parse::<u64>().ok());
        if told.is_some_and(|told| told > max as u64) {
            return Err(self.too_long(max));
        }
        let mut body = answer.into_body();
        let mut bytes = Vec::new();
        while let Some(more) = self.next(&mut body).await? {
            if more.len() > max - bytes.len() {
                return Err(self.too_long(max));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }

    async fn next(&self, body: &mut Incoming) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await;
            match frame.transpose().map_err(|error| self.broken(&error))? {
                None => return Ok(None),
                // What is no data are trailers, which mean nothing here.
                Some(frame) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    fn broken(&self, error: &dyn std::error::Error) -> HttpError {
        let url = self.to_string();
        // hyper's own errors say what, their sources why.
        let what = match error.source() {
            Some(source) => format!("{error} ({source})"),
            None => error.to_string(),
        };
        HttpError::Unreachable { url, what }
    }

    fn too_long(&self, max: usize) -> HttpError {
        let url = self.to_string();
        HttpError::TooLong { url, max }
    }
}

impl core::fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { host, port, path } = self;
        write!(f, "http://{host}:{port}{path}")
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn an_address_is_plain_http_with_a_host() {
        for (text, printed) in [
            ("http://example.org/llarp/", "http://example.org:80/llarp/"),
            ("http://127.0.0.1:22023", "http://127.0.0.1:22023/"),
            ("http://[::1]:8080/a?b", "http://[::1]:8080/a?b"),
        ] {
            assert_eq!(HttpUrl::parse(text).unwrap().to_string(), printed);
        }
        for text in [
            "https://example.org/",
            "http:///path",
            "http://user@example.org/",
            "ftp://example.org/",
            "http://exa mple.org/",
            "http://example.org:99999/",
            "http://example.org:/",
            &format!("http://example.org/{}", "a".repeat(URL_MAX)),
        ] {
            assert!(HttpUrl::parse(text).is_err(), "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let asked = HttpUrl::parse(&url).unwrap();
        let got = asked.get(Reach::Anywhere, 10).await;
        assert!(matches!(got, Err(HttpError::TooSlow { .. })), "{got:?}");
    }

    #[tokio::test]
    async fn only_this_machine_is_asked_where_it_is_believed() {
        let url = HttpUrl::parse("http://192.0.2.1:22023/").unwrap();
        let got = url.get(Reach::Loopback, 10).await;
        assert!(matches!(got, Err(HttpError::Remote { .. })), "{got:?}");
    }
}
