//! A model in its graph: variables, session, compiled functions.

use super::Sequential;
use crate::Error;
use crate::data::Dataset;
use crate::layers::{Layer, Mode, Output};
use crate::losses::Loss;
use crate::metrics::Metric;
use crate::optimizers::Optimizer;
use crate::regularizers::penalized;
use wengert_autograd::{DType, Device, Dim, Function, Graph, Origin, Session, Tensor};
use wengert_kernels::{Array, ArrayView, dispatch};

/// How a model is trained.
pub(crate) struct Recipe {
    pub(crate) origin: Origin,
    pub(crate) optimizer: Box<dyn Optimizer>,
    pub(crate) loss: Box<dyn Loss>,
    pub(crate) metrics: Vec<Box<dyn Metric>>,
}

/// A row of the summary.
pub(super) struct Row {
    pub(super) name: Option<String>,
    pub(super) kind: &'static str,
    pub(super) shape: Vec<Dim>,
    pub(super) parameters: usize,
}

pub(crate) struct Built {
    graph: Graph,
    pub(crate) session: Session,
    example: Vec<usize>,
    pub(super) rows: Vec<Row>,
    pub(super) weights: Vec<Tensor>,
    pub(super) trainable: Vec<Tensor>,
    predictors: Vec<(DType, Predictor)>,
    steps: Vec<(Key, Steps)>,
    /// Which step was trained last, or is to be trained.
    trained: usize,
    learning_rate: Option<Tensor>,
    /// Where random ops were before the model was compiled anew, for those that are not there yet.
    random: Vec<(String, Array)>,
}

/// What a step is compiled for: dtype of the examples, dtype and shape of a target.
#[derive(PartialEq)]
pub(super) struct Key {
    pub(super) x: DType,
    pub(super) y: DType,
    pub(super) target: Vec<usize>,
}

struct Predictor {
    x: Tensor,
    output: Output,
    function: Function,
}

/// The compiled step of training, and the same without training.
pub(crate) struct Steps {
    train: Tally,
    evaluate: Tally,
}

/// A function that gives the mean loss and the sums of metrics of a batch, and their totals.
///
/// Everything that a batch needs lies ready: [`add`](Tally::add) does not allocate.
pub(crate) struct Tally {
    function: Function,
    outputs: Vec<Array>,
    totals: Vec<f64>,
    examples: usize,
}

/// As many random variables' names begin with this: they are not weights.
fn is_random(name: &str) -> bool {
    name == "random/key" || (name.starts_with("random_") && name.ends_with("/counter"))
}

fn elements(variable: &Tensor) -> usize {
    let shape = variable.shape().unwrap_or_default();
    shape.iter().map(|dim| dim.known().unwrap_or(0)).product()
}

impl Built {
    pub(super) fn new(
        model: &Sequential,
        device: &Device,
        seed: u64,
        dtype: DType,
        example: &[usize],
    ) -> Result<Built, Error> {
        let graph = Graph::new();
        let x = placeholder(&graph, "x", dtype, example);
        let mut rows = Vec::new();
        let mut known = 0;
        let output = model.trace(&x, Mode::Infer, |layer, value| {
            let variables = graph.variables();
            let parameters = variables[known..].iter().map(elements).sum();
            known = variables.len();
            let shape = value.shape().unwrap_or_default();
            rows.push(Row { name: layer.name(&graph), kind: layer.kind(), shape, parameters });
        });
        output.value.ty()?;
        // Applied for training too, so that every variable is there before it is asked for.
        model.apply(&x, Mode::Train).ty()?;
        let weight = |variable: &Tensor| !variable.name().is_some_and(|name| is_random(&name));
        let weights = graph.variables().into_iter().filter(weight).collect();
        let trainable = graph.trainable_variables();
        let function = graph.function(&[&x], &[&output.value]).without_default_updates().compile()?;
        Ok(Built {
            session: Session::with_seed(device.clone(), seed)?,
            example: example.to_vec(),
            rows,
            weights,
            trainable,
            predictors: vec![(dtype, Predictor { x, output, function })],
            steps: vec![],
            trained: 0,
            learning_rate: None,
            random: vec![],
            graph,
        })
    }

    /// The shape of one example.
    pub(super) fn example(&self) -> &[usize] {
        &self.example
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.weights.iter().map(elements).sum()
    }

    pub(super) fn trainable_count(&self) -> usize {
        self.trainable.iter().map(elements).sum()
    }

    /// The same model in a graph of its own, without the steps and what their optimiser remembered. Random ops go on
    /// where they are. So a model's variables have the same names however often it was compiled, as checkpoints need it.
    pub(super) fn without_steps(&mut self, model: &Sequential) -> Result<Built, Error> {
        let (device, seed) = (self.session.device().clone(), self.session.seed());
        let mut fresh = Built::new(model, &device, seed, self.dtype(), &self.example)?;
        for (variable, value) in fresh.weights.iter().zip(self.get_weights()?) {
            fresh.session.set(variable, &value)?;
        }
        for variable in self.graph.variables() {
            if let Some(name) = variable.name().filter(|name| is_random(name)) {
                fresh.random.push((name, self.session.get(&variable)?));
            }
        }
        fresh.set_random()?;
        Ok(fresh)
    }

    /// Gives random ops the counters that they had in another graph, as far as they are there.
    fn set_random(&mut self) -> Result<(), Error> {
        for (name, value) in std::mem::take(&mut self.random) {
            match self.graph.by_name(&name) {
                Some(variable) => self.session.set(&variable, &value)?,
                None => self.random.push((name, value)),
            }
        }
        Ok(())
    }

    /// The variable that holds the learning rate.
    pub(crate) fn learning_rate(&self) -> Option<&Tensor> {
        self.learning_rate.as_ref()
    }

    fn predictor(&mut self, model: &dyn Layer, dtype: DType) -> Result<&Predictor, Error> {
        let place = match self.predictors.iter().position(|(known, _)| *known == dtype) {
            Some(place) => place,
            None => {
                let x = placeholder(&self.graph, "x", dtype, &self.example);
                let output = model.output(&x, Mode::Infer);
                let function = self.graph.function(&[&x], &[&output.value]).without_default_updates().compile()?;
                self.predictors.push((dtype, Predictor { x, output, function }));
                self.predictors.len() - 1
            }
        };
        Ok(&self.predictors[place].1)
    }

    /// The outputs for examples, computed for at most `rows` of them at a time.
    pub(crate) fn predict(&mut self, model: &dyn Layer, x: &Array, rows: usize) -> Result<Array, Error> {
        let function = self.predictor(model, x.dtype())?.function.clone();
        let count = x.shape().first().copied().unwrap_or(0);
        let mut result: Option<Array> = None;
        let mut start = 0;
        while start < count || result.is_none() {
            let end = count.min(start + rows);
            let part = function.call(&mut self.session, &[x.view().slice_rows(start..end)?.into()])?.remove(0);
            if end - start == count {
                return Ok(part);
            }
            let whole = match &mut result {
                Some(whole) => whole,
                None => {
                    let rest = part.shape().get(1..).unwrap_or_default();
                    result.insert(Array::zeros(part.dtype(), &[&[count], rest].concat())?)
                }
            };
            let bytes = whole.bytes_mut()?;
            let width = part.bytes().len() / (end - start).max(1);
            let room = bytes.get_mut(start * width..end * width).filter(|room| room.len() == part.bytes().len());
            match room {
                Some(room) => room.copy_from_slice(part.bytes()),
                None => return Err(Error::shape("the outputs of two parts of the examples differ in shape")),
            }
            start = end;
        }
        result.ok_or_else(|| Error::data("there are no examples"))
    }

    /// Compiles the steps for data like these, and checks the targets.
    pub(super) fn prepare(&mut self, model: &Sequential, recipe: &Recipe, data: &Dataset) -> Result<(), Error> {
        let output = self.predictor(model, data.dtype())?.output.clone();
        let sizes: Vec<usize> = output.value.shape()?.iter().skip(1).map(|dim| dim.known().unwrap_or(0)).collect();
        recipe.loss.check(data.y(), &sizes)?;
        let target = data.y().shape().get(1..).unwrap_or_default().to_vec();
        let key = Key { x: data.dtype(), y: data.y().dtype(), target };
        if self.place(&key).is_some() { Ok(()) } else { self.compile(model, recipe, key) }
    }

    /// Compiles the steps for such data.
    pub(super) fn compile(&mut self, model: &Sequential, recipe: &Recipe, key: Key) -> Result<(), Error> {
        crate::training::warn_if_unoptimised();
        let t = placeholder(&self.graph, "y", key.y, &key.target);
        let (x, infer) = {
            let predictor = self.predictor(model, key.x)?;
            (predictor.x.clone(), predictor.output.clone())
        };
        let measure = |output: &Output| {
            let mut measured =
                vec![self.graph.scope_at("loss", &recipe.origin, || penalized(&recipe.loss.mean(output, &t)))];
            let sum = |metric: &dyn Metric| metric.per_example(output, &t).sum();
            measured.extend(
                recipe.metrics.iter().map(|m| self.graph.scope_at(m.name(), &recipe.origin, || sum(m.as_ref()))),
            );
            measured
        };
        let (evaluated, trained) = (measure(&infer), measure(&model.output(&x, Mode::Train)));
        let updates = recipe.optimizer.minimize(&trained[0]);
        if updates.is_empty() {
            return Err(Error::invalid("the model has nothing to train: no trainable variable reaches the loss"));
        }
        self.learning_rate = recipe.optimizer.learning_rate(&self.graph);
        let builder = |outputs: &[Tensor]| self.graph.function(&[&x, &t], &outputs.iter().collect::<Vec<_>>());
        let steps = Steps {
            train: Tally::new(builder(&trained).updates(&updates).compile()?, &trained)?,
            evaluate: Tally::new(builder(&evaluated).without_default_updates().compile()?, &evaluated)?,
        };
        self.steps.push((key, steps));
        self.set_random()
    }

    /// Which step was trained last, or is to be trained.
    pub(super) fn trained(&self) -> Option<usize> {
        Some(self.trained).filter(|place| *place < self.steps.len())
    }

    /// The step that trains on such data, if it is compiled.
    pub(super) fn place(&self, key: &Key) -> Option<usize> {
        self.steps.iter().position(|(known, _)| known == key)
    }

    /// The step at a place, and what it is for.
    pub(super) fn training(&self, place: Option<usize>) -> Option<(&Key, &Tally)> {
        self.steps.get(place?).map(|(key, steps)| (key, &steps.train))
    }

    /// Makes the step at a place the one that is trained.
    pub(super) fn select(&mut self, place: Option<usize>) {
        self.trained = place.unwrap_or(0);
    }

    pub(super) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The dtype of the examples that the model was built for.
    pub(super) fn dtype(&self) -> DType {
        self.predictors.first().map_or(DType::F32, |(dtype, _)| *dtype)
    }

    /// The session and the step for data like these, after [`prepare`](Built::prepare).
    pub(crate) fn step(&mut self, data: &Dataset, train: bool) -> Result<(&mut Session, &mut Tally), Error> {
        let target = data.y().shape().get(1..).unwrap_or_default();
        let fits = |key: &Key| key.x == data.dtype() && key.y == data.y().dtype() && key.target == target;
        let found = self.steps.iter_mut().enumerate().find(|(_, (key, _))| fits(key));
        let (place, (_, steps)) = found.ok_or_else(|| Error::invalid("the step for these data is not compiled"))?;
        if train {
            self.trained = place;
        }
        Ok((&mut self.session, if train { &mut steps.train } else { &mut steps.evaluate }))
    }
}

fn placeholder(graph: &Graph, name: &str, dtype: DType, rest: &[usize]) -> Tensor {
    graph.placeholder(name, dtype, std::iter::once(None).chain(rest.iter().copied().map(Some)))
}

impl Tally {
    fn new(function: Function, outputs: &[Tensor]) -> Result<Tally, Error> {
        let room = |output: &Tensor| Ok(Array::zeros(output.dtype()?, &[])?);
        let arrays = outputs.iter().map(room).collect::<Result<Vec<_>, Error>>()?;
        Ok(Tally { function, totals: vec![0.0; arrays.len()], outputs: arrays, examples: 0 })
    }

    /// The compiled function.
    pub(crate) fn function(&self) -> &Function {
        &self.function
    }

    /// The totals so far.
    pub(crate) fn totals(&self) -> &[f64] {
        &self.totals
    }

    /// Goes on from totals over so many examples.
    pub(crate) fn go_on(&mut self, totals: &[f64], examples: usize) {
        self.totals.iter_mut().zip(totals).for_each(|(own, total)| *own = *total);
        self.examples = examples;
    }

    /// Forgets the totals.
    pub(crate) fn start(&mut self) {
        self.totals.fill(0.0);
        self.examples = 0;
    }

    /// Runs the function on a batch and adds to the totals; gives the batch's mean loss.
    pub(crate) fn add(&mut self, session: &mut Session, x: ArrayView<'_>, y: ArrayView<'_>) -> Result<f64, Error> {
        self.function.call_into(session, &[x, y], &mut self.outputs)?;
        let rows = x.shape().first().copied().unwrap_or(0);
        self.examples += rows;
        for (number, (total, output)) in self.totals.iter_mut().zip(&self.outputs).enumerate() {
            // The loss is a mean, the metrics are sums.
            *total += number_of(output) * if number == 0 { rows as f64 } else { 1.0 };
        }
        Ok(self.outputs.first().map_or(f64::NAN, number_of))
    }

    /// The numbers of the last batch: the mean loss, then the sum of each metric.
    pub(crate) fn last(&self, into: &mut [f64]) {
        into.iter_mut().zip(&self.outputs).for_each(|(place, output)| *place = number_of(output));
    }

    /// How many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.outputs.len()
    }

    /// Examples since the start.
    pub(crate) fn examples(&self) -> usize {
        self.examples
    }

    /// Writes the means over all examples since the start: loss, then metrics.
    pub(crate) fn means(&self, into: &mut [f64]) {
        into.iter_mut().zip(&self.totals).for_each(|(mean, total)| *mean = total / self.examples as f64);
    }
}

/// A scalar as `f64`, without an allocation.
fn number_of(scalar: &Array) -> f64 {
    dispatch!(scalar.dtype(), T => match scalar.as_slice::<T>() {
        Ok([value]) => wengert_kernels::Element::to_f64(*value),
        _ => f64::NAN,
    })
}
