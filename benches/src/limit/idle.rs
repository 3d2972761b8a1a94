//! Bare idle connections: a tokio task each, which waits for its socket and holds no buffer, and
//! echoes what comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use crate::world::{answer_lines, runtime};

/// Accepts connections and keeps them.
pub(crate) fn server() {
    let count: Arc<AtomicU64> = Arc::default();
    let counted = count.clone();
    let runtime = runtime();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("listening {}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(echo(stream, None));
        }
    });
    answer_lines(|| count.load(Ordering::Relaxed));
}

/// Dials so many connections; each says something every `every` seconds, if that is not 0.
pub(crate) fn client(address: &str, count: &str, every: &str) {
    let count: u64 = count.parse().expect("a number of connections");
    let every: u64 = every.parse().expect("a number of seconds");
    let every = (every > 0).then(|| Duration::from_secs(every));
    let runtime = runtime();
    runtime.block_on(async {
        for _ in 0..count {
            let stream = TcpStream::connect(address).await.expect("the server listens");
            tokio::spawn(echo(stream, every));
        }
    });
    println!("dialled {count}");
    answer_lines(|| count);
}

/// Echoes, or speaks each time that `every` has passed.
async fn echo(stream: TcpStream, every: Option<Duration>) {
    loop {
        let speak = async {
            match every {
                Some(every) => tokio::time::sleep(every).await,
                None => std::future::pending().await,
            }
        };
        let readable = tokio::select! {
            readable = stream.readable() => readable.is_ok(),
            () = speak => {
                let _ = stream.try_write(&[7; 32]);
                continue;
            }
        };
        let mut buffer = [0; 512];
        match stream.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(count) if every.is_none() => {
                let _ = stream.try_write(&buffer[..count]);
            }
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
            _ if !readable => return,
            _ => {}
        }
    }
}
