//! `Sequential`: one layer after the other, and all that a model can do.

use super::{Built, Recipe};
use crate::data::Dataset;
use crate::layers::{Layer, Mode, Output};
use crate::losses::IntoLoss;
use crate::metrics::IntoMetrics;
use crate::optimizers::IntoOptimizer;
use crate::{Error, targets};
use std::fmt;
use wengert_autograd::{DType, Device, Origin, Tensor};

/// A model: layers applied one after the other, trained by [`fit`](Sequential::fit).
///
/// A model of another form is a [`Layer`] of one's own, the only one added. A model is a layer too, and may be part of
/// another one, which then owns the values of its variables.
///
/// ```
/// use wengert_nn::activations::Activation::{Relu, Softmax};
/// use wengert_nn::layers::{Dense, Flatten};
/// use wengert_nn::losses::CategoricalCrossentropy;
/// use wengert_nn::metrics::Accuracy;
/// use wengert_nn::models::Sequential;
/// use wengert_nn::optimizers::Adam;
/// use wengert_nn::training::Fit;
///
/// let (train, test) = wengert_nn::data::digits()?;
/// let mut model = Sequential::new()
///     .add(Flatten)
///     .add(Dense::new(32).activation(Relu))
///     .add(Dense::new(10).activation(Softmax));
/// model.compile(Adam::new(0.01), CategoricalCrossentropy, [Accuracy])?;
/// let history = model.fit(&train, Fit::epochs(3).batch_size(32).verbose(0))?;
/// assert!(history["loss"][2] < history["loss"][0]);
/// let evaluation = model.evaluate(&test)?;
/// assert!(evaluation.get("accuracy").unwrap() > 0.5, "{evaluation}");
/// assert_eq!(model.predict(test.x())?.shape(), [test.len(), 10]);
/// # Ok::<(), wengert_nn::Error>(())
/// ```
pub struct Sequential {
    layers: Vec<Entry>,
    input: Option<Vec<usize>>,
    device: Device,
    seed: u64,
    recipe: Option<Recipe>,
    /// Epochs that were run, so that a second training does not repeat the order of the first.
    epochs: u64,
    pub(crate) built: Option<Built>,
}

/// A layer, and where it was added.
struct Entry {
    layer: Box<dyn Layer>,
    origin: Origin,
}

impl Sequential {
    /// A model without layers, for the fastest device of this machine, with seed 0.
    #[must_use]
    pub fn new() -> Sequential {
        Sequential {
            layers: vec![],
            input: None,
            device: Device::best(),
            seed: 0,
            recipe: None,
            epochs: 0,
            built: None,
        }
    }

    /// The shape of one example, without the first axis, which counts them: `[784]`. Needed only for what happens before
    /// the model has seen data: its summary, its weights.
    #[must_use]
    pub fn input(mut self, shape: impl AsRef<[usize]>) -> Sequential {
        self.input = Some(shape.as_ref().to_vec());
        self
    }

    /// Adds a layer at the end.
    #[must_use]
    #[track_caller]
    #[expect(clippy::should_implement_trait, reason = "Keras's word")]
    pub fn add(mut self, layer: impl Layer + 'static) -> Sequential {
        self.layers.push(Entry { layer: Box::new(layer), origin: Origin::here() });
        self
    }

    /// The device to compute on, chosen before the model is used.
    #[must_use]
    pub fn device(mut self, device: Device) -> Sequential {
        self.device = device;
        self
    }

    /// The seed of initial weights, dropout and the order of examples.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Sequential {
        self.seed = seed;
        self
    }

    /// Says how the model is to be trained: an optimiser, a loss, metrics (`()` for none), by value or by name. Weights stay as
    /// they are; what the last optimiser remembered is forgotten.
    ///
    /// ```
    /// # use wengert_nn::models::Sequential;
    /// let mut model = Sequential::new();
    /// model.compile("adam", "mse", ())?;
    /// let error = model.compile("adam", "mean_square", ["accuracy"]).unwrap_err();
    /// assert!(error.to_string().contains("known are binary_crossentropy"));
    /// # Ok::<(), wengert_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is nothing of a given name.
    #[track_caller]
    pub fn compile(
        &mut self,
        optimizer: impl IntoOptimizer,
        loss: impl IntoLoss,
        metrics: impl IntoMetrics,
    ) -> Result<(), Error> {
        self.recipe = Some(Recipe {
            origin: Origin::here(),
            optimizer: optimizer.into_optimizer()?,
            loss: loss.into_loss()?,
            metrics: metrics.into_metrics()?,
        });
        if let Some(mut built) = self.built.take() {
            let fresh = built.without_steps(self);
            self.built = Some(built);
            self.built = Some(fresh?);
        }
        Ok(())
    }

    pub(crate) fn default_seed(&self) -> u64 {
        self.seed
    }

    /// The number of the next epoch.
    pub(crate) fn epochs(&self) -> u64 {
        self.epochs
    }

    /// Goes on with this seed at this epoch.
    pub(crate) fn set_course(&mut self, seed: u64, epochs: u64) {
        (self.seed, self.epochs) = (seed, epochs);
    }

    pub(crate) fn recipe(&self) -> Result<&Recipe, Error> {
        self.recipe.as_ref().ok_or_else(|| {
            Error::invalid("the model does not know what to minimise: call compile(optimizer, loss, metrics) first")
        })
    }

    /// The model in its graph, built for examples of this dtype and shape if it is not there yet.
    pub(crate) fn build(&mut self, dtype: DType, example: &[usize]) -> Result<&mut Built, Error> {
        if let Some(expected) = self.example().filter(|expected| *expected != example) {
            return Err(Error::shape(format!(
                "the model takes examples of shape {expected:?}, these have shape {example:?}\n  hint: the first axis of the data counts the examples"
            )));
        }
        let built = match self.built.take() {
            Some(built) => built,
            None => self.fresh(self.seed, dtype, example)?,
        };
        Ok(self.built.insert(built))
    }

    /// The shape of one example, if it is known.
    pub(super) fn example(&self) -> Option<&[usize]> {
        self.built.as_ref().map(|built| built.example()).or(self.input.as_deref())
    }

    /// The model in a graph of its own.
    pub(super) fn fresh(&self, seed: u64, dtype: DType, example: &[usize]) -> Result<Built, Error> {
        Built::new(self, &self.device, seed, dtype, example)
    }

    /// The model in its graph before it has seen data.
    pub(crate) fn built(&mut self) -> Result<&mut Built, Error> {
        match (&self.built, self.input.clone()) {
            (None, Some(example)) => self.build(DType::F32, &example),
            _ => self.built.as_mut().ok_or_else(|| {
                Error::invalid(
                    "the model has no weights yet, for it does not know its input: give input([..]), or data by fit",
                )
            }),
        }
    }

    /// The model built for these examples, and the step for these targets.
    pub(crate) fn prepare(&mut self, data: &Dataset) -> Result<(), Error> {
        self.recipe()?;
        self.build(data.dtype(), data.example_shape())?;
        if !data.is_surely_finite() {
            targets::check_finite("x", data.x())?;
        }
        targets::check_finite("y", data.y())?;
        // The model is the layer that the step applies, so its parts are taken out for the while.
        let Some(mut built) = self.built.take() else { return Ok(()) };
        let made = self.recipe().and_then(|recipe| built.prepare(self, recipe, data));
        self.built = Some(built);
        made
    }

    /// The layers with their names, for the summary.
    pub(super) fn trace(&self, x: &Tensor, mode: Mode, mut seen: impl FnMut(&dyn Layer, &Tensor)) -> Output {
        let mut output = Output::from(x.clone());
        for Entry { layer, origin } in &self.layers {
            let apply = || layer.output(&output.value, mode);
            let next = if layer.is_plain() { x.graph().scope_at("", origin, apply) } else { apply() };
            seen(layer.as_ref(), &next.value);
            output = next;
        }
        output
    }
}

impl Default for Sequential {
    fn default() -> Sequential {
        Sequential::new()
    }
}

impl Layer for Sequential {
    fn apply(&self, x: &Tensor, mode: Mode) -> Tensor {
        self.output(x, mode).value
    }

    fn output(&self, x: &Tensor, mode: Mode) -> Output {
        self.trace(x, mode, |_, _| ())
    }
}

impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds: Vec<&str> = self.layers.iter().map(|entry| entry.layer.kind()).collect();
        write!(f, "Sequential({})", kinds.join(", "))
    }
}
