//! Numbers that look random and are the same every time.

/// SplitMix64 (Steele, Lea and Flood, 2014). Each part of the demo has its own seed, so that a change in one part
/// doesn't shift all others.
#[derive(Debug)]
pub(super) struct Generator(u64);

impl Generator {
    /// A generator that always gives the same numbers for the same seed.
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`; 0 if there is none.
    pub(super) fn below(&mut self, limit: u32) -> u32 {
        // The remainder's bias is of no importance here.
        self.next()
            .checked_rem(u64::from(limit))
            .and_then(|rest| u32::try_from(rest).ok())
            .unwrap_or(0)
    }

    /// Whether something happens that happens in `percent` of all cases.
    pub(super) fn chance(&mut self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of a list that is not empty.
    pub(super) fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        let last = u32::try_from(list.len()).unwrap_or(u32::MAX);
        &list[self.below(last) as usize]
    }

    /// `length` characters of an ASCII alphabet that is not empty.
    pub(super) fn text(&mut self, alphabet: &str, length: usize) -> String {
        (0..length)
            .map(|_| char::from(*self.pick(alphabet.as_bytes())))
            .collect()
    }

    /// `length` bytes.
    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[7]).collect()
    }
}
