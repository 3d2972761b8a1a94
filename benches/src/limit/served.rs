//! A server that does what the raw client of `served.rs` needs, and no more: a task for each
//! connection that introduces itself and answers pings.

use tokio::net::{TcpListener, TcpStream};

use super::end::{Answering, End, answer};
use super::opening::Talk;
use super::wire::{Message, Wire};
use crate::world::{answer_lines, runtime};

/// Prints where it listens, and serves until its standard input ends.
pub(crate) fn server() {
    let talk = Talk::new();
    let runtime = runtime();
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("listening {}", listener.local_addr().expect("it is bound"));
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, talk));
        }
    });
    answer_lines(|| 0);
}

async fn serve(stream: TcpStream, talk: Talk) {
    match answer(stream).await {
        Some(Answering::V1(end)) => speak(end, talk).await,
        Some(Answering::V2(end)) => speak(*end, talk).await,
        None => {}
    }
}

async fn speak<W: Wire>(mut end: End<W>, talk: Talk) {
    let mut pong = Message::pong([0; 8]);
    loop {
        let received = end.receive(|seal, output, said| {
            if said.is(b"ping", 18) {
                pong.payload.copy_from_slice(said.payload);
                seal.seal(output, &pong);
            } else if said.is(b"version", 0) {
                for message in [talk.version, talk.sendaddrv2, talk.verack] {
                    seal.seal(output, message);
                }
            }
        });
        if received.await.is_none() || (!end.output.is_empty() && !end.flush().await) {
            return;
        }
    }
}
