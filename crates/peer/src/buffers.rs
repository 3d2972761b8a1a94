//! Buffers that a connection holds only while it has bytes in them.
//!
//! A worker thread keeps a few read buffers and write buffers. A connection takes one inside a poll
//! and puts it back when it is empty, so thousands of idle connections share a handful.

use std::cell::RefCell;

use bytes::BytesMut;

/// The size of a read buffer, in bytes: one read takes at most this much.
pub(crate) const READ_BUFFER: usize = 64 << 10;

/// Read buffers larger than this are freed, not kept: what a connection holds above 64 KiB must come
/// out of its budget.
const KEEP_READ: usize = READ_BUFFER + (4 << 10);

/// Write buffers larger than this are freed, not kept.
const KEEP_WRITE: usize = 512 << 10;

/// How many buffers of each kind a thread keeps.
const KEEP: usize = 4;

#[derive(Default)]
struct Pool {
    read: Vec<BytesMut>,
    write: Vec<Vec<u8>>,
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// An empty buffer with room for [`READ_BUFFER`] bytes.
pub(crate) fn take_read() -> BytesMut {
    let kept = POOL.with_borrow_mut(|pool| pool.read.pop());
    kept.unwrap_or_else(|| BytesMut::with_capacity(READ_BUFFER))
}

/// Puts a read buffer back, unless somebody still holds a slice of it.
pub(crate) fn put_read(mut buffer: BytesMut) {
    buffer.clear();
    if buffer.try_reclaim(READ_BUFFER) && buffer.capacity() <= KEEP_READ {
        POOL.with_borrow_mut(|pool| {
            if pool.read.len() < KEEP {
                pool.read.push(buffer);
            }
        });
    }
}

/// An empty buffer for sealed frames.
pub(crate) fn take_write() -> Vec<u8> {
    POOL.with_borrow_mut(|pool| pool.write.pop()).unwrap_or_default()
}

/// Puts a write buffer back.
pub(crate) fn put_write(mut buffer: Vec<u8>) {
    if buffer.capacity() <= KEEP_WRITE {
        buffer.clear();
        POOL.with_borrow_mut(|pool| {
            if pool.write.len() < KEEP {
                pool.write.push(buffer);
            }
        });
    }
}
