//! The values of a model's variables, in memory and in files.
//!
//! Files are in the safetensors format, which PyTorch and JAX read too: names such as `dense/kernel`, row-major elements.

use super::{Built, Sequential};
use crate::Error;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{io::Read, path::Path};
use wengert_autograd::{DType, Tensor};
use wengert_kernels::{Array, files};

/// A header is refused beyond this size: that of a thousand layers is a tenth of it.
const HEADER: u64 = 1 << 20;

fn name(variable: &Tensor) -> String {
    variable.name().unwrap_or_default()
}

impl Built {
    /// The values of the weights, in the order in which they were made.
    pub(crate) fn get_weights(&mut self) -> Result<Vec<Array>, Error> {
        self.weights.iter().map(|variable| Ok(self.session.get(variable)?)).collect()
    }

    /// Gives every weight a value, or none if one does not fit.
    pub(crate) fn set_weights(&mut self, values: &[Array]) -> Result<(), Error> {
        if values.len() != self.weights.len() {
            let names: Vec<String> = self.weights.iter().map(name).collect();
            let (wanted, got) = (names.len(), values.len());
            return Err(Error::shape(format!("the model has {wanted} weights ({}), got {got}", names.join(", "))));
        }
        for (variable, value) in self.weights.iter().zip(values) {
            fits(variable, value.dtype(), value.shape())?;
        }
        for (variable, value) in self.weights.iter().zip(values) {
            self.session.set(variable, value)?;
        }
        Ok(())
    }
}

/// Whether a value has the dtype and shape of a weight.
fn fits(variable: &Tensor, dtype: DType, shape: &[usize]) -> Result<(), Error> {
    let ty = variable.ty()?;
    let name = name(variable);
    if ty.dtype != dtype {
        return Err(Error::dtype(format!("the weight `{name}` is {ty}, not {dtype}")));
    }
    if ty.rank() != shape.len() || ty.shape.iter().zip(shape).any(|(dim, &size)| *dim != size) {
        return Err(Error::shape(format!("the weight `{name}` is {ty}, not of shape {shape:?}")));
    }
    Ok(())
}

impl Sequential {
    /// The names of the weights, in the order in which they were made: `dense/kernel`, `dense/bias`, ...
    ///
    /// # Errors
    /// When the shape of the input is not known yet, or a layer does not fit it.
    pub fn weight_names(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.built()?.weights.iter().map(name).collect())
    }

    /// The values of the weights, in the order of their names.
    ///
    /// # Errors
    /// As [`weight_names`](Sequential::weight_names).
    pub fn get_weights(&mut self) -> Result<Vec<Array>, Error> {
        self.built()?.get_weights()
    }

    /// Sets all weights, in the order of their names.
    ///
    /// # Errors
    /// When there are more or fewer values, or one has another dtype or shape; then all weights stay as they are.
    pub fn set_weights(&mut self, values: &[Array]) -> Result<(), Error> {
        self.built()?.set_weights(values)
    }

    /// Writes the weights to a safetensors file, in one piece or not at all.
    ///
    /// # Errors
    /// When the file cannot be written, or the model has no weights yet.
    pub fn save_weights(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let names = self.weight_names()?;
        let values = self.get_weights()?;
        let views = names.iter().zip(&values).map(|(name, value)| {
            let view = TensorView::new(dtype(value.dtype())?, value.shape().to_vec(), value.bytes());
            Ok((name, view.map_err(|why| Error::invalid(format!("the weight `{name}` cannot be saved: {why}")))?))
        });
        let views = views.collect::<Result<Vec<_>, Error>>()?;
        let bytes = safetensors::serialize(views, None)
            .map_err(|why| Error::invalid(format!("the weights cannot be saved: {why}")))?;
        Ok(files::write_atomic(path, |file| file.write_all(&bytes))?)
    }

    /// Reads the weights from a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or lacks a weight, has another one, or one of another dtype or shape; then all
    /// weights stay as they are.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let built = self.built()?;
        let values = read(path, &built.weights)?;
        built.set_weights(&values)
    }
}

/// The values in the file at `path` for these variables.
fn read(path: &Path, variables: &[Tensor]) -> Result<Vec<Array>, Error> {
    let damaged = |why: String| Error::data(format!("{}: {why}", path.display()));
    let failed = |cause: std::io::Error| Error::from_io(format!("cannot read {}", path.display()), cause);
    let mut wanted = HEADER;
    for variable in variables {
        let ty = variable.ty()?;
        let len: usize = ty.shape.iter().map(|dim| dim.known().unwrap_or(0)).product();
        wanted += (len * ty.dtype.size()) as u64;
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(wanted + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > wanted {
        return Err(damaged(format!("more than {wanted} bytes are more than the model's weights take")));
    }
    let file = SafeTensors::deserialize(&bytes).map_err(|why| damaged(format!("not a safetensors file: {why}")))?;
    let names: Vec<String> = variables.iter().map(name).collect();
    if let Some(extra) = file.names().into_iter().find(|own| !names.iter().any(|name| name == own)) {
        return Err(damaged(format!("the model has no weight `{extra}`; it has {}", names.join(", "))));
    }
    let value = |(variable, name): (&Tensor, &String)| {
        let view = file.tensor(name).map_err(|_| damaged(format!("the weight `{name}` is missing")))?;
        let ty = variable.ty()?;
        if dtype(ty.dtype)? != view.dtype() {
            return Err(damaged(format!("the weight `{name}` is {ty}, in the file {:?}", view.dtype())));
        }
        fits(variable, ty.dtype, view.shape()).map_err(|why| damaged(why.to_string()))?;
        let mut array = Array::zeros(ty.dtype, view.shape())?;
        let room = array.bytes_mut()?;
        if room.len() != view.data().len() {
            return Err(damaged(format!("the weight `{name}` has {} bytes, not {}", view.data().len(), room.len())));
        }
        room.copy_from_slice(view.data());
        Ok(array)
    };
    variables.iter().zip(&names).map(value).collect()
}

/// The format's name for a dtype. The format is little-endian, and so is every machine that this crate is built for.
fn dtype(dtype: DType) -> Result<Dtype, Error> {
    Ok(match dtype {
        DType::Bool => Dtype::BOOL,
        DType::U8 => Dtype::U8,
        DType::I32 => Dtype::I32,
        DType::I64 => Dtype::I64,
        DType::F16 => Dtype::F16,
        DType::BF16 => Dtype::BF16,
        DType::F32 => Dtype::F32,
        DType::F64 => Dtype::F64,
        other => return Err(Error::dtype(format!("{other} cannot be saved"))),
    })
}
