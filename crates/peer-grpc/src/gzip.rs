//! Packs one message as a gzip member (RFC 1952).

use std::cell::RefCell;

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// Magic, deflate, no optional fields, no time, nothing about the system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

thread_local! {
    /// A packer has some 300 KiB: a thread has one.
    static PACKER: RefCell<Option<Compress>> = const { RefCell::new(None) };
}

/// Appends `plain` as a member.
pub(crate) fn pack(plain: &[u8], out: &mut Vec<u8>) {
    let mut packer = PACKER.take().unwrap_or_else(|| Compress::new(Compression::fast(), false));
    out.extend_from_slice(&HEADER);
    let mut rest = plain;
    loop {
        out.reserve(rest.len() / 2 + 64);
        let before = packer.total_in();
        let status = packer.compress_vec(rest, out, FlushCompress::Finish);
        rest = &rest[usize::try_from(packer.total_in() - before).unwrap_or(rest.len())..];
        if matches!(status, Ok(Status::StreamEnd) | Err(_)) {
            break;
        }
    }
    packer.reset();
    PACKER.set(Some(packer));
    let mut crc = Crc::new();
    crc.update(plain);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn others_unpack_it() {
        let noise = |n: u32| n.wrapping_mul(2_654_435_761).to_be_bytes();
        for len in [0, 1, 300, 70_000_u32] {
            for plain in [vec![7; len as usize], (0..len).flat_map(noise).collect()] {
                let mut packed = Vec::new();
                pack(&plain, &mut packed);
                let mut unpacked = Vec::new();
                flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut unpacked).unwrap();
                assert_eq!(unpacked, plain);
            }
        }
    }
}
