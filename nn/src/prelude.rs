//! What a program about neural networks names most often: `use wengert_nn::prelude::*`.

pub use crate::Error;
pub use crate::activations::Activation::{self, Elu, Gelu, LeakyRelu, Linear, Relu, Sigmoid, Softmax, Softplus, Tanh};
pub use crate::data::{self, Dataset};
pub use crate::initializers::Initializer;
pub use crate::layers::{Dense, Dropout, Flatten, Layer, Mode};
pub use crate::losses::{
    BinaryCrossentropy, CategoricalCrossentropy, Loss, MeanAbsoluteError, MeanSquaredError,
    MeanSquaredLogarithmicError, SparseCategoricalCrossentropy,
};
pub use crate::metrics::{Accuracy, Metric};
pub use crate::models::Sequential;
pub use crate::optimizers::{Adagrad, Adam, GradientDescent, Optimizer, RmsProp, Sgd};
pub use crate::training::{Callback, EarlyStopping, Fit, Flow, History, LearningRateSchedule, Progress};
