//! A web server of a few lines: what it answers is what the test says, to the byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;

/// Serves until the test's process ends. `answer` gets a request as it came, and gives all bytes of
/// the response; gives its address, which ends in no `/`.
pub(crate) fn serve(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            // Whoever asks may break off: that is part of what is tested.
            let _ = exchange(&mut stream.unwrap(), &answer);
        }
    });
    format!("http://{address}")
}

fn exchange(stream: &mut TcpStream, answer: &impl Fn(&str) -> Vec<u8>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut some = [0; 4096];
    while !whole(&request) {
        match stream.read(&mut some)? {
            0 => break,
            len => request.extend_from_slice(&some[..len]),
        }
    }
    stream.write_all(&answer(&String::from_utf8_lossy(&request)))?;
    stream.shutdown(Shutdown::Write)
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let told = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    body.len() >= told.map_or(0, |told| told.trim().parse().unwrap())
}

/// A response with a body and its length.
pub(crate) fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A response without a body.
pub(crate) fn status(line: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n").into_bytes()
}
