//! What this program prints: one JSON object per line, its keys sorted.

use std::io::Write as _;

use serde_json::{Map, Value};

/// The fields of an event.
pub(crate) type Fields = Map<String, Value>;

/// Prints one event. Nobody reads any more when this fails, so the program ends.
pub(crate) fn emit(event: &str, mut fields: Fields) {
    fields.insert("event".to_owned(), event.into());
    let line = Value::Object(fields).to_string();
    if writeln!(std::io::stdout().lock(), "{line}").is_err() {
        std::process::exit(0);
    }
}

/// Prints that something went wrong.
pub(crate) fn error(error: impl ToString) {
    emit("error", fields([("error", error.to_string().into())]));
}

/// Fields from pairs.
pub(crate) fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Fields {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
