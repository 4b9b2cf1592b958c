use super::{Distribution, halves, key, philox};
use crate::{
    DType, Error, Operand, Random,
    reference::{Results, Values},
};

pub(crate) fn random(random: &Random, inputs: &[Values], output: &Operand) -> Results {
    let [seed, run] = inputs else { return Err(Error::invalid("random takes a key and a counter")) };
    let key = halves(key(seed.data[0] as i64 as u64, random.stream));
    let run = halves(run.data[0] as i64 as u64);
    let word = |n: u64| {
        let [low, high] = halves(n / 4);
        philox([low, high, run[0], run[1]], key)[(n % 4) as usize]
    };
    // 53 bits of the two words of a double.
    let long = |n: u64| (u64::from(word(2 * n)) | u64::from(word(2 * n + 1)) << 32) >> 11;
    let single = output.dtype == DType::F32;
    let uniform = |i: u64| {
        if single { f64::from(word(i) >> 8) / f64::from(1 << 24) } else { long(i) as f64 / (1u64 << 53) as f64 }
    };
    let draw = |i: usize| {
        let i = i as u64;
        match random.distribution {
            Distribution::Bits => f64::from(word(i)),
            Distribution::Uniform => uniform(i),
            Distribution::Normal => {
                let pair = i & !1;
                let u = if single {
                    f64::from((word(pair) as f32).max(0.5)) / (1u64 << 32) as f64
                } else {
                    (long(pair) + 1) as f64 / (1u64 << 53) as f64
                };
                let angle = std::f64::consts::TAU * uniform(pair + 1);
                (-2.0 * u.ln()).sqrt() * if i == pair { angle.cos() } else { angle.sin() }
            }
        }
    };
    Ok(vec![(0..output.layout.len()).map(draw).collect()])
}
