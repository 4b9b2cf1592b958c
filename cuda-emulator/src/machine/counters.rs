//! What a launch costs.

use super::Counters;
use super::plan::Step;
use super::warp::Set;
use crate::alu::Lanes;

/// Banks of shared memory, each of 4 bytes.
const BANKS: usize = 32;

/// The counters of a worker.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) all: Counters,
}

impl Tally {
    /// An instruction of a warp.
    #[inline]
    pub(super) fn count(&mut self, step: &Step<'_>, active: u32) {
        let lanes = u64::from(active.count_ones());
        self.all.warp_instructions += 1;
        if let Some(count) = self.all.lane_instructions.get_mut(step.class as usize) {
            *count += lanes;
        }
        self.all.flops += lanes * u64::from(step.flops);
    }

    /// An access of a warp to global memory: `bytes` at each lane's address.
    pub(super) fn global(&mut self, addresses: &Lanes, active: u32, bytes: u32) {
        self.all.global_bytes += u64::from(active.count_ones()) * u64::from(bytes);
        let last = |address: u64| address.wrapping_add(u64::from(bytes.max(1)) - 1) >> 5;
        // Addresses mostly ascend; then each new sector is seen when it begins.
        let (mut sectors, mut seen, mut ascending) = (0, None, true);
        for lane in Set(active) {
            let (begin, end) = (addresses[lane] >> 5, last(addresses[lane]));
            if seen.is_some_and(|seen| begin < seen) {
                ascending = false;
                break;
            }
            let new = seen.map_or(begin, |seen| begin.max(seen + 1));
            sectors += (end + 1).saturating_sub(new);
            seen = Some(end);
        }
        if !ascending {
            let mut all: Vec<u64> =
                Set(active).flat_map(|lane| (addresses[lane] >> 5)..=last(addresses[lane])).collect();
            all.sort_unstable();
            all.dedup();
            sectors = all.len() as u64;
        }
        self.all.global_sectors += sectors;
    }

    /// An access of a warp to shared memory. Lanes that meet at a bank with different words take a pass more; accesses of 8
    /// bytes go by half warps, those of 16 by quarters.
    pub(super) fn shared(&mut self, addresses: &Lanes, active: u32, bytes: u32) {
        let phases = bytes.div_ceil(4).next_power_of_two().clamp(1, 32);
        let lanes = 32 / phases;
        for phase in 0..phases {
            let part = active & (u32::MAX >> (32 - lanes)).checked_shl(phase * lanes).unwrap_or(0);
            if part != 0 {
                self.all.shared_passes += passes(addresses, part, bytes);
                self.all.shared_passes_ideal += 1;
            }
        }
    }
}

/// Passes that lanes take together.
fn passes(addresses: &Lanes, part: u32, bytes: u32) -> u64 {
    let words = |lane: usize| {
        let first = addresses[lane] >> 2;
        first..=(addresses[lane].wrapping_add(u64::from(bytes.max(1)) - 1) >> 2)
    };
    // Words that lie within 32 of each other are at different banks: the usual case.
    let (mut low, mut high) = (u64::MAX, 0);
    for lane in Set(part) {
        (low, high) = (low.min(addresses[lane]), high.max(addresses[lane]));
    }
    if (high.saturating_add(u64::from(bytes.max(1)) - 1) >> 2) - (low >> 2) < BANKS as u64 {
        return 1;
    }
    let mut seen = [u64::MAX; BANKS];
    let mut clash = false;
    for lane in Set(part) {
        for word in words(lane) {
            let bank = &mut seen[word as usize % BANKS];
            clash |= *bank != u64::MAX && *bank != word;
            *bank = word;
        }
    }
    if !clash {
        return 1;
    }
    let mut all: Vec<u64> = Set(part).flat_map(words).collect();
    all.sort_unstable();
    all.dedup();
    let mut each = [0; BANKS];
    all.iter().for_each(|word| each[*word as usize % BANKS] += 1);
    each.into_iter().max().unwrap_or(1)
}

impl Counters {
    /// Adds what another worker counted.
    pub(super) fn add(&mut self, other: &Counters) {
        self.warp_instructions += other.warp_instructions;
        self.lane_instructions.iter_mut().zip(other.lane_instructions).for_each(|(to, from)| *to += from);
        self.flops += other.flops;
        self.global_bytes += other.global_bytes;
        self.global_sectors += other.global_sectors;
        self.shared_passes += other.shared_passes;
        self.shared_passes_ideal += other.shared_passes_ideal;
        self.divergent_branches += other.divergent_branches;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(address: impl Fn(u64) -> u64, active: u32, bytes: u32) -> (u64, u64) {
        let mut tally = Tally::default();
        tally.global(&std::array::from_fn(|lane| address(lane as u64)), active, bytes);
        (tally.all.global_sectors, tally.all.global_bytes)
    }

    fn shared(address: impl Fn(u64) -> u64, active: u32, bytes: u32) -> (u64, u64) {
        let mut tally = Tally::default();
        tally.shared(&std::array::from_fn(|lane| address(lane as u64)), active, bytes);
        (tally.all.shared_passes, tally.all.shared_passes_ideal)
    }

    #[test]
    fn sectors_are_counted_once() {
        assert_eq!(global(|lane| 4096 + 4 * lane, u32::MAX, 4), (4, 128));
        assert_eq!(global(|lane| 4096 + 16 * lane, u32::MAX, 16), (16, 512));
        assert_eq!(global(|_| 4100, u32::MAX, 4), (1, 128));
        assert_eq!(global(|lane| 4096 + 128 * lane, u32::MAX, 4), (32, 128));
        assert_eq!(global(|lane| 4096 + 4 * (31 - lane), u32::MAX, 4), (4, 128));
        assert_eq!(global(|lane| 4096 + 128 * (lane % 2), u32::MAX, 4), (2, 128));
        assert_eq!(global(|lane| 4112 + 4 * lane, u32::MAX, 4), (5, 128));
        assert_eq!(global(|lane| 4096 + 4 * lane, 1, 4), (1, 4));
        assert_eq!(global(|lane| 4096 + 32 * lane, u32::MAX, 32), (32, 1024));
        assert_eq!(global(|lane| u64::MAX - lane, u32::MAX, 8).0, 1);
    }

    #[test]
    fn banks_conflict() {
        assert_eq!(shared(|lane| 4 * lane, u32::MAX, 4), (1, 1));
        assert_eq!(shared(|lane| 4 * (31 - lane), u32::MAX, 4), (1, 1));
        assert_eq!(shared(|_| 400, u32::MAX, 4), (1, 1));
        assert_eq!(shared(|lane| 8 * lane, u32::MAX, 4), (2, 1));
        assert_eq!(shared(|lane| 128 * lane, u32::MAX, 4), (32, 1));
        assert_eq!(shared(|lane| 132 * lane, u32::MAX, 4), (1, 1));
        assert_eq!(shared(|lane| lane, u32::MAX, 1), (1, 1));
        assert_eq!(shared(|lane| 8 * lane, u32::MAX, 8), (2, 2));
        assert_eq!(shared(|lane| 16 * lane, u32::MAX, 16), (4, 4));
        assert_eq!(shared(|lane| 32 * lane, u32::MAX, 16), (8, 4));
        assert_eq!(shared(|lane| 16 * lane, 0xff, 16), (1, 1));
    }
}
