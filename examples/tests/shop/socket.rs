//! [`Socket`]: the cart page's WebSocket, as its script would use it.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::HandshakeError;
use tungstenite::http::HeaderValue;
use tungstenite::{Error, Message, WebSocket};

use super::browser::{Browser, Page};

/// An open WebSocket.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
}

impl Browser {
    /// Opens the socket as a page of the shop does.
    #[track_caller]
    pub(crate) fn socket(&self) -> Socket {
        let origin = format!("http://{}", self.address());
        match self.socket_from(Some(&origin)) {
            Ok(socket) => socket,
            Err(page) => panic!("{}: {}", page.status, page.body),
        }
    }

    /// Opens the socket as a page of that origin does; the answer if it is refused.
    pub(crate) fn socket_from(&self, origin: Option<&str>) -> Result<Socket, Page> {
        let mut request = format!("ws://{}/cart/live", self.address())
            .into_client_request()
            .unwrap();
        let headers = request.headers_mut();
        if let Some(origin) = origin {
            headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        if let Some(cookies) = self.cookie_header() {
            headers.insert("cookie", HeaderValue::from_str(&cookies).unwrap());
        }
        let connection = TcpStream::connect(self.address()).unwrap();
        // So that a shop that says nothing fails the test instead of holding it up.
        connection.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        match tungstenite::client(request, connection) {
            Ok((socket, head)) => {
                assert_eq!(head.headers().get("set-cookie"), None, "a socket sets no cookie");
                Ok(Socket { socket })
            }
            Err(HandshakeError::Failure(Error::Http(answer))) => {
                let body = String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default());
                Err(Page::bare(answer.status().as_u16(), &body))
            }
            Err(error) => panic!("{error}"),
        }
    }
}

impl Socket {
    /// Sends the note, as it now reads; the answer.
    pub(crate) fn types(&mut self, note: &str) -> String {
        self.sends(note);
        self.hears()
    }

    pub(crate) fn sends(&mut self, note: &str) {
        self.socket.send(Message::text(note)).unwrap();
    }

    /// The next thing that the shop says.
    #[track_caller]
    pub(crate) fn hears(&mut self) -> String {
        self.next().expect("the shop closed the socket and said nothing")
    }

    /// All that the shop says until it has closed the socket.
    pub(crate) fn hears_the_rest(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.next()).collect()
    }

    /// Waits until the shop has closed it, and has said nothing before.
    #[track_caller]
    pub(crate) fn is_closed(&mut self) {
        assert_eq!(self.next(), None);
    }

    /// `None` when it is closed, or cut off.
    fn next(&mut self) -> Option<String> {
        loop {
            match self.socket.read() {
                Ok(Message::Text(text)) => return Some(text.as_str().to_owned()),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => {}
                Ok(other) => panic!("{other:?}"),
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => panic!("the shop says nothing"),
                Err(_) => return None,
            }
        }
    }
}
