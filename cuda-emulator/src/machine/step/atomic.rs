//! Atomics.

use super::access::{Element, Shape, locate_in};
use super::{Exec, Flow};
use crate::alu::{Alu, WARP, select};
use crate::lower::{AtomicOp, AtomicType, Source, Space, Target};
use crate::machine::plan::keep;
use crate::machine::warp::Set;
use crate::ptx::Opcode;

/// Bytes of a type.
pub(super) fn bytes(ty: AtomicType) -> u8 {
    match ty {
        AtomicType::B16 | AtomicType::F16 | AtomicType::Bf16 => 2,
        AtomicType::B64 | AtomicType::U64 | AtomicType::S64 | AtomicType::F64 => 8,
        _ => 4,
    }
}

impl Exec<'_, '_> {
    pub(super) fn atomic(
        &mut self,
        shape: Shape<'_>,
        what: (AtomicOp, AtomicType),
        sources: &[Source],
        swap: Option<&Source>,
        targets: &[Option<Target>],
        active: u32,
    ) -> Flow {
        let addresses = self.addresses(shape.address);
        let active = self.aligned(&shape, (shape.address.space, &addresses), active, true);
        let arithmetic = half(what);
        let swap = swap.map_or([0; WARP], |it| self.read(it));
        let mask = keep(8 * shape.bytes as u8);
        for (index, source) in sources.iter().enumerate() {
            let values = self.read(source);
            let mut old = [0; WARP];
            for lane in Set(active) {
                let address = addresses[lane].wrapping_add(index as u64 * u64::from(shape.bytes));
                let (space, address) = locate_in(shape.address.space, address);
                let element = Element { space, address, bytes: shape.bytes, strength: shape.strength };
                let (value, swap) = (values[lane] & mask, swap[lane] & mask);
                let change = |old: u64| match &arithmetic {
                    Some(arithmetic) => Some(once(arithmetic, old, value)),
                    None => changed(what, old, value, swap, space == Space::Global),
                };
                old[lane] = self.update(lane, element, &change);
            }
            self.write(targets.get(index).copied().flatten(), &old, active);
        }
        self.proceed()
    }

    fn update(&mut self, lane: usize, element: Element, change: &dyn Fn(u64) -> Option<u64>) -> u64 {
        let Element { space, address, bytes, strength } = element;
        let actor = self.actor(lane);
        let old = match space {
            Space::Shared => self.site.shared.update(&mut self.site.order, actor, address, bytes, strength, change),
            Space::Local | Space::Param => {
                let note = "atomics are for global and shared memory".into();
                self.fault(crate::Finding::Invalid, lane, Some(element.access(true)), None, note);
                None
            }
            _ => self.worker.view.update(&mut self.site.order, actor, address, bytes, strength, change),
        };
        if !(self.site.shared.troubles.is_empty() && self.worker.view.troubles.is_empty()) {
            self.troubles(lane, actor, element, true);
        }
        old.unwrap_or(0)
    }
}

/// 16-bit floats compute as the instructions of the same name do.
fn half((op, ty): (AtomicOp, AtomicType)) -> Option<Alu> {
    let ty = match ty {
        AtomicType::F16 => "f16",
        AtomicType::F16x2 => "f16x2",
        AtomicType::Bf16 => "bf16",
        AtomicType::Bf16x2 => "bf16x2",
        _ => return None,
    };
    let (name, parts) = match op {
        AtomicOp::Add => ("add", vec!["rn", ty]),
        AtomicOp::Min => ("min", vec![ty]),
        AtomicOp::Max => ("max", vec![ty]),
        _ => return None,
    };
    select(&Opcode { name: name.into(), parts: parts.into_iter().map(Into::into).collect() })
}

/// An instruction on one value.
fn once(alu: &Alu, a: u64, b: u64) -> u64 {
    let (a, b, none, mut result) = ([a; WARP], [b; WARP], [0; WARP], [0; WARP]);
    (alu.compute)([&a, &b, &none, &none], &mut result);
    result[0]
}

/// A subnormal as a zero of its sign.
fn flushed(value: f32) -> f32 {
    if value.is_subnormal() { 0f32.copysign(value) } else { value }
}

/// What is stored in place of `old`; `None` if a comparison fails or the machine knows no such atomic.
fn changed((op, ty): (AtomicOp, AtomicType), old: u64, value: u64, swap: u64, global: bool) -> Option<u64> {
    let bits = 8 * u32::from(bytes(ty));
    let signed = |it: u64| (it << (64 - bits)) as i64;
    let is_signed = matches!(ty, AtomicType::S32 | AtomicType::S64);
    let less = |a: u64, b: u64| if is_signed { signed(a) < signed(b) } else { a < b };
    let single = |it: u64| f32::from_bits(it as u32);
    Some(match (op, ty) {
        // Sums in global memory flush subnormals, those in shared memory do not.
        (AtomicOp::Add, AtomicType::F32) if global => {
            u64::from(flushed(flushed(single(old)) + flushed(single(value))).to_bits())
        }
        (AtomicOp::Add, AtomicType::F32) => u64::from((single(old) + single(value)).to_bits()),
        (AtomicOp::Add, AtomicType::F64) => (f64::from_bits(old) + f64::from_bits(value)).to_bits(),
        (_, AtomicType::F32 | AtomicType::F64) if op != AtomicOp::Exchange => return None,
        (AtomicOp::Exchange, _) => value,
        (AtomicOp::CompareAndSwap, _) => return (old == value).then_some(swap),
        (AtomicOp::Add, _) => old.wrapping_add(value),
        (AtomicOp::Increment, _) => {
            if old >= value {
                0
            } else {
                old + 1
            }
        }
        (AtomicOp::Decrement, _) => {
            if old == 0 || old > value {
                value
            } else {
                old - 1
            }
        }
        (AtomicOp::And, _) => old & value,
        (AtomicOp::Or, _) => old | value,
        (AtomicOp::Xor, _) => old ^ value,
        (AtomicOp::Min, _) => {
            if less(value, old) {
                value
            } else {
                old
            }
        }
        (AtomicOp::Max, _) => {
            if less(old, value) {
                value
            } else {
                old
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_as_the_isa_says() {
        let change = |op, ty, old, value| changed((op, ty), old, value, 7, true);
        assert_eq!(change(AtomicOp::Increment, AtomicType::U32, 3, 3), Some(0));
        assert_eq!(change(AtomicOp::Increment, AtomicType::U32, 2, 3), Some(3));
        assert_eq!(change(AtomicOp::Decrement, AtomicType::U32, 0, 3), Some(3));
        assert_eq!(change(AtomicOp::Decrement, AtomicType::U32, 9, 3), Some(3));
        assert_eq!(change(AtomicOp::Decrement, AtomicType::U32, 2, 3), Some(1));
        assert_eq!(change(AtomicOp::Min, AtomicType::S32, 1, 0xffff_ffff), Some(0xffff_ffff));
        assert_eq!(change(AtomicOp::Min, AtomicType::U32, 1, 0xffff_ffff), Some(1));
        assert_eq!(change(AtomicOp::Max, AtomicType::S64, 1, u64::MAX), Some(1));
        assert_eq!(change(AtomicOp::CompareAndSwap, AtomicType::B16, 5, 5), Some(7));
        assert_eq!(change(AtomicOp::CompareAndSwap, AtomicType::B16, 5, 6), None);
    }

    #[test]
    fn sums_of_floats_flush_in_global_memory_only() {
        let tiny = u64::from(1u32);
        let sum = |global| changed((AtomicOp::Add, AtomicType::F32), tiny, tiny, 0, global);
        assert_eq!((sum(true), sum(false)), (Some(0), Some(2)));
        let minus = u64::from(0x8000_0001u32);
        let old = u64::from((-0f32).to_bits());
        assert_eq!(changed((AtomicOp::Add, AtomicType::F32), old, minus, 0, true), Some(0x8000_0000));
    }
}
