//! Values that are no plain arithmetic: carries, parts of registers, addresses of spaces, special registers.

use super::super::plan::keep;
use super::Exec;
use crate::alu::{Lanes, WARP};
use crate::lower::{CarryKind, Op, Source, Space, Special, Target};
use crate::memory::Windows;

/// Where generic addresses of a space begin, and where they end. Global and constant memory is everything else.
pub(super) fn window(space: Space) -> Option<std::ops::Range<u64>> {
    let begin = match space {
        Space::Shared => Windows::SHARED,
        Space::Local => Windows::LOCAL,
        Space::Param => Windows::PARAM,
        Space::Generic | Space::Global | Space::Const => return None,
    };
    Some(begin..begin + Windows::BYTES)
}

/// The space of a generic address, and the address in it.
#[inline]
pub(super) fn locate(address: u64) -> (Space, u64) {
    if address >= Windows::DEVICE {
        return (Space::Global, address);
    }
    for space in [Space::Shared, Space::Local, Space::Param] {
        if let Some(window) = window(space).filter(|it| it.contains(&address)) {
            return (space, address - window.start);
        }
    }
    (Space::Global, address)
}

impl Exec<'_, '_> {
    pub(super) fn value(&mut self, op: &Op, active: u32) {
        match op {
            Op::Move { source, target } => {
                let value = self.read(source);
                self.write(Some(*target), &value, active);
            }
            Op::Carry { kind, width, signed, carry_in, carry_out, sources, target } => {
                let sources = sources.each_ref().map(|it| self.read(it));
                let carry = if *carry_in { self.warp.carry } else { 0 };
                let mut result = [0; WARP];
                let mut flags = 0;
                for (lane, result) in result.iter_mut().enumerate() {
                    let values = sources.each_ref().map(|it| it[lane]);
                    let (value, flag) = carried(*kind, *width, *signed, values, carry >> lane & 1);
                    *result = value;
                    flags |= u32::from(flag) << lane;
                }
                if *carry_out {
                    self.warp.carry = self.warp.carry & !active | flags & active;
                }
                self.write(*target, &result, active);
            }
            Op::Pack { sources, part, target } => {
                let mut result = [0; WARP];
                for (index, source) in sources.iter().enumerate() {
                    let (value, shift) = (self.read(source), index as u32 * u32::from(*part));
                    for (to, from) in result.iter_mut().zip(value) {
                        *to |= (from & keep(*part)).checked_shl(shift).unwrap_or(0);
                    }
                }
                self.write(Some(*target), &result, active);
            }
            Op::Unpack { source, part, targets } => {
                let value = self.read(source);
                for (index, target) in targets.iter().enumerate() {
                    let shift = index as u32 * u32::from(*part);
                    let piece = value.map(|it| it.checked_shr(shift).unwrap_or(0) & keep(*part));
                    self.write(*target, &piece, active);
                }
            }
            Op::ConvertAddress { source, space, to_generic, target } => {
                let begin = window(*space).map_or(0, |it| it.start);
                let value = self.read(source);
                let value = value.map(|it| if *to_generic { it.wrapping_add(begin) } else { it.wrapping_sub(begin) });
                self.write(Some(*target), &value, active);
            }
            Op::IsSpace { source, space, target } => {
                let value = self.read(source).map(|it| u64::from(self.is_space(it, *space)));
                self.write(Some(*target), &value, active);
            }
            Op::ActiveMask { target } => self.write(Some(*target), &[u64::from(active); WARP], active),
            _ => {}
        }
    }

    /// Whether a generic address is one of a space. Constant memory is told from global memory by its variables.
    fn is_space(&self, address: u64, space: Space) -> bool {
        let constant = || {
            let plan = self.worker.plan;
            let mut symbols = plan.program.symbols.iter().zip(plan.symbols);
            symbols.any(|(it, begin)| it.constant && address.checked_sub(*begin).is_some_and(|at| at < it.bytes))
        };
        match space {
            Space::Generic => true,
            Space::Const => constant(),
            Space::Global => locate(address).0 == Space::Global && !constant(),
            space => locate(address).0 == space,
        }
    }

    /// A special register that differs between warps or moments.
    pub(super) fn special(&self, special: Special) -> Lanes {
        let plan = self.worker.plan;
        let axis = |all: [u32; 3], axis: u8| all.get(usize::from(axis)).map_or(0, |it| u64::from(*it));
        let each = |value: &dyn Fn(u32) -> u64| std::array::from_fn(|lane| value(lane as u32));
        match special {
            Special::Tid(at) => each(&|lane| axis(plan.thread_index(self.thread(lane as usize)), at)),
            Special::Ctaid(at) => [axis(plan.block_index(self.site.block), at); WARP],
            Special::LaneId => each(&u64::from),
            Special::WarpId => [u64::from(self.warp.index); WARP],
            Special::SmId => {
                let count = u64::from(plan.settings.device.multiprocessors.max(1));
                [self.site.block % count; WARP]
            }
            Special::LanemaskEq => each(&|lane| 1 << lane),
            Special::LanemaskLe => each(&|lane| (2 << lane) - 1),
            Special::LanemaskLt => each(&|lane| (1 << lane) - 1),
            Special::LanemaskGe => each(&|lane| 0xffff_ffff & !((1 << lane) - 1)),
            Special::LanemaskGt => each(&|lane| 0xffff_ffff & !((2 << lane) - 1)),
            // Time is what the block has run.
            Special::Clock | Special::Clock64 | Special::GlobalTimer => [self.site.clock; WARP],
            _ => [plan.uniform(&Source::Special(special)).unwrap_or(0); WARP],
        }
    }

    /// Writes a predicate.
    pub(super) fn write_bits(&mut self, target: Option<Target>, mask: u32, lanes: u32) {
        let value = std::array::from_fn(|lane| u64::from(mask >> lane & 1));
        self.scatter(target, &value, lanes);
    }
}

/// One step of long arithmetic: the value and the flag.
fn carried(kind: CarryKind, width: u8, signed: bool, [a, b, c]: [u64; 3], carry: u32) -> (u64, bool) {
    let mask = keep(width);
    let (a, b, c) = (a & mask, b & mask, c & mask);
    let carry = u128::from(carry);
    let wide = |it: u64| u128::from(it);
    let sum = match kind {
        CarryKind::Add => wide(a) + wide(b) + carry,
        CarryKind::Subtract => {
            let take = wide(b) + carry;
            return ((wide(a).wrapping_sub(take) as u64) & mask, wide(a) < take);
        }
        CarryKind::MultiplyLow => wide((wide(a) * wide(b)) as u64 & mask) + wide(c) + carry,
        CarryKind::MultiplyHigh => {
            let high = if signed {
                let extend =
                    |it: u64| i128::from((it << (64 - width.min(64)) as u32) as i64 >> (64 - width.min(64)) as u32);
                (extend(a).wrapping_mul(extend(b)) >> width) as u64
            } else {
                ((wide(a) * wide(b)) >> width) as u64
            };
            wide(high & mask) + wide(c) + carry
        }
    };
    (sum as u64 & mask, sum >> width != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arithmetic_carries() {
        let add = |width, a, b, carry| carried(CarryKind::Add, width, false, [a, b, 0], carry);
        assert_eq!(add(32, 0xffff_ffff, 0, 1), (0, true));
        assert_eq!(add(32, 0xffff_fffe, 0, 1), (0xffff_ffff, false));
        assert_eq!(add(64, u64::MAX, u64::MAX, 1), (u64::MAX, true));
        let sub = |width, a, b, carry| carried(CarryKind::Subtract, width, false, [a, b, 0], carry);
        assert_eq!(sub(32, 0, 0, 1), (0xffff_ffff, true));
        assert_eq!(sub(64, 5, 4, 1), (0, false));
        assert_eq!(sub(64, 0, u64::MAX, 1), (0, true));
        let high = |width, signed, a, b| carried(CarryKind::MultiplyHigh, width, signed, [a, b, 1], 0);
        assert_eq!(high(32, true, 0xffff_ffff, 2), (0, true));
        assert_eq!(high(32, false, 0xffff_ffff, 2), (2, false));
        assert_eq!(high(64, true, u64::MAX, u64::MAX), (1, false));
        assert_eq!(high(64, true, 1 << 63, 1 << 63), ((1 << 62) + 1, false));
        let low = carried(CarryKind::MultiplyLow, 32, true, [0xffff_ffff, 0xffff_ffff, 0xffff_ffff], 0);
        assert_eq!(low, (0, true));
    }

    #[test]
    fn generic_addresses_tell_their_space() {
        assert_eq!(locate(Windows::SHARED + 5), (Space::Shared, 5));
        assert_eq!(locate(Windows::LOCAL), (Space::Local, 0));
        assert_eq!(locate(Windows::PARAM + 8), (Space::Param, 8));
        assert_eq!(locate(Windows::DEVICE + 8), (Space::Global, Windows::DEVICE + 8));
        assert_eq!(locate(0), (Space::Global, 0));
        assert_eq!(locate(Windows::SHARED + Windows::BYTES).0, Space::Global);
    }
}
