//! Memory and processor time of connections on which nothing happens.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use kaspa_p2p_lib::{Adaptor, Hub};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc::unbounded_channel;

use super::Bench;
use super::end::{End, Opened};
use super::pair::Dialler;
use super::report::{Row, cpu_time, rss_kb};
use crate::flows;

/// Measures so many idle peers, both ends in this process or the accepting ones in another.
pub(crate) async fn measure(bench: &Bench) -> Result<(), String> {
    if bench.child { apart(bench).await } else { together(bench).await }
}

async fn together(bench: &Bench) -> Result<(), String> {
    let mut dialler = Dialler::new().await?;
    // What is allocated once is no part of a peer.
    dialler.open().await?.close().await;
    settle(0).await;
    let before = rss_kb()?;
    let mut peers = Vec::with_capacity(bench.count);
    for _ in 0..bench.count {
        peers.push(dialler.open().await?);
    }
    settle(bench.count).await;
    let (after, cpu) = (rss_kb()?, cpu_time());
    tokio::time::sleep(bench.seconds).await;
    let used = (cpu_time() - cpu).as_secs_f64();
    print("both ends", bench, after - before, after, used);
    drop(peers);
    Ok(())
}

async fn apart(bench: &Bench) -> Result<(), String> {
    let mut server = Other::start(&["serve", "127.0.0.1:0"])?;
    let address = server.line().await?["addr"].as_str().unwrap_or_default().to_owned();
    let count = bench.count.to_string();
    let mut client = Other::start(&["idle-client", &address, "--count", "1"])?;
    client.line().await?;
    settle(0).await;
    let empty = [server.ask().await?, client.ask().await?];
    let mut client = Other::start(&["idle-client", &address, "--count", &count])?;
    client.line().await?;
    settle(bench.count).await;
    let full = [server.ask().await?, client.ask().await?];
    tokio::time::sleep(bench.seconds).await;
    let later = [server.ask().await?, client.ask().await?];
    for (end, name) in ["accepting end", "dialling end"].into_iter().enumerate() {
        let (before, now, later) = (&empty[end], &full[end], &later[end]);
        let grown = number(now, "rss_kb") - number(before, "rss_kb");
        let used = number(later, "cpu_s") - number(now, "cpu_s");
        print(name, bench, grown, number(now, "rss_kb"), used);
    }
    Ok(())
}

fn print(ends: &str, bench: &Bench, grown_kb: f64, kb: f64, cpu: f64) {
    let (peers, seconds) = (bench.count as f64, bench.seconds.as_secs_f64());
    let case = format!("idle/{}/{ends}", bench.count);
    let row = |metric, value, unit| {
        let row = Row::new(&case, metric, value, unit);
        row.with("peers", peers).with("seconds", seconds).print();
    };
    row("memory", grown_kb / peers.max(1.0), "kB/peer");
    row("process memory", kb / 1e3, "MB");
    row("cpu", cpu / seconds * 100.0, "% of a core");
}

/// Waits until the openings have left nothing behind.
async fn settle(count: usize) {
    tokio::time::sleep(Duration::from_millis(1_000 + count as u64 / 4)).await;
}

fn number(line: &Value, key: &str) -> f64 {
    line[key].as_f64().unwrap_or(f64::NAN)
}

/// This program, in a process of its own.
struct Other {
    _child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(args: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let stdin = child.stdin.take().expect("it was asked for");
        let stdout = child.stdout.take().expect("it was asked for");
        Ok(Self { _child: child, stdin, lines: BufReader::new(stdout).lines() })
    }

    async fn line(&mut self) -> Result<Value, String> {
        let line = self.lines.next_line().await.map_err(|error| error.to_string())?;
        let line = line.ok_or("the other process has ended")?;
        serde_json::from_str(&line).map_err(|error| format!("{error}: {line}"))
    }

    async fn ask(&mut self) -> Result<Value, String> {
        self.stdin.write_all(b"stats\n").await.map_err(|error| error.to_string())?;
        self.line().await
    }
}

/// Dials so many connections and keeps them. On each line of the input, says what they use.
///
/// # Errors
///
/// The server cannot be reached.
pub(crate) async fn client(address: &str, count: usize) -> Result<(), String> {
    let (hub, (opened, mut connections)) = (Hub::new(), unbounded_channel());
    let types = flows::types().collect();
    let end = End { hub: hub.clone(), types, capacity: 256, opened };
    let adaptor = Adaptor::client_only(hub, Arc::new(end), Arc::default());
    let mut peers: Vec<Opened> = Vec::with_capacity(count);
    for _ in 0..count {
        let dialled = adaptor.connect_peer(address.to_owned()).await;
        dialled.map_err(|error| error.to_string())?;
        peers.extend(connections.recv().await);
    }
    println!("{}", line(peers.len())?);
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(_)) = lines.next_line().await {
        println!("{}", line(peers.len())?);
    }
    Ok(())
}

fn line(peers: usize) -> Result<Value, String> {
    let rss = rss_kb()?;
    Ok(serde_json::json!({
        "impl": "kaspa-p2p-lib",
        "peers": peers,
        "rss_kb": rss,
        "rss_kb_raw": rss,
        "cpu_s": cpu_time().as_secs_f64(),
    }))
}
