//! The best simple loops that we could write for the same bytes: no peer, no state, no policy.
//! "Limit" is what they reach on this machine, not a proof that nothing can be faster.

mod agreement;
mod end;
pub(crate) mod fanout;
pub(crate) mod flood;
pub(crate) mod idle;
pub(crate) mod opening;
pub(crate) mod ping;
pub(crate) mod served;
mod wire;

use std::net::{TcpListener, TcpStream};

/// A TCP connection over loopback.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let ours = TcpStream::connect(address).expect("somebody listens");
    let (theirs, _) = listener.accept().expect("somebody dials");
    for stream in [&ours, &theirs] {
        stream.set_nodelay(true).expect("a socket");
    }
    (ours, theirs)
}
