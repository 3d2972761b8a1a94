//! What a remote may make of the HTTP/2 library: bounds with their reasons.

use h2::{client, server};

/// How much of messages may be on its way or wait here unread, in bytes: the window of the stream,
/// and of the connection once both sides agree. 1 MiB carries 10 MB a second over 100 ms.
///
/// Before that the connection's window is HTTP/2's own, 65,535 bytes: no honest opening needs more.
pub(super) const WINDOW: u32 = 1 << 20;

/// The longest frame, in bytes: HTTP/2's least. The library makes room for a whole frame by the
/// length in its header, so strangers shall not name more.
const MAX_FRAME: u32 = 16 << 10;

/// The longest head, in bytes. A call has some ten headers; 8 KiB is what most servers take.
const MAX_HEADERS: u32 = 8 << 10;

/// How much the library holds of what we send, in bytes: enough to keep a socket busy, and no more,
/// because what it holds cannot be overtaken.
pub(super) const SEND_BUFFER: usize = 64 << 10;

/// How many streams may be reset, or opened against the rule that there is one, before the connection
/// ends. An honest remote opens one.
const RESETS: usize = 8;

/// What small DATA frames may cost. The library counts up to 256 for each until its bytes are taken,
/// which happens after 64 KiB at most: 6,600 frames of one byte stay below it.
const SMALL_FRAMES: usize = 2 << 20;

pub(super) fn client() -> client::Builder {
    let mut builder = client::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(0)
        .enable_push(false)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(RESETS))
        .data_frame_budget(SMALL_FRAMES);
    builder
}

pub(super) fn server() -> server::Builder {
    let mut builder = server::Builder::new();
    builder
        .initial_window_size(WINDOW)
        .max_frame_size(MAX_FRAME)
        .max_header_list_size(MAX_HEADERS)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_streams(1)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS)
        .max_local_error_reset_streams(Some(RESETS))
        .data_frame_budget(SMALL_FRAMES);
    builder
}
