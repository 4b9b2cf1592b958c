//! The weights of a model, in memory and in files: names such as `dense/kernel`, row-major elements.

use super::file::{self, Contents};
use super::{Built, Sequential};
use crate::Error;
use std::path::Path;
use wengert_autograd::{DType, Dim, Tensor};
use wengert_kernels::Array;

pub(super) fn name(variable: &Tensor) -> String {
    variable.name().unwrap_or_default()
}

impl Built {
    /// The values of the weights, in the order in which they were made.
    pub(crate) fn get_weights(&mut self) -> Result<Vec<Array>, Error> {
        self.weights.iter().map(|variable| Ok(self.session.get(variable)?)).collect()
    }

    /// Writes the weights to a safetensors file.
    pub(crate) fn save_weights(&mut self, path: &Path) -> Result<(), Error> {
        let names: Vec<String> = self.weights.iter().map(name).collect();
        let arrays: Vec<(String, Array)> = names.into_iter().zip(self.get_weights()?).collect();
        file::write(path, &arrays, None)
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
        self.built()?.save_weights(path.as_ref())
    }

    /// Reads the weights from a safetensors file.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, or lacks a weight, has another one, or one of another dtype or shape; then all
    /// weights stay as they are.
    pub fn load_weights(&mut self, path: impl AsRef<Path>) -> Result<(), Error> {
        let built = self.built()?;
        let mut file = Contents::open(path.as_ref())?;
        let names: Vec<String> = built.weights.iter().map(name).collect();
        if let Some(extra) = file.names().into_iter().find(|own| !names.contains(own)) {
            return Err(file.damaged(format!("the model has no weight `{extra}`; it has {}", names.join(", "))));
        }
        let values = built.weights.iter().map(|weight| read(&mut file, weight)).collect::<Result<Vec<_>, _>>()?;
        built.set_weights(&values)
    }
}

/// The value for a variable in a file.
pub(super) fn read(file: &mut Contents, variable: &Tensor) -> Result<Array, Error> {
    file.read(&name(variable), variable.dtype()?, &sizes(variable)?)
}

/// The shape of a variable, which is always known.
pub(super) fn sizes(variable: &Tensor) -> Result<Vec<usize>, Error> {
    let shape = variable.shape()?;
    let sizes = shape.iter().map(Dim::known).collect::<Option<_>>();
    sizes.ok_or_else(|| Error::shape(format!("the variable `{}` has an open size", name(variable))))
}
