//! `random`: numbers drawn anew in every call, from a counter-based generator.

use super::prelude::*;
use crate::{Graph, Initial};
use wengert_kernels::{Array, Distribution};

/// Independent draws: a pure function of the session's key, a counter, the op's own stream and the element's index.
#[derive(Debug)]
struct Random {
    distribution: Distribution,
    stream: u64,
    ty: TensorType,
}

const NAMES: [(&str, Distribution); 3] =
    [("bits", Distribution::Bits), ("uniform", Distribution::Uniform), ("normal", Distribution::Normal)];

impl Op for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn attributes(&self) -> Attributes {
        let name =
            NAMES.iter().find(|(_, distribution)| *distribution == self.distribution).map_or("", |(name, _)| name);
        Attributes::none()
            .with("distribution", name)
            .with("stream", self.stream)
            .with("dtype", self.ty.dtype)
            .with("shape", self.ty.shape.as_slice())
    }

    fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
        let [key, counter] = inputs else { return Err(Refusal::new("it takes a key and a counter")) };
        if [key, counter].iter().any(|scalar| scalar.dtype != DType::I64 || scalar.rank() != 0) {
            return Err(Refusal::new("the key and the counter are scalars of i64"));
        }
        match (self.distribution, self.ty.dtype) {
            (Distribution::Bits, DType::I64)
            | (Distribution::Uniform | Distribution::Normal, DType::F32 | DType::F64) => Ok(self.ty.clone()),
            (_, dtype) => Err(Refusal::new(format!("it does not draw {dtype}")).hint("draw f32 and cast()")),
        }
    }

    fn vjp(&self, _: &Vjp) -> Vec<Grad> {
        vec![Grad::Disconnected, Grad::Disconnected]
    }

    fn lower(&self) -> Lower {
        Lower::Random(self.distribution, self.stream)
    }
}

pub(super) const SPEC: OpSpec = OpSpec {
    name: "random",
    parse: |attributes| {
        let name = attributes.text("distribution")?;
        let found = NAMES.iter().find(|(other, _)| *other == name);
        let (_, distribution) = *found.ok_or_else(|| format!("there is no distribution {name}"))?;
        let stream = attributes.int("stream")? as u64;
        let ty = TensorType::new(attributes.dtype("dtype")?, attributes.dims("shape")?);
        Ok(Arc::new(Random { distribution, stream, ty }))
    },
    // Two calls draw different numbers, so there is nothing to compare.
    #[cfg(test)]
    checks: &[],
    #[cfg(test)]
    misuses: &[
        misuse!(|a, _, _| a.graph().uniform(DType::I32, [2])),
        misuse!(|a, _, _| a.graph().normal(DType::U8, [2])),
    ],
};

/// The name of the variable that holds the session's seed.
const KEY: &str = "random/key";

/// The variable that holds the session's seed: one in each graph.
fn random_key(graph: &Graph, place: Place) -> Tensor {
    graph.by_name(KEY).unwrap_or_else(|| {
        let seed = Initial::draw(DType::I64, &[], |seed, _| Array::scalar(seed as i64));
        graph.new_variable(KEY, seed, false, place)
    })
}

fn random(graph: &Graph, distribution: Distribution, ty: TensorType, place: Place) -> Tensor {
    let stream = graph.next_stream();
    // Both variables belong to the graph and not to the scope that happens to draw first.
    let (key, counter) = graph.unscoped(place, || {
        let zero = Initial::zeros(DType::I64, &[]);
        (random_key(graph, place), graph.new_variable(&format!("random_{stream}/counter"), zero, false, place))
    });
    if let Err(error) = counter.set_default_update(&graph.composed(place, || &counter + 1)) {
        return graph.poisoned(error);
    }
    graph.record(Arc::new(Random { distribution, stream, ty }), &[&key, &counter], place)
}

impl Graph {
    /// Independent draws from the uniform distribution on [0, 1), as `f32` or `f64`.
    ///
    /// Every call of a function that needs them draws anew; the numbers depend on the session's seed, on how often this
    /// op has run, and on nothing else: neither on the device nor on what else is computed.
    #[must_use]
    #[track_caller]
    pub fn uniform(&self, dtype: DType, shape: impl IntoIterator<Item = impl Into<Dim>>) -> Tensor {
        let ty = TensorType::new(dtype, shape.into_iter().map(Into::into));
        random(self, Distribution::Uniform, ty, Location::caller())
    }

    /// Independent draws from the normal distribution with mean 0 and variance 1, as `f32` or `f64`; otherwise as
    /// [`uniform`](Graph::uniform).
    #[must_use]
    #[track_caller]
    pub fn normal(&self, dtype: DType, shape: impl IntoIterator<Item = impl Into<Dim>>) -> Tensor {
        let ty = TensorType::new(dtype, shape.into_iter().map(Into::into));
        random(self, Distribution::Normal, ty, Location::caller())
    }
}

impl Tensor {
    /// Independent draws from the uniform distribution on [0, 1), of `dtype` (`f32` or `f64`) and in the shape of this
    /// tensor.
    #[must_use]
    #[track_caller]
    pub fn uniform_like(&self, dtype: DType) -> Tensor {
        self.drawn(Distribution::Uniform, dtype, Location::caller())
    }

    /// Independent draws from the normal distribution, of `dtype` (`f32` or `f64`) and in the shape of this tensor.
    #[must_use]
    #[track_caller]
    pub fn normal_like(&self, dtype: DType) -> Tensor {
        self.drawn(Distribution::Normal, dtype, Location::caller())
    }

    /// `true` with probability `p` in the shape of this tensor, independently.
    #[must_use]
    #[track_caller]
    pub fn bernoulli_like(&self, p: f64) -> Tensor {
        self.drawn(Distribution::Uniform, DType::F32, Location::caller()).less(p)
    }

    fn drawn(&self, distribution: Distribution, dtype: DType, place: Place) -> Tensor {
        match self.shape() {
            Ok(shape) => random(self.graph(), distribution, TensorType { dtype, shape }, place),
            Err(_) => self.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Graph};

    #[test]
    fn one_key_and_a_counter_for_each_op() {
        let g = Graph::new();
        let x = g.placeholder("x", DType::F16, [None, Some(3)]);
        let _ = g.scope("dense", || x.dropout(0.5, true));
        let y = x.normal_like(DType::F64);
        assert_eq!(y.shape().unwrap(), x.shape().unwrap());
        let names: Vec<_> = g.variables().iter().filter_map(|v| v.name()).collect();
        assert_eq!(names, ["random/key", "random_1/counter", "random_2/counter"]);
        assert!(g.trainable_variables().is_empty());
    }
}
