//! What a program about neural networks names most often: `use wengert_nn::prelude::*`.

pub use crate::Error;
pub use crate::activations::Activation::{
    self, Elu, Gaussian, Gelu, LeakyRelu, Linear, Relu, Selu, Sigmoid, Silu, Softmax, Softplus, Tanh,
};
pub use crate::data::{self, Dataset};
pub use crate::initializers::Initializer;
pub use crate::layers::{
    AveragePool2D, BatchNormalization, Conv2D, DataFormat, Dense, Dropout, Embedding, Flatten, GlobalAveragePool2D,
    GlobalMaxPool2D, Layer, LayerNormalization, MaxPool2D, Mode, Padding, Reshape, ZeroPadding2D,
};
pub use crate::losses::{
    BinaryCrossentropy, CategoricalCrossentropy, Loss, MeanAbsoluteError, MeanSquaredError,
    MeanSquaredLogarithmicError, SparseCategoricalCrossentropy,
};
pub use crate::metrics::{Accuracy, Metric};
pub use crate::models::Sequential;
pub use crate::optimizers::{Adagrad, Adam, GradientDescent, Optimizer, RmsProp, Sgd};
pub use crate::regularizers::Regularizer::{self, L1, L1L2, L2};
pub use crate::training::{
    Callback, EarlyStopping, Fit, Flow, History, LearningRateSchedule, ModelCheckpoint, Progress, ReduceLROnPlateau,
};
