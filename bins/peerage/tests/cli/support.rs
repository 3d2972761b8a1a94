//! Running the built binary, and a server to run it against.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;

/// How long anything may take before a test fails instead of hanging.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The binary with these arguments.
pub(crate) fn peerage(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peerage"));
    command.args(args).env_remove("RUST_LOG");
    command
}

/// What a finished run left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Finished {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Finished {
    /// The events of a run with `--json`; every line must be one.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout.lines().map(event).collect()
    }

    /// The events of this name.
    pub(crate) fn named(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["event"] == name).collect()
    }
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Finished {
    let finished: Finished = peerage(args).output().unwrap().into();
    assert!(!finished.stderr.contains("panicked"), "{finished:?}");
    finished
}

/// Runs `peerage connect` on regtest.
pub(crate) fn connect(address: &str, args: &[&str]) -> Finished {
    run(&[&["connect", address, "--network", "regtest"], args].concat())
}

fn event(line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap();
    assert!(value["event"].is_string(), "{line}");
    value
}

/// A `peerage listen --json` that runs until it is dropped.
pub(crate) struct Listening {
    child: Child,
    pub(crate) address: String,
    lines: mpsc::Receiver<String>,
}

impl Listening {
    /// Starts it with these arguments on a free port.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::spawn(peerage(&[&["listen", "127.0.0.1:0", "--json"], args].concat()))
    }

    /// Starts this command, which must be such a listener.
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                // A test that has seen enough does not read on.
                let _ = sender.send(line);
            }
        });
        let mut listening = Self { child, address: String::new(), lines };
        let address = &listening.expect("listening")["address"];
        listening.address = address.as_str().unwrap().to_owned();
        listening
    }

    /// The next event of this name; others are passed over.
    pub(crate) fn expect(&self, name: &str) -> Value {
        loop {
            let line = self.lines.recv_timeout(LIMIT).expect(name);
            let event = event(&line);
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Presses Ctrl-C and waits for the end; returns it with what stderr has.
    pub(crate) fn interrupt(mut self) -> (ExitStatus, String) {
        interrupt(&self.child);
        let status = self.child.wait().unwrap();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (status, stderr)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Presses Ctrl-C.
pub(crate) fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}
