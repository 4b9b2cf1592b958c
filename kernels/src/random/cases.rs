//! The family's part of the conformance suite: semantics 7.2.

use super::{Distribution, Random};
use crate::{Array, DType, Error, Kernel, conformance::Case};

pub(crate) fn cases() -> Result<Vec<Case>, Error> {
    let mut cases = Vec::new();
    let kinds = [
        (Distribution::Bits, DType::I64, 0.0),
        (Distribution::Uniform, DType::F32, 0.0),
        (Distribution::Uniform, DType::F64, 0.0),
        (Distribution::Normal, DType::F32, 1e-6),
        (Distribution::Normal, DType::F64, 1e-14),
    ];
    for (distribution, dtype, tolerance) in kinds {
        let shapes: [&[usize]; 10] =
            [&[], &[0], &[1], &[2], &[5], &[63], &[3, 43], &[2, 3, 2, 3, 5], &[1, 10_007], &[100_003]];
        for (n, shape) in shapes.into_iter().enumerate() {
            for (seed, run, stream) in [(42, n as i64, 1), (-1, -1, u64::MAX)] {
                let name = format!("{distribution:?} {dtype} {shape:?}, seed {seed}, run {run}, stream {stream}");
                let case = Case::new(name, Kernel::Random(Random { distribution, stream }), tolerance);
                let case = case.input(Array::scalar::<i64>(seed)?).input(Array::scalar::<i64>(run)?);
                cases.push(case.output(dtype, shape)?);
            }
        }
    }
    Ok(cases)
}
