//! Payloads that say where they come from and whether they are whole.

/// Bytes of the shortest checked payload: origin, serial, checksum.
pub const LEN_MIN: usize = 24;

/// Makes a payload that names its origin and its number there, and sums all of it up.
pub fn fill(payload: &mut [u8], origin: u64, serial: u64) {
    let (body, sum) = payload.split_last_chunk_mut::<8>().expect("LEN_MIN bytes");
    for (index, byte) in body[16..].iter_mut().enumerate() {
        *byte = (serial as u8).wrapping_mul(31).wrapping_add(index as u8);
    }
    body[..8].copy_from_slice(&origin.to_le_bytes());
    body[8..16].copy_from_slice(&serial.to_le_bytes());
    *sum = checksum(body).to_le_bytes();
}

/// A checked payload of some length up to `len_max` that depends on `serial`.
pub fn payload(len_max: usize, origin: u64, serial: u64) -> Vec<u8> {
    let spread = (len_max - LEN_MIN + 1) as u64;
    let len =
        LEN_MIN + (serial.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33) as usize % spread as usize;
    let mut payload = vec![0; len];
    fill(&mut payload, origin, serial);
    payload
}

/// Origin and serial of a payload, if every bit of it is as it was written.
pub fn read(payload: &[u8]) -> Option<(u64, u64)> {
    let (body, sum) = payload.split_last_chunk::<8>()?;
    let is_whole = body.len() >= LEN_MIN - 8 && u64::from_le_bytes(*sum) == checksum(body);
    is_whole.then(|| (word(&body[..8]), word(&body[8..16])))
}

fn checksum(bytes: &[u8]) -> u64 {
    let seed = bytes.len() as u64;
    bytes.chunks(8).fold(seed, |sum, bytes| {
        (sum ^ word(bytes))
            .wrapping_mul(0x9fb2_1c65_1e98_df25)
            .rotate_left(29)
    })
}

fn word(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(word)
}
