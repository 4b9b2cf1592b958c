//! Graphs to text.

use super::constant::Values;
use crate::compile::{Ir, Leaf};
use crate::op::{Attribute, Lower};
use crate::{Canonical, Dim, Recorded, Symbol, TensorType};
use std::fmt;
use wengert_kernels::text::{escape, name};

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Canonical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Ir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.header(f)?;
        for (n, node) in self.nodes.iter().enumerate() {
            write!(f, "%{n} = ")?;
            match (node.leaf, node.lower()) {
                (Some(leaf), _) => f.write_str(&self.leaf(leaf))?,
                (None, Lower::Constant(array)) => write!(f, "constant{{{}}}()", Values(&array))?,
                (None, _) => {
                    write!(f, "{}{}({})", node.op.name(), node.op.attributes(), values(node.inputs.iter().copied()))?;
                }
            }
            let label = node.label();
            let comment = if label.is_empty() { String::new() } else { format!("  # {}", escape(&label, None)) };
            writeln!(f, ": {}{comment}", node.ty)?;
        }
        let outputs = values(self.outputs.iter().copied());
        writeln!(f, "return{}{outputs}", if outputs.is_empty() { "" } else { " " })?;
        for &(variable, value) in &self.updates {
            writeln!(f, "update {} = %{value}", name(self.variable(variable)))?;
        }
        Ok(())
    }
}

/// `%0, %3`
fn values(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|n| format!("%{n}")).collect::<Vec<_>>().join(", ")
}

impl Ir {
    /// The name of the variable with that number.
    pub(super) fn variable(&self, number: usize) -> &str {
        self.variables.iter().find(|(have, ..)| *have == number).map_or("", |(_, name, _)| name)
    }

    fn leaf(&self, leaf: Leaf) -> String {
        match leaf {
            Leaf::Input(number) => {
                format!("input {}", name(self.inputs.get(number).map_or("", |(name, _)| name)))
            }
            Leaf::Variable(number) => format!("variable {}", name(self.variable(number))),
        }
    }

    /// What the nodes do not say: the order of open sizes, which sizes met, inputs and variables.
    fn header(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sizes = self.sizes();
        if sizes.len() > 1 {
            let names: Vec<String> = sizes.iter().map(|symbol| name(symbol.name())).collect();
            writeln!(f, "sizes {}", names.join(", "))?;
        }
        let line = |kind: &str, text: &str, ty: &TensorType| format!("{kind} {}: {ty}", name(text));
        let told = |leaf: fn(usize) -> Leaf| {
            let mut told: Vec<(usize, &TensorType)> = Vec::new();
            for node in &self.nodes {
                if let Some(Leaf::Input(number) | Leaf::Variable(number)) = node.leaf
                    && node.leaf == Some(leaf(number))
                    && told.iter().all(|(have, _)| *have != number)
                {
                    told.push((number, &node.ty));
                }
            }
            told
        };
        if !told(Leaf::Input).into_iter().eq(self.inputs.iter().map(|(_, ty)| ty).enumerate()) {
            for (text, ty) in &self.inputs {
                writeln!(f, "{}", line("input", text, ty))?;
            }
        }
        if !told(Leaf::Variable).into_iter().eq(self.variables.iter().map(|(number, _, ty)| (*number, ty))) {
            for (_, text, ty) in &self.variables {
                writeln!(f, "{}", line("variable", text, ty))?;
            }
        }
        for (left, right) in self.dims.equalities() {
            if meet(left, right, &sizes).is_some() {
                writeln!(f, "where {left} = {right}")?;
            }
        }
        Ok(())
    }

    /// The open sizes that the nodes need, and those that these met.
    fn sizes(&self) -> Vec<Symbol> {
        let mut sizes = Vec::new();
        let types = self.inputs.iter().map(|(_, ty)| ty).chain(self.nodes.iter().map(|node| &node.ty));
        types.flat_map(|ty| &ty.shape).for_each(|dim| dim.symbols(&mut sizes));
        for node in self.nodes.iter().filter(|node| node.leaf.is_none()) {
            for (_, attribute) in &node.op.attributes().0 {
                if let Attribute::Dims(dims) = attribute {
                    dims.iter().for_each(|dim| dim.symbols(&mut sizes));
                }
            }
        }
        loop {
            let before = sizes.len();
            for (left, right) in self.dims.equalities() {
                if let Some(together) = meet(left, right, &sizes) {
                    sizes = together;
                }
            }
            if sizes.len() == before {
                return sizes;
            }
        }
    }
}

/// The sizes with those of two dimensions that met, if they have one in common.
fn meet(left: &Dim, right: &Dim, sizes: &[Symbol]) -> Option<Vec<Symbol>> {
    let (mut mentioned, mut together) = (Vec::new(), sizes.to_vec());
    for dim in [left, right] {
        dim.symbols(&mut mentioned);
        dim.symbols(&mut together);
    }
    (together.len() < sizes.len() + mentioned.len()).then_some(together)
}
