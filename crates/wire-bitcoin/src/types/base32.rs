//! Base32 of RFC 4648 in lower case without padding, as onion and I2P names are written.

const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The text of `bytes`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let mut bits = 0_usize;
    let mut held = 0;
    for byte in bytes {
        bits = bits << 8 | usize::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.push(char::from(ALPHABET[bits >> held & 31]));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        text.push(char::from(ALPHABET[bits << (5 - held) & 31]));
    }
    text
}

/// The `N` bytes that `text` stands for, in either case; `None` for anything but their one
/// encoding.
pub(super) fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != (N * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = [0; N];
    let mut next = bytes.iter_mut();
    let mut bits = 0_u32;
    let mut held = 0;
    for character in text.bytes() {
        let digit = match character.to_ascii_lowercase() {
            letter @ b'a'..=b'z' => letter - b'a',
            number @ b'2'..=b'7' => number - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(digit);
        held += 5;
        if held >= 8 {
            held -= 8;
            *next.next()? = (bits >> held).to_le_bytes()[0];
            bits &= (1 << held) - 1;
        }
    }
    (bits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_texts() {
        assert_eq!(encode(b"foobar"), "mzxw6ytboi");
        assert_eq!(decode(&encode(b"fooba")), Some(*b"fooba"));
        assert_eq!(decode("MZXW6YTBOI"), Some(*b"foobar"));
        assert_eq!(decode::<6>("mzxw6ytboj"), None, "bits beyond the last byte");
        assert_eq!(decode::<6>("mzxw6ytb1i"), None, "1 is no digit");
        assert_eq!(decode::<6>("mzxw6ytbo"), None, "too short");
    }
}
