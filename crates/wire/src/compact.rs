//! CompactSize: Bitcoin's variable-length unsigned integer of 1, 3, 5 or 9 bytes.
//!
//! Only the shortest form of a value is canonical. Others are refused on reading, as Bitcoin Core
//! does, so that one value has one encoding and encode after decode is the identity.

/// Appends `value` in its canonical form.
pub fn put(out: &mut Vec<u8>, value: u64) {
    match value {
        0..=0xfc => out.push(value.to_le_bytes()[0]),
        0xfd..=0xffff => {
            out.push(0xfd);
            out.extend_from_slice(&value.to_le_bytes()[..2]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(0xfe);
            out.extend_from_slice(&value.to_le_bytes()[..4]);
        }
        _ => {
            out.push(0xff);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }
}

/// Appends `bytes` behind their length.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// How many bytes the canonical form of `value` takes: 1, 3, 5 or 9.
#[must_use]
pub const fn len(value: u64) -> usize {
    match value {
        0..=0xfc => 1,
        0xfd..=0xffff => 3,
        0x1_0000..=0xffff_ffff => 5,
        _ => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Malformed, Reader};

    #[test]
    fn every_boundary_round_trips_in_its_shortest_form() {
        for (value, size) in [
            (0, 1),
            (0xfc, 1),
            (0xfd, 3),
            (0xffff, 3),
            (0x1_0000, 5),
            (0xffff_ffff, 5),
            (0x1_0000_0000, 9),
            (u64::MAX, 9),
        ] {
            let mut out = Vec::new();
            put(&mut out, value);
            assert_eq!(out.len(), size);
            assert_eq!(len(value), size);
            assert_eq!(Reader::new(&out).compact(), Ok(value));
        }
    }

    #[test]
    fn longer_forms_are_refused() {
        for bytes in [
            &[0xfd, 0xfc, 0x00][..],
            &[0xfe, 0xff, 0xff, 0x00, 0x00],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00],
        ] {
            assert_eq!(Reader::new(bytes).compact(), Err(Malformed::NonCanonicalSize));
        }
    }
}
