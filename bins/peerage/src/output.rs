//! Where lines go: calm text for people, or one JSON object a line for programs.

use std::fmt;
use std::io::{self, Write as _};

use serde_json::{Map, Value};
use tokio::time::Instant;

/// What is known of something, in the order in which it is shown. Its keys are documented in the
/// help and stay as they are.
pub(crate) type Fields = Map<String, Value>;

/// Makes fields.
pub(crate) fn fields<const N: usize>(entries: [(&str, Value); N]) -> Fields {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// The standard output of a command, and the time since its start.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    start: Instant,
}

impl Output {
    /// JSON objects if `json`, else text.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, start: Instant::now() }
    }

    /// Prints an event: the object of these fields, or the text.
    pub(crate) fn event(&self, event: &str, fields: Fields, text: impl fmt::Display) {
        if self.json {
            self.object(event, fields);
        } else {
            line(text);
        }
    }

    /// Prints what only people read.
    pub(crate) fn text(&self, text: impl fmt::Display) {
        if !self.json {
            line(text);
        }
    }

    /// Prints what only programs read.
    pub(crate) fn object(&self, event: &str, fields: Fields) {
        if self.json {
            let mut object = Fields::with_capacity(fields.len() + 1);
            object.insert("event".into(), event.into());
            object.extend(fields);
            line(Value::Object(object));
        }
    }

    /// Seconds since the command's start.
    pub(crate) fn seconds(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }
}

/// Fields as people read them: `count 3, first MSG_TX …`.
pub(crate) fn phrase(fields: &Fields) -> String {
    let words: Vec<String> = fields
        .iter()
        .map(|(key, value)| format!("{} {}", key.replace('_', " "), plain(value)))
        .collect();
    words.join(", ")
}

/// A value as people read it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Null => "none".into(),
        other => other.to_string(),
    }
}

/// Writes one line to the standard output. If whoever read it has gone, nobody is left to work for:
/// the process ends as a signal would have ended it.
pub(crate) fn line(text: impl fmt::Display) {
    let mut stdout = io::stdout().lock();
    if writeln!(stdout, "{text}").and_then(|()| stdout.flush()).is_err() {
        std::process::exit(BROKEN_PIPE);
    }
}

/// Writes an error to the standard error, where it may go unread.
pub(crate) fn complain(error: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "peerage: {error}");
}

/// 128 and the number of SIGPIPE, which shells report for a writer that nobody reads.
const BROKEN_PIPE: i32 = 141;
