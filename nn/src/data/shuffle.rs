//! The order in which an epoch visits the rows: a pure function of (seed, epoch), so that a run that is resumed at
//! epoch 7 sees the same batches as one that was never stopped.

use rand_core::Rng;
use wengert_kernels::Philox;

/// Writes a permutation of `0..order.len()` that depends on nothing but the length, `seed` and `epoch`.
///
/// Fisher and Yates's shuffle: every permutation is equally likely as far as the generator is.
pub(crate) fn permute(order: &mut [usize], seed: u64, epoch: u64) {
    let mut random = Philox::new(seed, epoch);
    order.iter_mut().enumerate().for_each(|(row, slot)| *slot = row);
    for last in (1..order.len()).rev() {
        let chosen = next_below(&mut random, last as u64 + 1) as usize;
        order.swap(last, chosen);
    }
}

/// A number below `n` (which is not zero), each equally likely: Lemire's multiplication, whose rejected sliver at the
/// bottom is what a plain remainder would hand to the small numbers.
pub(super) fn next_below(random: &mut Philox, n: u64) -> u64 {
    let sliver = n.wrapping_neg() % n;
    loop {
        let product = u128::from(random.next_u64()) * u128::from(n);
        if product as u64 >= sliver {
            return (product >> 64) as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
