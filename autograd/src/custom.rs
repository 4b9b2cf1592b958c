//! Ops of the user's own.

use crate::{Op, Tensor};
use std::panic::Location;

/// Records an op of your own over `first` and `others`.
///
/// The op says what type its result has, what its gradients are (in graph ops, so that they can be differentiated in
/// turn), and what the compiler makes of it: any of [`Lower`](crate::Lower), or a kernel of your own by
/// [`Lower::Custom`](crate::Lower::Custom). Ops of equal name and attributes over the same operands are taken for one.
///
/// ```
/// # use std::sync::Arc;
/// # use wengert_autograd::{
/// #     Attributes, CudaKernel, CustomKernel, DType, Device, Error, Grad, Graph, Infer, Lower, Op, Refusal, Session, TensorType, Vjp, custom_op, feed,
/// # };
/// # use wengert_autograd::{Array, ArrayView, ArrayViewMut, KernelError};
/// /// x / (1 + |x|).
/// #[derive(Debug)]
/// struct Softsign;
///
/// impl CustomKernel for Softsign {
///     fn name(&self) -> &str {
///         "my_crate::softsign"
///     }
///
///     fn cpu(&self, inputs: &[ArrayView<'_>], mut output: ArrayViewMut<'_>) -> Result<(), KernelError> {
///         let x = inputs[0].as_slice::<f32>()?;
///         output.as_mut_slice::<f32>()?.iter_mut().zip(x).for_each(|(y, x)| *y = x / (1.0 + x.abs()));
///         Ok(())
///     }
///
///     fn cuda(&self, _: &[(DType, &[usize])], (_, shape): (DType, &[usize])) -> Option<CudaKernel> {
///         let len: usize = shape.iter().product();
///         let source = r#"extern "C" __global__ void softsign(const float* x, float* y, long long n) {
///             long long i = blockIdx.x * 256ll + threadIdx.x;
///             if (i < n) y[i] = x[i] / (1.0f + fabsf(x[i]));
///         }"#;
///         Some(CudaKernel {
///             source: source.into(),
///             name: "softsign".into(),
///             grid: [len.div_ceil(256) as u32, 1, 1],
///             block: [256, 1, 1],
///             shared: 0,
///             arguments: vec![len as i64],
///         })
///     }
/// }
///
/// impl Op for Softsign {
///     fn name(&self) -> &'static str {
///         "softsign"
///     }
///
///     fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
///         match inputs {
///             [x] if x.dtype == DType::F32 => Ok(x.clone()),
///             _ => Err(Refusal::new("it takes one tensor of f32").hint("cast() it")),
///         }
///     }
///
///     fn vjp(&self, v: &Vjp) -> Vec<Grad> {
///         vec![Grad::Some(&v.cotangent / (v.inputs[0].abs() + 1.0).square())]
///     }
///
///     fn lower(&self) -> Lower {
///         Lower::Custom(Arc::new(Softsign))
///     }
/// }
///
/// let g = Graph::new();
/// let x = g.placeholder("x", DType::F32, [None]);
/// let y = custom_op(Softsign, &x, &[]);
/// let slope = &y.sum().grad(&[&x])[0];
/// let mut session = Session::new(Device::best())?;
/// let values = session.run(&[&y, slope], feed! { x => [1.0f32, -3.0] })?;
/// assert_eq!(values[0].as_slice::<f32>()?, [0.5, -0.75]);
/// assert_eq!(values[1].as_slice::<f32>()?, [0.25, 0.0625]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
#[track_caller]
pub fn custom_op(op: impl Op, first: &Tensor, others: &[&Tensor]) -> Tensor {
    first.apply(op, others, Location::caller())
}

#[cfg(test)]
mod tests {
    use crate::{
        Array, ArrayView, ArrayViewMut, CustomKernel, DType, Device, Grad, Graph, Infer, KernelError, Lower, Op,
        Refusal, Session, Tensor, TensorType, Vjp, check_gradients, custom_op, feed,
    };
    use std::sync::Arc;

    /// The product of two matrices' elements, refused if one of the first is no number.
    #[derive(Debug)]
    struct Times;

    impl CustomKernel for Times {
        fn name(&self) -> &str {
            "tests::times"
        }

        fn cpu(&self, inputs: &[ArrayView<'_>], mut output: ArrayViewMut<'_>) -> Result<(), KernelError> {
            let (a, b) = (inputs[0].as_slice::<f64>()?, inputs[1].as_slice::<f64>()?);
            if a.iter().any(|a| a.is_nan()) {
                return Err(KernelError::invalid("times: no number"));
            }
            output.as_mut_slice::<f64>()?.iter_mut().zip(a).zip(b).for_each(|((y, a), b)| *y = a * b);
            Ok(())
        }
    }

    impl Op for Times {
        fn name(&self) -> &'static str {
            "times"
        }

        fn infer(&self, inputs: &[TensorType], _: &mut Infer<'_>) -> Result<TensorType, Refusal> {
            match inputs {
                [a, b] if a == b && a.dtype == DType::F64 => Ok(a.clone()),
                _ => Err(Refusal::new("it takes two equal tensors of f64").hint("cast() them")),
            }
        }

        fn vjp(&self, v: &Vjp) -> Vec<Grad> {
            [1, 0].map(|other| Grad::Some(custom_op(Times, &v.inputs[other], &[&v.cotangent]))).into()
        }

        fn lower(&self) -> Lower {
            Lower::Custom(Arc::new(Times))
        }
    }

    fn times(a: &Tensor, b: &Tensor) -> Tensor {
        custom_op(Times, a, &[b])
    }

    #[test]
    fn views_are_copied_for_a_custom_kernel_and_its_result_is_fused_with_others() {
        // semantics 5.10
        let g = Graph::new();
        let x = g.placeholder("x", DType::F64, [Some(2), Some(3)]);
        let row = g.constant([1.0f64, 10.0, 100.0]);
        let y = times(&x.transpose([1, 0]), &(row.reshape([3, 1]).broadcast_to([3, 2]) + 0.0)) + 1.0;
        let rows = Array::new(&[2, 3], &[1.0f64, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        for device in [Device::cpu(), Device::reference()] {
            let mut session = Session::new(device).unwrap();
            let values = session.run(&y, feed! { x => &rows }).unwrap();
            assert_eq!(values[0].to_f64(), [2.0, 5.0, 21.0, 51.0, 301.0, 601.0]);
        }
    }

    #[test]
    fn gradients_of_custom_ops_are_checked_as_any() {
        // semantics 5.10
        let at = [Array::new(&[4], &[0.3f64, 1.0, 0.1, 0.7]).unwrap()];
        check_gradients(|x| times(&x[0].exp(), &x[0].exp()) * 0.5, &at, 2).unwrap();
    }

    #[test]
    fn what_a_custom_kernel_refuses_is_the_calls_error() {
        // semantics 5.10
        let g = Graph::new();
        let x = g.placeholder("x", DType::F64, [Some(1)]);
        let mut session = Session::new(Device::cpu()).unwrap();
        let why = session.run(&times(&x, &x), feed! { x => [f64::NAN] }).unwrap_err().to_string();
        assert!(why.contains("times: no number"), "{why}");
        let why = custom_op(Times, &x, &[]).ty().unwrap_err().to_string();
        assert!(why.contains("two equal tensors") && why.contains("custom.rs"), "{why}");
    }
}
