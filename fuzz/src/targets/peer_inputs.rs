//! The engine, fed with arbitrary messages, times and orders by its calling contract.

use peerage_wire::Direction;

use crate::input::Input;

mod engine;
mod script;

use engine::Engine;

/// Whatever happens in whatever order: nothing panics, nothing is due in the past, outbox, events
/// and memory stay within their bounds, and the connection ends with exactly one reason, by silence
/// at the latest.
pub fn peer_inputs(data: &[u8]) {
    let mut input = Input::new(data);
    let direction = if input.flag() { Direction::Inbound } else { Direction::Outbound };
    let mut engine =
        Engine::new(direction, script::identity(&mut input), script::config(&mut input));
    for _ in 0..MAX_STEPS {
        if input.is_empty() {
            break;
        }
        script::step(&mut engine, &mut input);
    }
    engine.fall_silent();
}

/// Enough for everything, and an input is done in milliseconds.
const MAX_STEPS: usize = 400;
