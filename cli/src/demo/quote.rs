//! The market data of the demo: made up, but checkable.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A two-sided price, 56 bytes. Its checksum covers all the rest: a quote that was torn, overwritten
/// or put together from two does not pass.
#[derive(Debug, Clone, Copy, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Quote {
    /// The sequence the feed expects the message to have.
    pub sequence: u64,
    /// When it was published, in nanoseconds of CLOCK_MONOTONIC.
    pub published_ns: u64,
    /// In units of 1e-5.
    bid: i64,
    /// In units of 1e-5.
    ask: i64,
    bid_size: u32,
    ask_size: u32,
    instrument: u32,
    venue: u32,
    checksum: u64,
}

/// The flag of a stream's last message.
pub const LAST: u16 = 1;

impl Quote {
    /// Whether it is, bit for bit, what was published.
    pub fn is_intact(&self) -> bool {
        self.checksum == self.digest()
    }

    /// Over everything but the checksum.
    fn digest(&self) -> u64 {
        let content = Self {
            checksum: 0,
            ..*self
        };
        let words = content.as_bytes().chunks_exact(8);
        words.fold(0x9e37_79b9_7f4a_7c15, |digest, word| {
            let word = u64::read_from_bytes(word).unwrap_or_default();
            (digest ^ word)
                .wrapping_mul(0xff51_afd7_ed55_8ccd)
                .rotate_left(29)
        })
    }
}

/// A market: prices that walk at random.
pub struct Market {
    random: u64,
    bid: i64,
}

impl Market {
    /// Opens at 1.12120.
    pub fn open() -> Self {
        Self {
            random: 0x2545_f491_4f6c_dd1d,
            bid: 112_120,
        }
    }

    /// The next quote, to be published now as message `sequence`.
    pub fn quote(&mut self, sequence: u64, published_ns: u64) -> Quote {
        let random = self.step();
        self.bid = (self.bid + (random % 5) as i64 - 2).clamp(50_000, 200_000);
        let mut quote = Quote {
            sequence,
            published_ns,
            bid: self.bid,
            ask: self.bid + 1 + (random >> 8) as i64 % 60,
            bid_size: (random >> 16) as u32 % 500 + 1,
            ask_size: (random >> 32) as u32 % 500 + 1,
            instrument: (random >> 48) as u32 % 100,
            venue: (random >> 56) as u32 % 4,
            checksum: 0,
        };
        quote.checksum = quote.digest();
        quote
    }

    /// xorshift64 (Marsaglia, Xorshift RNGs, 2003).
    fn step(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bit_changed_anywhere_is_seen() {
        let quote = Market::open().quote(7, 1_000_000);
        assert!(quote.is_intact());
        for bit in 0..8 * size_of::<Quote>() {
            let mut torn = quote;
            torn.as_mut_bytes()[bit / 8] ^= 1 << (bit % 8);
            assert!(!torn.is_intact(), "bit {bit}");
        }
    }

    #[test]
    fn two_quotes_put_together_are_seen() {
        let mut market = Market::open();
        let (one, two) = (market.quote(1, 10), market.quote(2, 20));
        for cut in 1..size_of::<Quote>() {
            let mut mixed = one;
            mixed.as_mut_bytes()[cut..].copy_from_slice(&two.as_bytes()[cut..]);
            assert!(!mixed.is_intact(), "cut at {cut}");
        }
    }
}
