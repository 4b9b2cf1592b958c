//! Calls that the device's runtime answers.

use super::access::Element;
use super::value::locate;
use super::{Exec, Flow};
use crate::Finding;
use crate::lower::{Parameter, SystemCall};
use crate::machine::print::{self, Arguments};
use crate::machine::warp::Set;
use crate::memory::Strength;

/// Bytes of a string that a kernel prints.
const TEXT_LIMIT: u64 = 1 << 12;

impl Exec<'_, '_> {
    pub(super) fn system_call(
        &mut self,
        call: SystemCall,
        arguments: &[Parameter],
        results: &[Parameter],
        active: u32,
    ) -> Flow {
        for lane in Set(active) {
            let given: Vec<u64> = arguments.iter().map(|it| self.argument(lane, *it)).collect();
            let given = |at: usize| given.get(at).copied().unwrap_or(0);
            let result = match call {
                SystemCall::Print => {
                    let format = self.text(lane, given(0));
                    let mut arguments = Buffer { exec: self, lane, at: given(1) };
                    let (text, count) = print::format(&format, &mut arguments);
                    self.worker.record.print(&text);
                    u64::from(count)
                }
                SystemCall::AssertFail => {
                    let [message, file, function] = [given(0), given(1), given(3)]
                        .map(|it| String::from_utf8_lossy(&self.text(lane, it)).into_owned());
                    let note = format!("assertion `{message}` failed in {function}, {file}:{}", given(2) as u32);
                    self.fault(Finding::Trap, lane, None, None, note);
                    0
                }
                // A heap that is full: what a kernel must be prepared for.
                SystemCall::Malloc | SystemCall::Free => 0,
            };
            for place in results {
                let begin = self.warp.base[lane] as usize + place.offset as usize;
                if let Some(to) = self.local_bytes(lane, begin..begin + place.bytes as usize) {
                    to.iter_mut().zip(result.to_le_bytes()).for_each(|(to, from)| *to = from);
                }
            }
        }
        self.proceed()
    }

    fn argument(&mut self, lane: usize, place: Parameter) -> u64 {
        let begin = self.warp.base[lane] as usize + place.offset as usize;
        let bytes = self.local_bytes(lane, begin..begin + (place.bytes as usize).min(8));
        bytes.map_or(0, |it| it.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    /// Reads at a generic address.
    fn peek(&mut self, lane: usize, address: u64, bytes: u32) -> u64 {
        let (space, address) = locate(address);
        let actor = self.actor(lane);
        self.load_one(lane, actor, Element { space, address, bytes, strength: Strength::WEAK })
    }

    fn text(&mut self, lane: usize, address: u64) -> Vec<u8> {
        let bytes = (0..TEXT_LIMIT).map(|at| self.peek(lane, address.wrapping_add(at), 1) as u8);
        bytes.take_while(|it| *it != 0).collect()
    }
}

/// The arguments of `printf`, side by side, each at a multiple of its size.
struct Buffer<'e, 'a, 'p> {
    exec: &'e mut Exec<'a, 'p>,
    lane: usize,
    at: u64,
}

impl Arguments for Buffer<'_, '_, '_> {
    fn next(&mut self, bytes: u32) -> u64 {
        let size = u64::from(bytes);
        let address = self.at.wrapping_add(size - 1) & !(size - 1);
        self.at = address.wrapping_add(size);
        self.exec.peek(self.lane, address, bytes)
    }

    fn text(&mut self, address: u64) -> Vec<u8> {
        self.exec.text(self.lane, address)
    }
}
