//! Numbers as the device's memory and a kernel's parameters have them.

/// A number of fixed size, little end first.
pub(crate) trait Plain: Copy + Default {
    const BYTES: usize;
    fn put(self, to: &mut Vec<u8>);
    fn get(from: &[u8]) -> Self;
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        impl Plain for $type {
            const BYTES: usize = size_of::<$type>();
            fn put(self, to: &mut Vec<u8>) {
                to.extend(self.to_le_bytes());
            }
            fn get(from: &[u8]) -> Self {
                Self::from_le_bytes(from.try_into().unwrap())
            }
        }
    )*};
}

plain!(u8 u16 u32 u64 i32 f32 f64);

/// A buffer on the device.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Buffer {
    pub(crate) address: u64,
    pub(crate) bytes: u64,
}

/// What a kernel takes.
pub(crate) trait Argument {
    fn align(&self) -> usize;
    fn bytes(&self) -> Vec<u8>;
}

impl<T: Plain> Argument for T {
    fn align(&self) -> usize {
        T::BYTES
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&[*self])
    }
}

impl Argument for Buffer {
    fn align(&self) -> usize {
        8
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(&[self.address])
    }
}

/// A structure of equal members.
impl<T: Plain, const N: usize> Argument for [T; N] {
    fn align(&self) -> usize {
        T::BYTES
    }

    fn bytes(&self) -> Vec<u8> {
        bytes(self)
    }
}

/// The parameters of a kernel side by side, each at a multiple of its alignment.
pub(crate) fn parameters(arguments: &[&dyn Argument]) -> Vec<u8> {
    arguments.iter().fold(Vec::new(), |mut all, argument| {
        all.resize(all.len().next_multiple_of(argument.align()), 0);
        all.extend(argument.bytes());
        all
    })
}

pub(crate) fn bytes<T: Plain>(values: &[T]) -> Vec<u8> {
    let mut all = Vec::with_capacity(values.len() * T::BYTES);
    values.iter().for_each(|value| value.put(&mut all));
    all
}

pub(crate) fn values<T: Plain>(bytes: &[u8]) -> Vec<T> {
    bytes.chunks_exact(T::BYTES).map(T::get).collect()
}

/// Numbers that look random and are the same in every run (splitmix64).
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Numbers(seed)
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to, but not, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// In [-1, 1), a multiple of 2^-23, so that f32 and f64 have the same.
    pub(crate) fn real(&mut self) -> f64 {
        (self.bits() >> 40) as f64 * (-23.0_f64).exp2() - 1.0
    }

    pub(crate) fn f32s(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| self.real() as f32).collect()
    }
}
