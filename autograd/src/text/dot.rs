//! Graphs as pictures, in Graphviz's language.

use super::constant::Values;
use crate::compile::{Ir, Leaf};
use crate::op::Lower;
use crate::{Canonical, Recorded};

impl Recorded {
    /// The graph in the DOT language, to be drawn by Graphviz (`dot -Tsvg`): a node for each op with its type and the line
    /// that wrote it.
    ///
    /// ```
    /// # use wengert_autograd::{DType, Graph};
    /// let g = Graph::new();
    /// let x = g.placeholder("x", DType::F32, []);
    /// let f = g.function(&[&x], &[&x.exp()]).compile()?;
    /// assert!(f.recorded().to_dot().contains("n0 -> n1;"));
    /// # Ok::<(), wengert_autograd::Error>(())
    /// ```
    #[must_use]
    pub fn to_dot(&self) -> String {
        self.0.to_dot()
    }
}

impl Canonical {
    /// As [`Recorded::to_dot`].
    #[must_use]
    pub fn to_dot(&self) -> String {
        self.0.to_dot()
    }
}

/// Lines of a label, as a DOT string.
fn label(lines: &[String]) -> String {
    let escaped: Vec<String> = lines
        .iter()
        .filter(|line| !line.is_empty())
        .map(|line| line.replace('\\', "\\\\").replace('"', "\\\"").replace(['\n', '\r'], " "))
        .collect();
    format!("\"{}\"", escaped.join("\\n"))
}

impl Ir {
    fn to_dot(&self) -> String {
        let mut dot = String::from("digraph {\n");
        let mut line = |text: String| dot += &format!("  {text}\n");
        for (n, node) in self.nodes.iter().enumerate() {
            let (what, shape) = match (node.leaf, node.lower()) {
                (Some(Leaf::Input(number)), _) => {
                    let name = self.inputs.get(number).map_or("", |(name, _)| name);
                    (format!("input {name}"), "box")
                }
                (Some(Leaf::Variable(number)), _) => (format!("variable {}", self.variable(number)), "box"),
                (None, Lower::Constant(array)) if array.len() <= 8 => (Values(&array).to_string(), "plaintext"),
                (None, Lower::Constant(_)) => ("constant".into(), "plaintext"),
                (None, _) => (format!("{}{}", node.op.name(), node.op.attributes()), "ellipse"),
            };
            line(format!("n{n} [label={}, shape={shape}];", label(&[what, node.ty.to_string(), node.label()])));
            for input in &node.inputs {
                line(format!("n{input} -> n{n};"));
            }
        }
        for (number, output) in self.outputs.iter().enumerate() {
            line(format!("output{number} [label=\"output {number}\", shape=plaintext];"));
            line(format!("n{output} -> output{number};"));
        }
        for (number, (variable, value)) in self.updates.iter().enumerate() {
            let what = label(&[format!("update {}", self.variable(*variable))]);
            line(format!("update{number} [label={what}, shape=plaintext];"));
            line(format!("n{value} -> update{number};"));
        }
        dot.push_str("}\n");
        dot
    }
}
