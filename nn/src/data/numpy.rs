//! NumPy's random stream, number for number.

/// The generator behind `numpy.random.seed(s)` and `numpy.random.RandomState(s)`.
///
/// For programs whose numbers are to be compared with those of a Python program. Everything else in this crate draws
/// from a counter-based generator.
///
/// Source: M. Matsumoto and T. Nishimura, "Mersenne Twister", TOMACS 8 (1998); NumPy's legacy distributions.
///
/// ```
/// let mut random = wengert_nn::data::RandomState::new(42);
/// assert_eq!(random.randn(), 0.4967141530112327); // np.random.seed(42); np.random.randn()
/// ```
#[derive(Clone)]
pub struct RandomState {
    state: [u32; 624],
    used: usize,
    normal: Option<f64>,
}

impl RandomState {
    /// The stream of this seed.
    #[must_use]
    pub fn new(seed: u32) -> RandomState {
        let mut state = [seed; 624];
        for i in 1..624 {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        RandomState { state, used: 624, normal: None }
    }

    fn twist(&mut self) {
        for i in 0..624 {
            let word = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % 624] & 0x7fff_ffff);
            let odd = if word & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + 397) % 624] ^ (word >> 1) ^ odd;
        }
        self.used = 0;
    }

    fn next_u32(&mut self) -> u32 {
        if self.used == 624 {
            self.twist();
        }
        let mut word = self.state[self.used];
        self.used += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    /// `rand()`: uniform on [0, 1), with 53 bits.
    pub fn rand(&mut self) -> f64 {
        let (high, low) = (self.next_u32() >> 5, self.next_u32() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// `uniform(low, high)`.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.rand()
    }

    /// `randn()`: normal with mean 0 and variance 1, by Marsaglia's polar method, which makes two at a time.
    pub fn randn(&mut self) -> f64 {
        if let Some(normal) = self.normal.take() {
            return normal;
        }
        loop {
            let (x, y) = (2.0 * self.rand() - 1.0, 2.0 * self.rand() - 1.0);
            let square = x * x + y * y;
            if square < 1.0 && square != 0.0 {
                let factor = (-2.0 * square.ln() / square).sqrt();
                self.normal = Some(factor * x);
                return factor * y;
            }
        }
    }

    /// `permutation(n)`: the numbers `0..n` in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.up_to(last));
        }
        order
    }

    /// A number up to and including `max`: draws as many bits as `max` has until they fit.
    fn up_to(&mut self, max: usize) -> usize {
        let mask = usize::MAX >> max.leading_zeros();
        loop {
            let low = self.next_u32() as usize;
            let word = if max > u32::MAX as usize { low << 32 | self.next_u32() as usize } else { low };
            if word & mask <= max {
                return word & mask;
            }
        }
    }
}

impl std::fmt::Debug for RandomState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RandomState").field("used", &self.used).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stream_is_numpys() {
        let mut random = RandomState::new(42);
        assert_eq!(
            [random.randn(), random.randn(), random.randn()],
            [0.4967141530112327, -0.13826430117118466, 0.6476885381006925]
        );
        let mut random = RandomState::new(0);
        assert_eq!([random.rand(), random.rand()], [0.5488135039273248, 0.7151893663724195]);
        assert_eq!(RandomState::new(13).permutation(1797)[..3], [167, 1076, 1747]);
        assert_eq!(RandomState::new(0).permutation(10), [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]);
        assert_eq!(RandomState::new(5489).next_u32(), 3_499_211_612, "the first number of the authors' own program");
    }

    #[test]
    fn nothing_and_one_are_permuted() {
        assert!(RandomState::new(1).permutation(0).is_empty());
        assert_eq!(RandomState::new(1).permutation(1), [0]);
    }
}
