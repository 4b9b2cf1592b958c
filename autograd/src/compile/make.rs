//! Kernels and their values, from the decisions of the grouping.

use super::Leaf;
use super::fuse::{Access, Fused, FusedKernel, Kind, Source, Value};
use super::group::{Group, Grouping, Operand, Prologue};
use crate::op::{Lower, View};
use crate::{DType, Error, TensorType};
use wengert_kernels::{Custom, Expr, Literal, Scalar};

impl Grouping<'_> {
    /// Turns the decisions into kernels.
    pub(super) fn into_kernels(self) -> Result<Fused, Error> {
        let mut maker = Maker {
            value_of: vec![None; self.ir.nodes.len()],
            grouping: self,
            values: Vec::new(),
            kernels: Vec::new(),
        };
        for n in 0..maker.grouping.ir.nodes.len() {
            maker.make(n)?;
        }
        maker.finish()
    }
}

/// The second walk, from the first node to the last: kernels and their values.
struct Maker<'a> {
    grouping: Grouping<'a>,
    value_of: Vec<Option<usize>>,
    values: Vec<Value>,
    kernels: Vec<FusedKernel>,
}

/// An expression under construction.
struct Body {
    expr: Expr,
    inputs: Vec<Access>,
    /// Nodes that have a value here; there are few.
    known: Vec<(usize, wengert_kernels::Value)>,
    /// Number of axes of the iteration space.
    rank: usize,
    group: Option<usize>,
}

impl Maker<'_> {
    fn value(&mut self, ty: TensorType, source: Source) -> usize {
        self.values.push(Value { ty, source });
        self.values.len() - 1
    }

    fn result(&mut self, n: usize) -> usize {
        let value = self.value(self.grouping.ty(n).clone(), Source::Kernel);
        self.value_of[n] = Some(value);
        value
    }

    fn make(&mut self, n: usize) -> Result<(), Error> {
        let grouping = &self.grouping;
        if grouping.copied[n] {
            return self.copy_view(n);
        }
        if let Some(group) = grouping.group_of[n] {
            let Group { root, is_prologue, absorbed, .. } = grouping.groups[group];
            return if root == n && !is_prologue { self.make_group(group, absorbed) } else { Ok(()) };
        }
        if !grouping.needed[n] {
            return Ok(());
        }
        let node = grouping.node(n);
        let source = match (&node.leaf, &grouping.lower[n]) {
            (Some(Leaf::Input(position)), _) => Some(Source::Input(*position)),
            (Some(Leaf::Variable(index)), _) => Some(Source::Variable(*index)),
            (None, Lower::Constant(array)) => Some(Source::Constant(array.clone())),
            (None, Lower::Size(dim)) => Some(Source::Size(dim.clone())),
            _ => None,
        };
        if let Some(source) = source {
            let value = self.value(node.ty.clone(), source);
            self.value_of[n] = Some(value);
            return Ok(());
        }
        if !grouping.is_absorbed[n] {
            self.make_kernel(n, n, None)?;
        }
        Ok(())
    }

    /// How a node's value is read.
    fn access(&mut self, mut n: usize) -> Result<Access, Error> {
        let mut views = Vec::new();
        while self.value_of[n].is_none() {
            match &self.grouping.lower[n] {
                Lower::View(view) => {
                    views.push((view.clone(), self.grouping.ty(n).shape.clone()));
                    n = self.grouping.node(n).inputs[0];
                }
                _ => return Err(Error::run(format!("fuse: %{n} ({}) has no value", self.grouping.node(n).op.name()))),
            }
        }
        views.reverse();
        Ok(Access { value: self.value_of[n].unwrap_or_default(), views })
    }

    fn copy_view(&mut self, n: usize) -> Result<(), Error> {
        let ty = self.grouping.ty(n).clone();
        let input = self.access(n)?;
        let output = self.result(n);
        let (label, spaces) = (self.grouping.node(n).label(), vec![ty.shape.clone()]);
        let kind = Kind::Map(Expr::copy(ty.dtype, ty.dtype));
        self.kernels.push(FusedKernel { kind, inputs: vec![input], outputs: vec![output], spaces, label, position: n });
        Ok(())
    }

    fn make_group(&mut self, group: usize, absorbed: Option<usize>) -> Result<(), Error> {
        let root = self.grouping.groups[group].root;
        match absorbed {
            Some(kernel) => self.make_kernel(kernel, root, Some(group)),
            None => {
                let (expr, inputs, members) = self.expression(group, None)?;
                let outputs = members.iter().map(|&member| self.result(member)).collect();
                let spaces = vec![self.grouping.ty(root).shape.clone()];
                let label = self.grouping.node(root).label();
                self.kernels.push(FusedKernel {
                    kind: Kind::Map(expr),
                    inputs,
                    outputs,
                    spaces,
                    label,
                    position: root,
                });
                Ok(())
            }
        }
    }

    /// The expression of a group, what it reads, and the members whose values leave it.
    fn expression(&mut self, group: usize, absorbed: Option<usize>) -> Result<(Expr, Vec<Access>, Vec<usize>), Error> {
        let root = self.grouping.groups[group].root;
        let rank = self.grouping.ty(root).rank();
        let mut body = Body { expr: Expr::default(), inputs: vec![], known: vec![], rank, group: Some(group) };
        if let Some(kernel) = absorbed {
            let input = body.expr.input(self.grouping.ty(kernel).dtype);
            body.known.push((kernel, body.expr.push(Scalar::Input(input))?));
        }
        // A member's inputs have smaller numbers, so that walking up from the root reaches all of them.
        let mut members = vec![root];
        let mut next = 0;
        while let Some(&member) = members.get(next) {
            next += 1;
            for &input in &self.grouping.node(member).inputs {
                if self.grouping.group_of[input] == Some(group) && !members.contains(&input) {
                    members.push(input);
                }
            }
        }
        members.sort_unstable();
        let mut leaving = Vec::new();
        for member in members {
            let value = self.computed(member, &mut body)?;
            if member == root || self.grouping.leaves(member) {
                body.expr.output(value, self.grouping.ty(member).dtype)?;
                leaving.push(member);
            }
        }
        Ok((body.expr, body.inputs, leaving))
    }

    /// The value of a node inside an expression.
    fn operand(&mut self, n: usize, body: &mut Body) -> Result<wengert_kernels::Value, Error> {
        if let Some(&(_, value)) = body.known.iter().find(|(known, _)| *known == n) {
            return Ok(value);
        }
        let value = match self.grouping.operand(n, body.group) {
            Operand::Const(literal) => body.expr.push(Scalar::Const(literal))?,
            Operand::Computed => self.computed(self.grouping.strip_repeats(n), body)?,
            Operand::Read => {
                let base = self.grouping.strip_scalar_views(n);
                let mut access = self.access(base)?;
                if self.grouping.ty(base).rank() > body.rank {
                    // A single element of more axes than the space has.
                    access.views.push((View::Reshape, vec![]));
                }
                let number = match body.inputs.iter().position(|other| *other == access) {
                    Some(number) => number + body.expr.inputs().len() - body.inputs.len(),
                    None => {
                        body.inputs.push(access);
                        body.expr.input(self.grouping.ty(n).dtype) as usize
                    }
                };
                body.expr.push(Scalar::Input(number as u32))?
            }
        };
        body.known.push((n, value));
        Ok(value)
    }

    fn computed(&mut self, n: usize, body: &mut Body) -> Result<wengert_kernels::Value, Error> {
        if let Some(&(_, value)) = body.known.iter().find(|(known, _)| *known == n) {
            return Ok(value);
        }
        let node = self.grouping.node(n);
        let operands = node.inputs.iter().map(|&input| self.operand(input, body)).collect::<Result<Vec<_>, _>>()?;
        let scalar = match (&self.grouping.lower[n], operands.as_slice()) {
            (Lower::Unary(op), [a]) => Scalar::Unary(*op, *a),
            (Lower::Binary(op), [a, b]) => Scalar::Binary(*op, *a, *b),
            (Lower::Select, [c, a, b]) => Scalar::Select(*c, *a, *b),
            (Lower::Cast, [a]) => Scalar::Cast(node.ty.dtype.compute(), *a),
            (Lower::Index(axis), []) if node.ty.shape[*axis] == 1 => Scalar::Const(Literal::int(DType::I64, 0)),
            // Axes are matched from the right.
            (Lower::Index(axis), []) => Scalar::Index((axis + body.rank - node.ty.rank()) as u32),
            _ => return Err(Error::run(format!("fuse: {} is not elementwise", node.op.name()))),
        };
        let value = match scalar {
            Scalar::Cast(dtype, a) if body.expr.dtype(a) == dtype => a,
            scalar => body.expr.push(scalar)?,
        };
        body.known.push((n, value));
        Ok(value)
    }

    fn make_kernel(&mut self, n: usize, position: usize, epilogue: Option<usize>) -> Result<(), Error> {
        let node = self.grouping.node(n);
        let label = self.grouping.node(position).label();
        let mut space = node.ty.shape.clone();
        let mut inputs = Vec::new();
        let mut prologue = None;
        match self.grouping.prologue_of[n] {
            Some(Prologue::Group(group)) => {
                let (expr, read, _) = self.expression(group, None)?;
                inputs = read;
                prologue = Some(expr);
            }
            Some(Prologue::Inline(root)) => {
                let rank = self.grouping.ty(root).rank();
                let mut body = Body { expr: Expr::default(), inputs: vec![], known: vec![], rank, group: None };
                let value = self.computed(root, &mut body)?;
                body.expr.output(value, self.grouping.ty(root).dtype)?;
                inputs = body.inputs;
                prologue = Some(body.expr);
            }
            None => {
                for &input in &node.inputs {
                    inputs.push(self.access(input)?);
                }
            }
        }
        // A prologue over constants alone reads nothing; a reduction needs an operand to know its space by.
        if let (Lower::Reduce(..), Some(expr), true) = (&self.grouping.lower[n], &prologue, inputs.is_empty()) {
            let root = node.inputs[0];
            let ty = self.grouping.ty(root).clone();
            let output = self.value(ty.clone(), Source::Kernel);
            let kind = Kind::Map(expr.clone());
            let (spaces, label) = (vec![ty.shape], label.clone());
            self.kernels.push(FusedKernel {
                kind,
                inputs: vec![],
                outputs: vec![output],
                spaces,
                label,
                position: root,
            });
            inputs.push(Access::whole(output));
            prologue = None;
        }
        let (epilogue, outputs) = match epilogue {
            None => (None, vec![self.result(n)]),
            Some(group) => {
                let (expr, read, members) = self.expression(group, Some(n))?;
                inputs.extend(read);
                (Some(expr), members.iter().map(|&member| self.result(member)).collect())
            }
        };
        let kind = match self.grouping.lower[n].clone() {
            Lower::MatMul => Kind::Gemm { column_sums: false, epilogue },
            Lower::Conv { pass, sliding, groups } => {
                Kind::Conv { pass, sliding, groups, channel_sums: false, epilogue }
            }
            Lower::Pool { op, window, sliding } => Kind::Pool { op, window, sliding, epilogue },
            Lower::Reduce(op, axes) => {
                space = self.grouping.ty(node.inputs[0]).shape.clone();
                Kind::Reduce { op, axes, prologue, epilogue }
            }
            Lower::Softmax { log } => Kind::Softmax { log },
            Lower::Gather(axis) => Kind::Gather(axis),
            Lower::ScatterAdd(axis) => Kind::ScatterAdd(axis),
            Lower::Random(distribution, stream) => Kind::Random(distribution, stream),
            Lower::Custom(kernel) => Kind::Custom(Custom(kernel)),
            Lower::Concat(axis) => Kind::Concat(axis),
            Lower::Pad(widths) => Kind::Pad(widths),
            _ => return Err(Error::run(format!("fuse: {} has no kernel", node.op.name()))),
        };
        self.kernels.push(FusedKernel { kind, inputs, outputs, spaces: vec![space], label, position });
        Ok(())
    }

    /// Gives every output and update a value of its own.
    fn finish(mut self) -> Result<Fused, Error> {
        let ir = self.grouping.ir;
        let mut ends = Vec::new();
        for (number, &n) in ir.outputs.iter().chain(ir.updates.iter().map(|(_, value)| value)).enumerate() {
            let own = self.value_of[n]
                .filter(|&value| matches!(self.values[value].source, Source::Kernel) && !ends.contains(&value));
            ends.push(match own {
                Some(value) => value,
                None => {
                    let ty = ir.nodes[n].ty.clone();
                    let (inputs, expr) = match self.grouping.splat[n] {
                        Some(literal) => {
                            let mut expr = Expr::default();
                            let value = expr.push(Scalar::Const(literal))?;
                            expr.output(value, ty.dtype)?;
                            (vec![], expr)
                        }
                        None => (vec![self.access(n)?], Expr::copy(ty.dtype, ty.dtype)),
                    };
                    let value = self.value(ty.clone(), Source::Kernel);
                    let (label, position) = (ir.nodes[n].label(), ir.nodes.len() + number);
                    let kind = Kind::Map(expr);
                    self.kernels.push(FusedKernel {
                        kind,
                        inputs,
                        outputs: vec![value],
                        spaces: vec![ty.shape],
                        label,
                        position,
                    });
                    value
                }
            });
        }
        let updates = ends.split_off(ir.outputs.len());
        Ok(Fused {
            values: self.values,
            kernels: self.kernels,
            outputs: ends,
            updates: ir.updates.iter().map(|(variable, _)| *variable).zip(updates).collect(),
            inputs: ir.inputs.clone(),
            dims: ir.dims.clone(),
        })
    }
}
