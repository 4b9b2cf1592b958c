//! The order in which an epoch visits the rows: a pure function of (seed, epoch), so that a run that is resumed at
//! epoch 7 sees the same batches as one that was never stopped.

/// Writes a permutation of `0..order.len()` that depends on nothing but the length, `seed` and `epoch`.
///
/// Fisher and Yates's shuffle: every permutation is equally likely as far as the generator is.
pub(crate) fn permute(order: &mut [usize], seed: u64, epoch: u64) {
    let mut random = Philox::new(seed, epoch);
    order.iter_mut().enumerate().for_each(|(row, slot)| *slot = row);
    for last in (1..order.len()).rev() {
        let chosen = random.next_below(last as u64 + 1) as usize;
        order.swap(last, chosen);
    }
}

/// Philox 4x32-10 (Salmon et al., SC11). To be replaced by the generator of `wengert-kernels`.
struct Philox {
    key: [u32; 2],
    stream: u64,
    block: u64,
    spare: Option<u64>,
}

impl Philox {
    fn new(seed: u64, stream: u64) -> Philox {
        Philox { key: halves(seed), stream, block: 0, spare: None }
    }

    fn next_u64(&mut self) -> u64 {
        if let Some(word) = self.spare.take() {
            return word;
        }
        let ([a, b], [c, d]) = (halves(self.block), halves(self.stream));
        self.block += 1;
        let [a, b, c, d] = rounds([a, b, c, d], self.key);
        self.spare = Some(whole([c, d]));
        whole([a, b])
    }

    /// A number below `n` (which is not zero), each equally likely: Lemire's multiplication, whose rejected sliver at
    /// the bottom is what a plain remainder would hand to the small numbers.
    fn next_below(&mut self, n: u64) -> u64 {
        let sliver = n.wrapping_neg() % n;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            if product as u64 >= sliver {
                return (product >> 64) as u64;
            }
        }
    }
}

fn halves(word: u64) -> [u32; 2] {
    [word as u32, (word >> 32) as u32]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

fn rounds(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let [low0, high0] = halves(u64::from(counter[0]) * 0xD251_1F53);
        let [low1, high1] = halves(u64::from(counter[2]) * 0xCD9E_8D57);
        counter = [high1 ^ counter[1] ^ key[0], low1, high0 ^ counter[3] ^ key[1], low0];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_the_published_numbers() {
        assert_eq!(rounds([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(rounds([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            rounds([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn every_row_comes_once_and_the_order_depends_on_seed_and_epoch_only() {
        // semantics 9.1
        let order = |seed, epoch| {
            let mut order = vec![usize::MAX; 1000];
            permute(&mut order, seed, epoch);
            order
        };
        let mut sorted = order(1, 0);
        assert_eq!(sorted, order(1, 0));
        assert_ne!(sorted, order(2, 0));
        assert_ne!(sorted, order(1, 1));
        sorted.sort_unstable();
        assert!(sorted.iter().copied().eq(0..1000));
        permute(&mut [], 0, 0);
    }

    #[test]
    fn every_permutation_of_four_is_about_equally_likely() {
        let mut counts = std::collections::BTreeMap::new();
        for epoch in 0..24_000 {
            let mut order = [0; 4];
            permute(&mut order, 42, epoch);
            *counts.entry(order).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        assert!(counts.values().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
