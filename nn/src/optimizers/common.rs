//! What every optimiser has: a learning rate, a bound for gradients, a place for what it remembers.

use crate::layers::{At, Identity};
use wengert_autograd::{DType, Graph, Initial, Tensor, Update};
use wengert_kernels::Array;

/// The part that optimisers share.
#[derive(Clone, Debug)]
pub struct Common {
    identity: Identity,
    learning_rate: f64,
    clip_norm: Option<f64>,
}

impl Common {
    /// The shared part of an optimiser of this name.
    #[must_use]
    #[track_caller]
    pub fn new(name: &'static str, learning_rate: f64) -> Common {
        Common { identity: Identity::new(name), learning_rate, clip_norm: None }
    }

    /// The same with a bound for the norm of all gradients together; see [`clip_by_global_norm`].
    #[must_use]
    pub fn clip_by_global_norm(mut self, limit: f64) -> Common {
        self.clip_norm = Some(limit);
        self
    }

    /// The optimiser's variable for `role` in `graph`, if there is one already.
    pub(crate) fn existing(&self, graph: &Graph, role: &str) -> Option<Tensor> {
        self.identity.name(graph)?;
        self.identity.within(graph, |at| at.existing(role))
    }

    /// The updates of all pairs of parameter and gradient by `rule`.
    pub(crate) fn updates(
        &self,
        gradients: &[(Tensor, Tensor)],
        rule: impl Fn(&Step<'_>, &Tensor, &Tensor) -> Vec<Update>,
    ) -> Vec<Update> {
        let Some((first, _)) = gradients.first() else { return vec![] };
        let clipped: Vec<Tensor> = match self.clip_norm {
            Some(limit) => clip_by_global_norm(&gradients.iter().map(|(_, g)| g).collect::<Vec<_>>(), limit),
            None => gradients.iter().map(|(_, g)| g.clone()).collect(),
        };
        // One number for all parameters, exact for the widest of them.
        let wide = gradients.iter().any(|(parameter, _)| parameter.dtype().is_ok_and(|dtype| dtype == DType::F64));
        let dtype = if wide { DType::F64 } else { DType::F32 };
        self.identity.within(first.graph(), |at| {
            let rate = at.state("learning_rate", || Array::full(dtype, &[], self.learning_rate).into());
            let step = Step { at, rate };
            let mut updates: Vec<Update> =
                gradients.iter().zip(&clipped).flat_map(|((p, _), gradient)| rule(&step, p, gradient)).collect();
            if let Some(iterations) = at.existing("iterations") {
                updates.push(iterations.becomes(&(&iterations + 1)));
            }
            updates
        })
    }
}

/// What a rule sees of its optimiser while it writes the updates of a parameter.
#[derive(Debug)]
pub struct Step<'a> {
    at: &'a At<'a>,
    rate: Tensor,
}

impl Step<'_> {
    /// The learning rate, a scalar in the dtype in which `parameter` is computed with.
    #[must_use]
    pub fn learning_rate(&self, parameter: &Tensor) -> Tensor {
        self.rate.cast(compute(parameter))
    }

    /// The number of this update, from 1, a scalar in the dtype in which `parameter` is computed with.
    #[must_use]
    pub fn number(&self, parameter: &Tensor) -> Tensor {
        let iterations = self.at.state("iterations", || Initial::zeros(DType::I64, &[]));
        (iterations + 1).cast(compute(parameter))
    }

    /// What is remembered about `parameter` under `role`, of its shape and dtype; starts as `value` everywhere.
    #[must_use]
    pub fn state(&self, role: &str, parameter: &Tensor, value: f64) -> Tensor {
        let role = format!("{role}/{}", parameter.name().unwrap_or_default());
        self.at.state(&role, || {
            let Ok(ty) = parameter.ty() else { return Initial::failed("its parameter has no value") };
            let shape: Option<Vec<usize>> = ty.shape.iter().map(wengert_autograd::Dim::known).collect();
            match shape {
                Some(shape) => {
                    Initial::draw(ty.dtype, &shape.clone(), move |_, _| Array::full(ty.dtype, &shape, value))
                }
                None => Initial::failed("its parameter has an open size"),
            }
        })
    }
}

fn compute(parameter: &Tensor) -> DType {
    parameter.dtype().map_or(DType::F32, DType::compute)
}

/// All `gradients` scaled by one factor, so that the square root of the sum of all their squares is `limit` at most.
///
/// Source: R. Pascanu, T. Mikolov and Y. Bengio, "On the difficulty of training recurrent neural networks", ICML 2013.
///
/// ```
/// use wengert_autograd::Graph;
/// use wengert_nn::optimizers::clip_by_global_norm;
/// let g = Graph::new();
/// let clipped = clip_by_global_norm(&[&g.constant([3.0f32]), &g.constant([4.0f32])], 1.0);
/// assert!((clipped[1].eval(&[])?.to_vec::<f32>()?[0] - 0.8).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[track_caller]
pub fn clip_by_global_norm(gradients: &[&Tensor], limit: f64) -> Vec<Tensor> {
    let squares = gradients.iter().map(|gradient| gradient.square().sum());
    let Some(total) = squares.reduce(|sum, square| sum + square) else { return vec![] };
    // A norm of zero divides nothing.
    let factor = total.sqrt().maximum(limit).reciprocal() * limit;
    gradients
        .iter()
        .map(|&gradient| match gradient.dtype() {
            Ok(dtype) => gradient * factor.cast(dtype),
            Err(_) => gradient.clone(),
        })
        .collect()
}

/// The builder methods and the plain trait method that every optimiser has.
macro_rules! shared {
    () => {
        /// Scales all gradients by one factor where the norm of all together exceeds `limit`; see [`clip_by_global_norm`].
        ///
        /// [`clip_by_global_norm`]: crate::optimizers::clip_by_global_norm
        #[must_use]
        pub fn clip_by_global_norm(mut self, limit: f64) -> Self {
            self.common = self.common.clip_by_global_norm(limit);
            self
        }
    };
}
pub(super) use shared;
