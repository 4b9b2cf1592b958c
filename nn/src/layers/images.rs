//! What layers of images have in common.

use crate::choice::{Choice, Named, by_name};
use wengert_autograd::{DataFormat, Padding, Tensor, TensorType};

const PADDINGS: &[Named<Padding>] = &[("valid", || Padding::Valid), ("same", || Padding::Same)];

const FORMATS: &[Named<DataFormat>] =
    &[("channels_last", || DataFormat::ChannelsLast), ("channels_first", || DataFormat::ChannelsFirst)];

impl From<&str> for Choice<Padding> {
    fn from(name: &str) -> Choice<Padding> {
        Choice(by_name("padding", PADDINGS, name).map_err(|error| error.to_string()))
    }
}

impl From<&str> for Choice<DataFormat> {
    fn from(name: &str) -> Choice<DataFormat> {
        Choice(by_name("data format", FORMATS, name).map_err(|error| error.to_string()))
    }
}

/// The type of a batch of images.
///
/// # Errors
/// Gives the poisoned tensor that says what `layer` takes.
pub(super) fn images(x: &Tensor, layer: &str, format: DataFormat) -> Result<TensorType, Tensor> {
    let ty = x.ty().map_err(|_| x.clone())?;
    if ty.shape.len() == 4 {
        return Ok(ty);
    }
    let axes = match format {
        DataFormat::ChannelsLast => "[n, height, width, channels]",
        DataFormat::ChannelsFirst => "[n, channels, height, width]",
    };
    let hint =
        "grey images have an axis of size 1 for their channel: add it with the layer Reshape, or with expand_dims()";
    Err(x.poisoned(format!("{layer} of {ty}: it takes images {axes}\n  hint: {hint}")))
}

/// The axes of height and width.
pub(super) fn plane(format: DataFormat) -> [isize; 2] {
    match format {
        DataFormat::ChannelsLast => [1, 2],
        DataFormat::ChannelsFirst => [2, 3],
    }
}

/// The method that chooses the order of axes.
macro_rules! format_setter {
    ($layer:ident) => {
        impl $layer {
            /// The order of the axes of images and results, by value or by name: `channels_last`, `channels_first`.
            #[must_use]
            pub fn data_format(mut self, format: impl Into<crate::Choice<wengert_autograd::DataFormat>>) -> $layer {
                self.format = format.into();
                self
            }
        }
    };
}
pub(super) use format_setter;

#[cfg(test)]
mod tests {
    use crate::layers::*;
    use wengert_autograd::{DType, Device, Graph, Session, Tensor, check_gradients};
    use wengert_kernels::Array;

    fn sample(dtype: DType, shape: &[usize], seed: usize) -> Array {
        Array::from_fn(dtype, shape, |i| ((i * i * 37 + i * 11 + seed * 29) % 101) as f64 / 50.0 - 1.0).unwrap()
    }

    fn device() -> Device {
        Device::cpu().threads(1)
    }

    #[test]
    fn the_layer_convolves_adds_and_activates() {
        // semantics 9.32
        let g = Graph::new();
        let x = g.placeholder("x", DType::F64, [None, Some(5), Some(6), Some(4)]);
        let layer = Conv2D::new(6, [3, 2]).strides([2, 1]).dilation_rate([1, 2]).groups(2).activation("relu");
        let layer = layer.padding(Padding::Explicit([(1, 0), (0, 2)])).name("c");
        let y = layer.apply(&x, Mode::Infer);
        let [kernel, bias] = ["c/kernel", "c/bias"].map(|name| g.by_name(name).unwrap());
        assert_eq!(kernel.shape().unwrap(), [3, 2, 2, 6]);
        let (pixels, weights, offsets) =
            (sample(DType::F64, &[2, 5, 6, 4], 1), sample(DType::F64, &[3, 2, 2, 6], 2), sample(DType::F64, &[6], 3));
        let mut session = Session::new(device()).unwrap();
        session.set(&kernel, &weights).unwrap();
        session.set(&bias, &offsets).unwrap();
        let y = session.run(&y, &[(&x, (&pixels).into())]).unwrap().remove(0);
        assert_eq!(y.shape(), [2, 2, 6, 6]);
        let (pixels, weights, offsets) = (pixels.to_f64(), weights.to_f64(), offsets.to_f64());
        for (place, got) in y.to_f64().into_iter().enumerate() {
            let (n, p, q, o) = (place / 72, place / 36 % 2, place / 6 % 6, place % 6);
            let mut sum = offsets[o];
            for (r, s, c) in (0..12).map(|i| (i / 4, i / 2 % 2, i % 2)) {
                let (row, column) = ((p * 2 + r) as isize - 1, q + s * 2);
                if (0..5).contains(&row) && column < 6 {
                    let pixel = pixels[((n * 5 + row as usize) * 6 + column) * 4 + o / 3 * 2 + c];
                    sum += pixel * weights[((r * 2 + s) * 2 + c) * 6 + o];
                }
            }
            assert!((got - sum.max(0.0)).abs() < 1e-12, "element {place}: {got} for {sum}");
        }
    }

    #[test]
    fn pooling_layers_take_what_their_names_say() {
        // semantics 9.33
        let g = Graph::new();
        let x = g.placeholder("x", DType::F32, [None, Some(4), Some(4), Some(1)]);
        let first = x.transpose([0, 3, 1, 2]);
        let pixels = Array::from_fn(DType::F32, &[1, 4, 4, 1], |i| i as f64).unwrap();
        let mut session = Session::new(device()).unwrap();
        let mut check = |y: Tensor, shape: &[usize], values: &[f64]| {
            let y = session.run(&y, &[(&x, (&pixels).into())]).unwrap().remove(0);
            assert_eq!((y.shape(), y.to_f64()), (shape, values.to_vec()));
        };
        let of = |layer: &dyn Layer, x: &Tensor| layer.apply(x, Mode::Infer);
        check(of(&MaxPool2D::new([2, 2]), &x), &[1, 2, 2, 1], &[5.0, 7.0, 13.0, 15.0]);
        check(of(&AveragePool2D::new([2, 2]), &x), &[1, 2, 2, 1], &[2.5, 4.5, 10.5, 12.5]);
        let same = AveragePool2D::new([3, 3]).strides([2, 2]).padding("same");
        check(of(&same, &x), &[1, 2, 2, 1], &[5.0, 6.5, 11.0, 12.5]);
        let pool = MaxPool2D::new([3, 1]).strides([1, 3]).data_format("channels_first");
        check(of(&pool, &first), &[1, 1, 2, 2], &[8.0, 11.0, 12.0, 15.0]);
        check(of(&GlobalMaxPool2D::new(), &x), &[1, 1], &[15.0]);
        check(of(&GlobalAveragePool2D::new(), &x), &[1, 1], &[7.5]);
        check(of(&GlobalMaxPool2D::new().keepdims(), &x), &[1, 1, 1, 1], &[15.0]);
        let global = GlobalAveragePool2D::new().keepdims().data_format("channels_first");
        check(of(&global, &first), &[1, 1, 1, 1], &[7.5]);
        let padded = of(&ZeroPadding2D::new([(1, 0), (0, 2)]).data_format("channels_first"), &first);
        assert_eq!(padded.shape().unwrap()[1..], [1, 5, 6]);
        let padded = of(&ZeroPadding2D::new([(1, 0), (0, 2)]), &x);
        check(padded.sum_axes([0, 3]).sum_axes([1]), &[5], &[0.0, 6.0, 22.0, 38.0, 54.0]);
    }

    #[test]
    fn what_gives_nothing_or_is_no_image_is_refused_with_a_remedy() {
        let g = Graph::new();
        let image = g.placeholder("image", DType::F32, [None, Some(8), Some(8), Some(3)]);
        let grey = g.placeholder("grey", DType::F32, [None, Some(8), Some(8)]);
        let refused = |layer: &dyn Layer, x: &Tensor, words: &str| {
            let error = layer.apply(x, Mode::Train).ty().unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("images.rs:"), "{words}: {error}");
        };
        refused(&Conv2D::new(0, [3, 3]), &image, "a layer without filters gives nothing");
        refused(&Conv2D::new(4, [0, 3]), &image, "1 or more");
        refused(&Conv2D::new(4, [3, 3]).data_format("NCHW"), &image, "known are channels_last, channels_first");
        refused(&Conv2D::new(4, [5, 5]).data_format("channels_first"), &image, "data_format()");
        refused(&MaxPool2D::new([9, 1]), &image, "does not fit into a height of 8");
        refused(&Conv2D::new(4, [3, 3]), &grey, "with the layer Reshape");
        refused(&GlobalMaxPool2D::new(), &grey, "with the layer Reshape");
    }

    /// A small network of all kinds of layers for images of two channels.
    struct Network {
        layers: Vec<Box<dyn Layer>>,
    }

    impl Network {
        fn new(format: DataFormat) -> Network {
            let axis = if format == DataFormat::ChannelsLast { -1 } else { 1 };
            let conv = |filters, size| Conv2D::new(filters, size).data_format(format).bias_initializer("random_normal");
            let layers: Vec<Box<dyn Layer>> = vec![
                // A bias before a normalisation does nothing, and has no gradient that could be compared.
                Box::new(conv(4, [3, 3]).padding("same").no_bias()),
                Box::new(BatchNormalization::new().axis(axis)),
                Box::new(crate::activations::Activation::Tanh),
                Box::new(MaxPool2D::new([2, 2]).data_format(format)),
                Box::new(conv(6, [2, 2]).groups(2).dilation_rate([1, 2]).strides([2, 1])),
                Box::new(AveragePool2D::new([2, 2]).strides([1, 1]).padding("same").data_format(format)),
                Box::new(GlobalAveragePool2D::new().data_format(format)),
                Box::new(Dense::new(3).activation("softmax")),
            ];
            Network { layers }
        }

        fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
            self.layers.iter().fold(x.clone(), |x, layer| layer.apply(&x, mode))
        }
    }

    #[test]
    fn channels_first_and_last_are_the_same_network() {
        // semantics 9.32
        // semantics 9.33
        let pixels = sample(DType::F32, &[3, 8, 7, 2], 5);
        let results = [DataFormat::ChannelsLast, DataFormat::ChannelsFirst].map(|format| {
            let g = Graph::new();
            let x = g.placeholder("x", DType::F32, [None, Some(8), Some(7), Some(2)]);
            let seen = if format == DataFormat::ChannelsLast { x.clone() } else { x.transpose([0, 3, 1, 2]) };
            let network = Network::new(format);
            let (train, infer) = (network.apply(&seen, Mode::Train), network.apply(&seen, Mode::Infer));
            let weights = g.trainable_variables();
            let mut wanted = vec![train.clone(), infer];
            wanted.extend(train.square().sum().grad(&weights.iter().collect::<Vec<_>>()));
            let mut session = Session::with_seed(device(), 7).unwrap();
            let f = g.function(&[&x], &wanted.iter().collect::<Vec<_>>()).compile().unwrap();
            f.call(&mut session, &[(&pixels).into()]).unwrap()
        });
        assert_eq!(results[0].len(), 2 + 7);
        for (last, first) in results[0].iter().zip(&results[1]) {
            assert!(last.to_f64().iter().any(|v| v.abs() > 1e-3));
            assert!(last.max_abs_diff(first).unwrap() < 1e-5, "{last} {first}");
        }
    }

    #[test]
    fn derivatives_pass_through_convolution_pooling_and_normalisation() {
        // semantics 3.5
        for format in [DataFormat::ChannelsLast, DataFormat::ChannelsFirst] {
            let network = Network::new(format);
            let shape = if format == DataFormat::ChannelsLast { [2, 8, 7, 2] } else { [2, 2, 8, 7] };
            check_gradients(|x| network.apply(&x[0], Mode::Train).log(), &[sample(DType::F64, &shape, 3)], 2).unwrap();
        }
    }
}
