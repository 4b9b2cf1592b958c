//! Programs of instructions that are not arithmetic.

use super::Input;
use super::inputs::Random;

/// A program with its own way to its result.
pub(super) struct Special {
    pub(super) name: String,
    pub(super) architecture: u32,
    pub(super) body: String,
    /// Of a thread, by what all threads read.
    pub(super) expected: Expected,
}

type Expected = Box<dyn Fn(usize, &[Input]) -> [u64; 2] + Send + Sync>;

impl std::fmt::Debug for Special {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Special").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Special {
    pub(super) fn inputs(&self, threads: usize) -> Vec<Input> {
        let mut random = Random::new(&self.name);
        (0..threads).map(|_| [(); 4].map(|()| random.next())).collect()
    }
}

pub(super) fn programs() -> Vec<Special> {
    Vec::new()
}
