use super::*;
use crate::Error;
use crate::activations::Activation::{Relu, Softmax};
use crate::data::Dataset;
use crate::layers::{BatchNormalization, Conv2D, Dense, Dropout, Flatten, LayerNormalization, MaxPool2D};
use crate::scratch::Folder;
use std::fs;
use wengert_autograd::{DType, Device};
use wengert_kernels::Array;

fn digits() -> Sequential {
    Sequential::new()
        .device(Device::cpu().threads(1))
        .input([64])
        .add(Dense::new(32).activation(Relu))
        .add(Dense::new(16).activation(Relu))
        .add(Dense::new(10).activation(Softmax))
}

fn message<T>(result: Result<T, Error>) -> String {
    result.map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_summary_is_a_table_of_layers() {
    let mut model = digits();
    let summary = model.summary().unwrap();
    let wanted = "\
Model: \"sequential\"
_________________________________________________________________
Layer (type)                 Output Shape              Param #
=================================================================
dense (Dense)                (None, 32)                2080
dense_1 (Dense)              (None, 16)                528
dense_2 (Dense)              (None, 10)                170
=================================================================
Total params: 2,778
Trainable params: 2,778
Non-trainable params: 0
";
    assert_eq!(summary, wanted);
    assert_eq!(model.parameter_count().unwrap(), 2778);
    let other = Sequential::new().input([28, 28]).add(Flatten).add(Dense::new(512).name("hidden"));
    let mut other = other.add(Relu).add(Dropout::new(0.2)).add(Dense::new(10).no_bias());
    let summary = other.summary().unwrap();
    for row in [
        "flatten (Flatten)            (None, 784)               0",
        "hidden (Dense)",
        "dropout (Dropout)",
        "activation (Activation)",
    ] {
        assert!(summary.contains(row), "{summary}");
    }
    assert_eq!(other.parameter_count().unwrap(), 784 * 512 + 512 + 5120);
    assert_eq!(other.weight_names().unwrap(), ["hidden/kernel", "hidden/bias", "dense/kernel"]);
    assert!(message(Sequential::new().add(Flatten).summary()).contains("input([..])"));
}

#[test]
fn convolutional_networks_have_as_many_parameters_as_in_keras() {
    // semantics 9.32
    let conv = |filters| Conv2D::new(filters, [3, 3]).activation(Relu).kernel_initializer("he_uniform").padding("same");
    let mut cifar = Sequential::new().input([32, 32, 3]);
    for filters in [32, 64, 128] {
        cifar = cifar.add(conv(filters)).add(conv(filters)).add(MaxPool2D::new([2, 2]));
    }
    let mut cifar = cifar.add(Flatten).add(Dense::new(128).activation(Relu)).add(Dense::new(10).activation(Softmax));
    let wanted = "\
conv2d (Conv2D)              (None, 32, 32, 32)        896
conv2d_1 (Conv2D)            (None, 32, 32, 32)        9248
max_pooling2d (MaxPool2D)    (None, 16, 16, 32)        0
conv2d_2 (Conv2D)            (None, 16, 16, 64)        18496
conv2d_3 (Conv2D)            (None, 16, 16, 64)        36928
max_pooling2d_1 (MaxPool2D)  (None, 8, 8, 64)          0
conv2d_4 (Conv2D)            (None, 8, 8, 128)         73856
conv2d_5 (Conv2D)            (None, 8, 8, 128)         147584
max_pooling2d_2 (MaxPool2D)  (None, 4, 4, 128)         0
flatten (Flatten)            (None, 2048)              0
dense (Dense)                (None, 128)               262272
dense_1 (Dense)              (None, 10)                1290
=================================================================
Total params: 550,570
Trainable params: 550,570
";
    assert!(cifar.summary().unwrap().contains(wanted), "{}", cifar.summary().unwrap());
    let conv = |filters| Conv2D::new(filters, [3, 3]).activation(Relu);
    let mnist = Sequential::new().input([28, 28, 1]).add(conv(32)).add(MaxPool2D::new([2, 2])).add(conv(64));
    let mnist = mnist.add(MaxPool2D::new([2, 2])).add(Flatten).add(Dropout::new(0.5)).add(Dense::new(10));
    assert_eq!({ mnist }.parameter_count().unwrap(), 34_826);
    // Lasagne's tutorial network, with channels first.
    let conv = |filters| Conv2D::new(filters, [3, 3]).data_format("channels_first");
    let pool = MaxPool2D::new([3, 3]).strides([2, 2]).data_format("channels_first");
    let lasagne = Sequential::new().input([3, 32, 32]).add(conv(64)).add(conv(32)).add(pool).add(Flatten);
    let mut lasagne = lasagne.add(Dense::new(128).kernel_initializer("orthogonal")).add(Dense::new(10));
    assert!(lasagne.summary().unwrap().contains("(None, 32, 13, 13)"), "{}", lasagne.summary().unwrap());
    assert_eq!(lasagne.parameter_count().unwrap(), 713_898);
}

#[test]
fn a_convolutional_network_learns() {
    use crate::training::Fit;
    let (train, _) = crate::data::digits().unwrap();
    let pixels = train.x().to_f64();
    let x = Array::from_fn(DType::F32, &[200, 8, 8, 1], |i| pixels[i]).unwrap();
    let data = Dataset::new(x, train.y().take_rows(&(0..200).collect::<Vec<_>>()).unwrap()).unwrap();
    let model = Sequential::new().device(Device::cpu().threads(1));
    let model = model
        .add(Conv2D::new(8, [3, 3]).kernel_regularizer("l2"))
        .add(BatchNormalization::new().momentum(0.9))
        .add(Relu);
    let mut model = model.add(MaxPool2D::new([2, 2])).add(Flatten).add(Dense::new(10).activation(Softmax));
    model.compile("adam", "categorical_crossentropy", ["accuracy"]).unwrap();
    let history = model.fit(&data, Fit::epochs(20).batch_size(20).verbose(0)).unwrap();
    assert!(history.last("loss").unwrap() < 0.5 * history["loss"][0], "{history}");
    assert!(model.evaluate(&data).unwrap().get("accuracy").unwrap() > 0.8);
}

#[test]
fn a_wrong_input_names_the_line_where_the_layer_was_added() {
    // semantics 6.4
    let model = || Sequential::new().input([3]).add(Dense::new(2));
    let flatten = Sequential::new().input([]).add(Flatten).add(Dense::new(2)).summary();
    assert!(flatten.is_ok());
    let (result, line) = (model().add(Dropout::new(2.0)).summary(), line!());
    let error = result.unwrap_err();
    assert!(error.is_graph() && error.to_string().contains(&format!("{}:{line}:", file!())), "{error}");
    let (result, line) =
        (Sequential::new().input([]).add(Softmax).add(Dense::new(2)).build(DType::I32, &[]).map(|_| ()), line!());
    assert!(message(result).contains(&format!("{}:{line}:", file!())));
}

#[test]
fn weights_make_the_round_trip_bit_for_bit() {
    let folder = Folder::new();
    let path = folder.path("weights.safetensors");
    let (mut first, mut second) = (digits().seed(1), digits().seed(2));
    let x = Array::from_fn(DType::F32, &[5, 64], |i| (i % 17) as f64 / 16.0).unwrap();
    let before = second.predict(&x).unwrap();
    first.save_weights(&path).unwrap();
    second.load_weights(&path).unwrap();
    assert_eq!(first.get_weights().unwrap(), second.get_weights().unwrap());
    assert_eq!(first.predict(&x).unwrap(), second.predict(&x).unwrap());
    assert_ne!(before, second.predict(&x).unwrap());
    assert!(message(second.set_weights(&[])).contains("6 weights (dense/kernel, dense/bias"));
    assert!(message(first.save_weights(folder.path("no/such/folder"))).contains("cannot write"));
}

#[test]
fn running_statistics_are_weights_that_training_alone_moves() {
    // semantics 9.26
    use crate::training::Fit;
    let build = || {
        let normal = BatchNormalization::new().momentum(0.5);
        let layers = Sequential::new().device(Device::cpu().threads(1)).input([4]).seed(3);
        layers.add(Dense::new(8).no_bias()).add(normal).add(Relu).add(LayerNormalization::new()).add(Dense::new(1))
    };
    let mut model = build();
    let summary = model.summary().unwrap();
    for row in [
        "batch_normalization (BatchNormalization) (None, 8)                 32",
        "layer_normalization (LayerNormalization) (None, 8)                 16",
        "Total params: 89",
        "Trainable params: 73",
        "Non-trainable params: 16",
    ] {
        assert!(summary.contains(row), "{summary}");
    }
    model.compile("adam", "mse", ()).unwrap();
    let x = Array::from_fn(DType::F32, &[32, 4], |i| 5.0 + (i % 13) as f64).unwrap();
    let data = Dataset::new(x, Array::from_fn(DType::F32, &[32], |i| (i % 5) as f64).unwrap()).unwrap();
    let statistics = |model: &mut Sequential| {
        let names = model.weight_names().unwrap();
        let weights = names.iter().zip(model.get_weights().unwrap());
        weights.filter(|(name, _)| name.contains("moving")).map(|(_, value)| value).collect::<Vec<_>>()
    };
    let start = statistics(&mut model);
    assert_eq!(start, [Array::zeros(DType::F32, &[8]).unwrap(), Array::full(DType::F32, &[8], 1.0).unwrap()]);
    model.evaluate(&data).unwrap();
    model.predict(data.x()).unwrap();
    assert_eq!(statistics(&mut model), start);
    let history = model.fit(&data, Fit::epochs(30).batch_size(8).validation(&data).verbose(0)).unwrap();
    assert!(history.last("val_loss").unwrap() < history["val_loss"][0], "{history}");
    let trained = statistics(&mut model);
    assert!(trained.iter().zip(&start).all(|(now, then)| now.max_abs_diff(then).unwrap() > 0.1));
    assert_eq!(model.evaluate(&data).unwrap(), model.evaluate(&data).unwrap());
    assert_eq!(statistics(&mut model), trained);
    let folder = Folder::new();
    let path = folder.path("weights.safetensors");
    model.save_weights(&path).unwrap();
    let mut other = build();
    other.load_weights(&path).unwrap();
    assert_eq!(statistics(&mut other), trained);
    assert_eq!(other.predict(data.x()).unwrap(), model.predict(data.x()).unwrap());
}

#[test]
fn hostile_files_are_refused_and_change_nothing() {
    // semantics 6.7
    let folder = Folder::new();
    let path = folder.path("weights.safetensors");
    let model = |units: usize| Sequential::new().device(Device::cpu().threads(1)).input([3]).add(Dense::new(units));
    let mut subject = model(2);
    let own = subject.get_weights().unwrap();
    subject.save_weights(&path).unwrap();
    let good = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&good).into_owned();
    let header_len = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
    let with_header = |change: &dyn Fn(&str) -> String| {
        let header = change(std::str::from_utf8(&good[8..8 + header_len]).unwrap());
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend(header.bytes());
        file.extend(&good[8 + header_len..]);
        file
    };
    let mut lying = good.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let mut check = |bytes: &[u8], words: &str| {
        fs::write(&path, bytes).unwrap();
        let error = message(subject.load_weights(&path));
        assert!(error.contains(words) && error.contains("weights.safetensors"), "{words}: {error}");
        assert_eq!(subject.get_weights().unwrap(), own);
    };
    assert!(text.contains("dense/kernel"));
    check(b"", "not a safetensors file");
    check(&good[..good.len() - 1], "not a safetensors file");
    check(&good[..20], "not a safetensors file");
    check(&lying, "not a safetensors file");
    check(&[good.as_slice(), b"x"].concat(), "not a safetensors file");
    check(&vec![0; 2 << 20], "not a safetensors file");
    check(&with_header(&|h| h.replace("dense/kernel", "dense/colonel")), "no weight `dense/colonel`");
    check(&with_header(&|h| h.replace("[3,2]", "[2,3]")), "f32 [2, 3] in the file and f32 [3, 2] in the model");
    check(&with_header(&|h| h.replace("F32", "I32")), "is i32 [3, 2] in the file");
    check(&with_header(&|h| h.replace("[8,32]", "[0,24]")), "not a safetensors file");
    let mut small = Sequential::new().input([3]).add(Dense::new(2).no_bias());
    small.save_weights(&path).unwrap();
    assert!(message(subject.load_weights(&path)).contains("`dense/bias` is missing"));
    model(4).save_weights(&path).unwrap();
    assert!(message(subject.load_weights(&path)).contains("[3, 4]"));
    assert!(subject.load_weights(folder.path("none")).unwrap_err().is_io());
}

#[test]
fn predictions_do_not_depend_on_the_company_they_are_in() {
    let mut model = digits();
    let x = Array::from_fn(DType::F32, &[2500, 64], |i| ((i * 7) % 17) as f64 / 16.0).unwrap();
    let all = model.predict(&x).unwrap();
    assert_eq!(all.shape(), [2500, 10]);
    for row in [0, 1023, 1024, 2499] {
        let one = model.predict(&x.take_rows(&[row]).unwrap()).unwrap();
        assert!(one.max_abs_diff(&all.take_rows(&[row]).unwrap()).unwrap() < 1e-6);
    }
    assert_eq!(model.predict(&x.take_rows(&[]).unwrap()).unwrap().shape(), [0, 10]);
    assert!(message(model.predict(&Array::zeros(DType::F32, &[64]).unwrap())).contains("the first axis"));
    assert!(model.predict(&Array::scalar(1.0f32).unwrap()).unwrap_err().is_shape());
    let nan = model.predict(&Array::full(DType::F32, &[1, 64], f64::NAN).unwrap()).unwrap();
    assert!(nan.to_f64().iter().all(|value| value.is_nan()));
}

#[test]
fn a_struct_is_a_model_and_a_model_is_a_layer() {
    use crate::layers::{Layer, Mode};
    use wengert_autograd::Tensor;

    struct Residual(Dense, Dense);

    impl Layer for Residual {
        fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
            (x + self.1.apply(&self.0.apply(x, mode).relu(), mode)).relu()
        }
    }

    let inner = Sequential::new().add(Dense::new(4).activation(Relu)).add(Residual(Dense::new(8), Dense::new(4)));
    let mut model = Sequential::new().device(Device::cpu().threads(1)).add(inner).add(Dense::new(1));
    model.compile("sgd", "mse", ()).unwrap();
    let x = Array::from_fn(DType::F32, &[8, 2], |i| i as f64 / 16.0).unwrap();
    let data = Dataset::new(x, Array::from_fn(DType::F32, &[8], |i| i as f64 / 8.0).unwrap()).unwrap();
    let history = model.fit(&data, crate::training::Fit::epochs(20).batch_size(8).verbose(0)).unwrap();
    assert!(history.last("loss").unwrap() < history["loss"][0]);
    assert_eq!(model.parameter_count().unwrap(), 2 * 4 + 4 + 4 * 8 + 8 + 8 * 4 + 4 + 4 + 1);
    assert!(model.summary().unwrap().contains("Residual") || model.summary().unwrap().contains("Sequential"));
}
