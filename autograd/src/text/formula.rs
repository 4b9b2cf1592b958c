//! Tensors as formulas.

use super::constant::Values;
use crate::Tensor;
use crate::graph::State;
use crate::op::Lower;

/// Longer formulas are cut into definitions.
const LONGEST: usize = 100;

/// How tightly the parts of a formula hold together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Sum,
    Product,
    Sign,
    Whole,
}

#[derive(Clone)]
struct Formula {
    text: String,
    binding: Binding,
    /// The ops that are written out in the text.
    ops: usize,
}

impl Formula {
    fn whole(text: String) -> Formula {
        Formula { text, binding: Binding::Whole, ops: 0 }
    }

    /// The text where at least `binding` is needed.
    fn within(&self, binding: Binding) -> String {
        if self.binding < binding { format!("({})", self.text) } else { self.text.clone() }
    }
}

impl Tensor {
    /// The formula that computes this tensor, as one would write it: names of inputs and variables, operators, function calls;
    /// Theano's `pp`. Larger parts that are used more than once, parts that were given a name, and what would make a line too
    /// long are defined above the formula.
    ///
    /// ```
    /// # use wengert_autograd::{DType, Graph};
    /// let g = Graph::new();
    /// let (x, y) = (g.placeholder("x", DType::F32, []), g.placeholder("y", DType::F32, []));
    /// assert_eq!((2.0 * (&x - &y).exp() / &y).pp(), "2.0 * exp(x - y) / y");
    /// let h = (&x + &y).tanh();
    /// assert_eq!((&h + (&h * &x)).pp(), "t1 = tanh(x + y)\nt1 + t1 * x");
    /// ```
    #[must_use]
    pub fn pp(&self) -> String {
        let state = self.graph().state();
        let order = cone(&state, self.id());
        let mut uses = vec![0; self.id() as usize + 1];
        for &id in &order {
            state.nodes[id as usize].inputs.iter().for_each(|&input| uses[input as usize] += 1);
        }
        let mut formulas: Vec<Option<Formula>> = vec![None; uses.len()];
        let mut definitions = String::new();
        let mut numbered = 0;
        for &id in &order {
            let node = &state.nodes[id as usize];
            let mut formula = formula(&state, id, &formulas);
            let shared = uses[id as usize] > 1 && formula.ops > 1;
            let named = node.name.as_ref().filter(|_| formula.ops > 0);
            if id != self.id() && (shared || named.is_some() || formula.text.len() > LONGEST) {
                let name = named.cloned().unwrap_or_else(|| {
                    numbered += 1;
                    format!("t{numbered}")
                });
                definitions += &format!("{name} = {}\n", formula.text);
                formula = Formula::whole(name);
            }
            formulas[id as usize] = Some(formula);
        }
        definitions + formulas[self.id() as usize].as_ref().map_or("", |formula| &formula.text)
    }
}

/// A node and all that it is computed from, operands first; without recursion, since tapes may be deep.
fn cone(state: &State, root: u32) -> Vec<u32> {
    let mut order = Vec::new();
    let mut done = vec![false; root as usize + 1];
    let mut stack = vec![(root, false)];
    while let Some((id, ready)) = stack.pop() {
        if ready {
            order.push(id);
        } else if !std::mem::replace(&mut done[id as usize], true) {
            stack.push((id, true));
            stack.extend(state.nodes[id as usize].inputs.iter().rev().map(|&input| (input, false)));
        }
    }
    order
}

fn formula(state: &State, id: u32, formulas: &[Option<Formula>]) -> Formula {
    let node = &state.nodes[id as usize];
    let operands: Vec<&Formula> = node.inputs.iter().filter_map(|&input| formulas[input as usize].as_ref()).collect();
    let ops = 1 + operands.iter().map(|operand| operand.ops).sum::<usize>();
    let infix = |operator: &str, binding: Binding, right: Binding| Formula {
        text: format!("{} {operator} {}", operands[0].within(binding), operands[1].within(right)),
        binding,
        ops,
    };
    match (node.op.name(), operands.as_slice()) {
        ("placeholder" | "variable", _) => Formula::whole(node.name.clone().unwrap_or_default()),
        ("poisoned", _) => Formula::whole("(an error)".into()),
        ("add", [_, _]) => infix("+", Binding::Sum, Binding::Sum),
        // What stands behind these operators keeps its parentheses: a - (b - c).
        ("sub", [_, _]) => infix("-", Binding::Sum, Binding::Product),
        ("mul", [_, _]) => infix("*", Binding::Product, Binding::Product),
        ("div", [_, _]) => infix("/", Binding::Product, Binding::Sign),
        ("matmul", [_, _]) => infix("@", Binding::Product, Binding::Sign),
        ("neg", [x]) => Formula { text: format!("-{}", x.within(Binding::Sign)), binding: Binding::Sign, ops },
        _ => match node.op.lower() {
            Lower::Constant(array) if array.len() <= 8 => {
                let text = Values(&array).to_string();
                let binding = if text.starts_with('-') { Binding::Sign } else { Binding::Whole };
                Formula { text, binding, ops: 0 }
            }
            Lower::Constant(_) => {
                Formula::whole(format!("constant{}", node.ty.as_ref().map_or(String::new(), |ty| format!(" {ty}"))))
            }
            Lower::Size(dim) => Formula::whole(format!("size({dim})")),
            _ => {
                let attributes = node.op.attributes();
                let attributes = attributes.0.iter().map(|(name, value)| format!("{name}={value}"));
                let parts: Vec<String> =
                    operands.iter().map(|operand| operand.text.clone()).chain(attributes).collect();
                Formula { text: format!("{}({})", node.op.name(), parts.join(", ")), binding: Binding::Whole, ops }
            }
        },
    }
}
