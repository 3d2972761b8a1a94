//! TCP connections, and what every one of ours wants.

use std::any::Any;
use std::io;

use socket2::SockRef;
use tokio::net::TcpStream;

use crate::socks::{Socks5, SocksError};
use crate::{OpenError, Target};

/// Makes a TCP connection to `target`, directly or through a proxy, with the options that every
/// connection of ours wants. It waits as long as the system does.
///
/// # Errors
/// [`OpenError::Unreachable`] or [`OpenError::Proxy`].
pub async fn dial(target: &Target, proxy: Option<&Socks5>) -> Result<TcpStream, OpenError> {
    if let Some(socks) = proxy {
        let mut stream = reach(&socks.proxy).await.map_err(SocksError::Io)?;
        socks.handshake(&mut stream, target).await?;
        return Ok(stream);
    }
    let unreachable = |source| OpenError::Unreachable { target: target.clone(), source };
    reach(target).await.map_err(unreachable)
}

async fn reach(target: &Target) -> io::Result<TcpStream> {
    let stream = match target {
        Target::Address(address) => TcpStream::connect(address).await,
        Target::Name(host, port) => TcpStream::connect((host.as_str(), *port)).await,
    };
    stream.inspect(tune)
}

/// How much unsent data the kernel may hold before a socket stops being writable, in bytes. What is
/// in the kernel cannot be overtaken, so less of it means a pong leaves sooner.
const UNSENT: u32 = 128 << 10;

/// Sets what every connection of ours wants: no delay, and little unsent data in the kernel. A socket
/// that cannot has it worse, and still works.
pub fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT);
}

/// The stream, if it is a TCP stream: it then has addresses and options.
pub fn tcp<S: 'static>(stream: &S) -> Option<&TcpStream> {
    (stream as &dyn Any).downcast_ref()
}
