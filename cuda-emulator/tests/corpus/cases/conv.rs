//! Convolutions and pooling, channels last.

use super::{Ran, blocks, each};
use crate::bench::{Bench, F32, Near, Shape, near, same};

#[derive(Clone, Copy, Debug)]
struct Size {
    batch: usize,
    height: usize,
    width: usize,
    channels: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    pad: usize,
}

impl Size {
    const fn new([batch, height, width, channels, outputs]: [usize; 5], [kernel, stride, pad]: [usize; 3]) -> Self {
        Size { batch, height, width, channels, outputs, kernel, stride, pad }
    }

    fn out(&self, size: usize) -> usize {
        (size + 2 * self.pad - self.kernel) / self.stride + 1
    }

    fn inputs(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }

    /// Where the window of an output lies in the input, as (place in the window, place in the input without channel).
    fn window(&self, pixel: usize) -> Vec<(usize, usize)> {
        let (rows, columns) = (self.out(self.height), self.out(self.width));
        let (b, p, q) = (pixel / (rows * columns), pixel / columns % rows, pixel % columns);
        let place = |tap: usize| {
            let row = (p * self.stride + tap / self.kernel).checked_sub(self.pad)?;
            let column = (q * self.stride + tap % self.kernel).checked_sub(self.pad)?;
            let inside = row < self.height && column < self.width;
            inside.then_some((tap, (b * self.height + row) * self.width + column))
        };
        (0..self.kernel * self.kernel).filter_map(place).collect()
    }

    fn pixels(&self) -> usize {
        self.batch * self.out(self.height) * self.out(self.width)
    }

    /// As the kernels take it: `outputs` only for convolutions.
    fn convolution(&self) -> [i32; 10] {
        let Size { batch, height, width, channels, outputs, kernel, stride, pad } = *self;
        let out = (self.out(height), self.out(width));
        [batch, height, width, channels, outputs, kernel, stride, pad, out.0, out.1].map(|size| size as i32)
    }

    fn pooling(&self) -> [i32; 9] {
        let Size { batch, height, width, channels, kernel, stride, pad, .. } = *self;
        [batch, height, width, channels, kernel, stride, pad, self.out(height), self.out(width)].map(|size| size as i32)
    }
}

const FEW: [Size; 3] = [
    Size::new([2, 5, 6, 3, 3], [3, 2, 1]),
    Size::new([1, 12, 7, 4, 2], [3, 1, 1]),
    // Rows and columns between the windows belong to none.
    Size::new([1, 7, 6, 1, 2], [2, 3, 0]),
];
/// Sizes for which kernels may have shorter ways.
const NARROW: [Size; 3] = [
    Size::new([1, 5, 3, 2, 1], [1, 1, 0]),
    Size::new([1, 3, 3, 1, 1], [1, 1, 0]),
    Size::new([1, 2, 2, 0, 2], [1, 1, 0]),
];
const MORE: [Size; 5] = [
    Size::new([1, 1, 1, 1, 1], [1, 1, 0]),
    Size::new([1, 7, 7, 1, 2], [3, 1, 1]),
    Size::new([1, 9, 7, 2, 17], [5, 1, 0]),
    Size::new([3, 8, 5, 4, 5], [2, 2, 0]),
    Size::new([1, 31, 3, 1, 1], [3, 3, 1]),
];

type Launch<'a> = &'a dyn Fn(&mut Bench, Size, [crate::plain::Buffer; 4]) -> Ran;

fn convolution(bench: &mut Bench, name: &str, launch: Launch<'_>) -> Ran {
    let few = [&FEW[..], &NARROW].concat();
    each(bench, &few, &MORE, |bench, size| {
        let (channels, outputs) = (size.channels, size.outputs);
        let taps = size.kernel * size.kernel * channels;
        let numbers = &mut bench.numbers;
        let (x, w, bias) = (numbers.f32s(size.inputs()), numbers.f32s(taps * outputs), numbers.f32s(outputs));
        let to = bench.empty::<f32>(size.pixels() * outputs)?;
        let buffers = [bench.buffer(&x)?, bench.buffer(&w)?, bench.buffer(&bias)?, to];
        launch(bench, size, buffers)?;
        let at = |i: usize| {
            let (pixel, o) = (i / outputs, i % outputs);
            let products = size.window(pixel).into_iter().flat_map(|(tap, from)| {
                let (x, w) = (&x, &w);
                (0..channels)
                    .map(move |c| f64::from(x[from * channels + c]) * f64::from(w[(tap * channels + c) * outputs + o]))
            });
            Near::sum(F32, products.chain([bias[o].into()]))
        };
        let wanted: Vec<Near> = (0..size.pixels() * outputs).map(at).collect();
        near(&format!("{name} {size:?}"), &bench.read::<f32>(to)?, &wanted)
    })
}

pub(super) fn direct(bench: &mut Bench) -> Ran {
    convolution(bench, "conv_direct", &|bench, size, [x, w, bias, y]| {
        let taps = size.kernel * size.kernel * size.channels;
        // Fewer threads than results, so that threads take several.
        let shape = Shape::new([blocks(size.pixels(), 64), size.outputs as u32, 1], [32, 1, 1]);
        let shape = Shape { shared: taps as u32 * 4, ..shape };
        bench.launch("conv_direct", shape, &[&x, &w, &bias, &y, &size.convolution()])
    })
}

pub(super) fn implicit(bench: &mut Bench) -> Ran {
    convolution(bench, "conv_implicit", &|bench, size, [x, w, bias, y]| {
        // For division by multiplication; a division by 1 does not use it.
        let factor = |divisor: usize| ((1_u64 << 32) / divisor.max(1) as u64 + 1) as u32;
        let (by_channels, by_kernel) = (factor(size.channels), factor(size.kernel));
        let shape = Shape::new([blocks(size.pixels(), 16), blocks(size.outputs, 16), 1], [64, 1, 1]);
        bench.launch("conv_implicit", shape, &[&x, &w, &bias, &y, &size.convolution(), &by_channels, &by_kernel])
    })
}

pub(super) fn max_pool(bench: &mut Bench) -> Ran {
    each(bench, &FEW, &MORE, |bench, size| {
        let (inputs, outputs) = (size.inputs(), size.pixels() * size.channels);
        // Few different values, so that there are equal ones in a window.
        let x: Vec<f32> = (0..inputs).map(|_| bench.numbers.below(5) as f32 - 3.0).collect();
        let dy = bench.numbers.f32s(outputs);
        let (from, slope) = (bench.buffer(&x)?, bench.buffer(&dy)?);
        let (y, places, dx) = (bench.empty::<f32>(outputs)?, bench.empty::<i32>(outputs)?, bench.empty::<f32>(inputs)?);
        let rows = |count| Shape::rows(blocks(count, 32) as usize, 32);
        bench.launch("max_pool", rows(outputs), &[&from, &y, &places, &size.pooling()])?;
        bench.launch("max_pool_gradient", rows(inputs), &[&slope, &places, &dx, &size.pooling()])?;
        let mut slopes = vec![Vec::new(); inputs];
        let (mut most, mut at) = (Vec::new(), Vec::new());
        for (i, dy) in dy.iter().enumerate() {
            let window = size.window(i / size.channels);
            let places = window.iter().map(|(_, from)| from * size.channels + i % size.channels);
            let first = places.reduce(|best, place| if x[place] > x[best] { place } else { best }).unwrap();
            slopes[first].push(f64::from(*dy));
            most.push(x[first]);
            at.push(first as i32);
        }
        let slopes: Vec<Near> = slopes.into_iter().map(|slopes| Near::sum(F32, slopes.into_iter())).collect();
        same(&format!("max_pool {size:?}"), &bench.read::<f32>(y)?, &most)?;
        same(&format!("max_pool's places {size:?}"), &bench.read::<i32>(places)?, &at)?;
        near(&format!("max_pool_gradient {size:?}"), &bench.read::<f32>(dx)?, &slopes)
    })
}
