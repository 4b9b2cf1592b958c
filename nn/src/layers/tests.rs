use super::*;
use wengert_autograd::{DType, Graph};

/// A layer given a wrong input, and the line where the layer was made.
struct Wrong {
    what: &'static str,
    line: u32,
    build: fn(&Tensor) -> Tensor,
}

macro_rules! wrong {
    ($layer:expr, $x:expr) => {
        Wrong {
            what: stringify!($layer, $x),
            line: line!(),
            build: |x| {
                let input: fn(&Tensor) -> Tensor = $x;
                $layer.apply(&input(x), Mode::Train)
            },
        }
    };
}

/// Images `[n, size, size, 3]`.
fn image(x: &Tensor, size: usize) -> Tensor {
    x.expand_dims(1).expand_dims(1)
        + x.graph().constant(wengert_kernels::Array::zeros(DType::F32, &[1, size, size, 3]).unwrap())
}

/// Uses on an f32 tensor of shape `[n, 3]`.
const WRONG: &[Wrong] = &[
    wrong!(Dense::new(2), |x| x.sum()),
    wrong!(Dense::new(2).activation("rely"), |x| x.clone()),
    wrong!(Dense::new(2).kernel_initializer("xavier"), |x| x.clone()),
    wrong!(Dense::new(2).no_bias(), |x| x.sum_axes([1])),
    wrong!(Dropout::new(1.5), |x| x.clone()),
    wrong!(Dropout::new(0.5), |x| x.cast(DType::I32)),
    wrong!(Dense::new(2).kernel_regularizer("l3"), |x| x.clone()),
    wrong!(BatchNormalization::new(), |x| x.sum()),
    wrong!(BatchNormalization::new(), |x| x.sum_axes([1])),
    wrong!(BatchNormalization::new().axis(0), |x| x.clone()),
    wrong!(BatchNormalization::new().axis(2), |x| x.clone()),
    wrong!(BatchNormalization::new().axis(-3), |x| x.clone()),
    wrong!(BatchNormalization::new().momentum(1.5), |x| x.clone()),
    wrong!(BatchNormalization::new().epsilon(-1.0), |x| x.clone()),
    wrong!(BatchNormalization::new().gamma_initializer("one"), |x| x.clone()),
    wrong!(LayerNormalization::new().axis([0]), |x| x.clone()),
    wrong!(LayerNormalization::new().axis([]), |x| x.clone()),
    wrong!(LayerNormalization::new().axis([1, -1]), |x| x.clone()),
    wrong!(LayerNormalization::new().epsilon(f64::NAN), |x| x.clone()),
    wrong!(LayerNormalization::new(), |x| x.sum()),
    wrong!(Embedding::new(4, 2).embeddings_initializer("normal"), |x| x.cast(DType::I64)),
    wrong!(Conv2D::new(4, [3, 3]), |x| x.clone()),
    wrong!(Conv2D::new(4, [3, 3]), |x| image(x, 2)),
    wrong!(Conv2D::new(4, [0, 1]), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).strides([1, 0]), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).groups(2), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).groups(0), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).padding("some"), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).data_format("nchw"), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).activation("rely"), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).bias_initializer("zero"), |x| image(x, 8)),
    wrong!(Conv2D::new(4, [1, 1]).data_format(DataFormat::ChannelsFirst), |x| image(x, 8).transpose([1, 0, 2, 3])),
    wrong!(MaxPool2D::new([2, 2]), |x| x.clone()),
    wrong!(MaxPool2D::new([9, 9]), |x| image(x, 8)),
    wrong!(MaxPool2D::new([2, 2]).padding("all"), |x| image(x, 8)),
    wrong!(AveragePool2D::new([0, 2]), |x| image(x, 8)),
    wrong!(AveragePool2D::new([2, 2]).data_format("last"), |x| image(x, 8)),
    wrong!(GlobalMaxPool2D::new(), |x| x.clone()),
    wrong!(GlobalAveragePool2D::new().keepdims(), |x| x.sum()),
    wrong!(GlobalAveragePool2D::new().data_format("last"), |x| image(x, 8)),
    wrong!(ZeroPadding2D::new([(1, 1), (1, 1)]), |x| x.clone()),
    wrong!(ZeroPadding2D::new([(1, 1), (1, 1)]).data_format("last"), |x| image(x, 8)),
    wrong!(Reshape::new([2, 2]), |x| x.clone()),
    wrong!(Reshape::new([-1, 0]), |x| x.clone()),
    wrong!(Reshape::new([3]), |x| x.sum()),
    wrong!(Flatten, |x| x.sum()),
    wrong!(Activation::Softmax, |x| x.sum()),
    wrong!(Activation::Relu, |x| x.greater(0.0)),
];

#[test]
fn a_wrong_input_names_the_line_of_the_layer() {
    for wrong in WRONG {
        let g = Graph::new();
        let x = g.placeholder("x", DType::F32, [None, Some(3)]);
        let error = (wrong.build)(&x).shape().expect_err(wrong.what);
        let message = error.to_string();
        assert!(message.contains(&format!("{}:{}:", file!(), wrong.line)), "{}: {message}", wrong.what);
    }
}

#[test]
fn a_layer_applied_to_another_width_names_its_own_line() {
    let (layer, line) = (Dense::new(4), line!());
    let g = Graph::new();
    layer.apply(&g.placeholder("a", DType::F32, [None, Some(3)]), Mode::Train).shape().unwrap();
    let error = layer.apply(&g.placeholder("b", DType::F32, [None, Some(5)]), Mode::Train).shape().unwrap_err();
    let message = error.to_string();
    assert!(message.contains(&format!("{}:{line}:", file!())) && message.contains("dense"), "{message}");
}

fn names(graph: &Graph) -> Vec<String> {
    graph.variables().iter().filter_map(Tensor::name).collect()
}

#[test]
fn applications_share_variables_and_clones_do_not() {
    // semantics 9.14
    let g = Graph::new();
    let x = g.placeholder("x", DType::F64, [None, Some(3)]);
    let layer = Dense::new(2);
    let (train, infer) = (layer.apply(&x, Mode::Train), layer.apply(&x, Mode::Infer));
    assert_eq!(train.dtype().unwrap(), DType::F64);
    assert_eq!(infer.shape().unwrap(), train.shape().unwrap());
    assert_eq!(names(&g), ["dense/kernel", "dense/bias"]);
    layer.clone().apply(&x, Mode::Train);
    Dense::new(2).name("last").no_bias().apply(&x, Mode::Train);
    assert_eq!(names(&g)[2..], ["dense_1/kernel", "dense_1/bias", "last/kernel"]);
    assert_eq!(Layer::name(&layer, &g).as_deref(), Some("dense"));
    let other = Graph::new();
    layer.apply(&other.placeholder("x", DType::U8, [None, Some(9)]), Mode::Train).shape().unwrap();
    assert_eq!(names(&other), ["dense/kernel", "dense/bias"]);
}

#[test]
fn names_in_scopes_do_not_repeat_the_scope() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(3)]);
    g.scope("encoder", || Dense::new(2).apply(&x, Mode::Train));
    assert_eq!(names(&g), ["encoder/dense/kernel", "encoder/dense/bias"]);
}

#[test]
fn dense_multiplies_the_last_axis() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None, Some(2), Some(3)]);
    let y = Dense::new(2).kernel_initializer("ones").bias_initializer("ones").apply(&x, Mode::Infer);
    let values: Vec<f32> = (0..12).map(|i| i as f32).collect();
    let fed = wengert_kernels::Array::new(&[2, 2, 3], &values).unwrap();
    let y = y.eval(&[(&x, (&fed).into())]).unwrap();
    assert_eq!(y.shape(), [2, 2, 2]);
    assert_eq!(y.to_vec::<f32>().unwrap(), [4.0, 4.0, 13.0, 13.0, 22.0, 22.0, 31.0, 31.0]);
}

#[test]
fn dropout_keeps_the_mean_and_draws_anew() {
    let g = Graph::new();
    let x = g.placeholder("x", DType::F32, [None]);
    let y = Dropout::new(0.5).apply(&x, Mode::Train);
    let ones = vec![1.0f32; 200_000];
    let mut session = wengert_autograd::Session::new(wengert_autograd::Device::cpu().threads(1)).unwrap();
    let mut draw = || session.run(&y, &[(&x, ones.clone().into())]).unwrap()[0].to_vec::<f32>().unwrap();
    let (first, second) = (draw(), draw());
    assert!(first.iter().all(|&v| v == 0.0 || v == 2.0));
    assert!((first.iter().sum::<f32>() / 2e5 - 1.0).abs() < 0.01);
    assert_ne!(first, second);
}
