//! The program whose cold build `cargo xtask build-time` measures: a network, a data set, a gradient of one's own.

use wengert::prelude::*;

fn main() -> Result<(), Error> {
    let (train, test) = data::digits()?;
    let mut model = Sequential::new()
        .add(Flatten)
        .add(Dense::new(32).activation(Relu))
        .add(Dropout::new(0.1))
        .add(Dense::new(10).activation(Softmax));
    model.compile(Adam::new(0.01), CategoricalCrossentropy, [Accuracy])?;
    let history = model.fit(&train, Fit::epochs(5).batch_size(32).validation(&test))?;
    println!("{history}");
    println!("{}", model.evaluate(&test)?);
    model.save_weights("weights.safetensors")?;

    let g = Graph::new();
    let x = g.placeholder("x", F64, [None]);
    let w = g.variable("w", Array::new(&[3], &[0.5, -1.0, 2.0]));
    let y = (&x * &w).tanh().square().sum();
    let slope = y.grad(&[&w]).remove(0);
    let curvature = slope.sum().grad(&[&w]).remove(0);
    let mut session = Session::new(Device::best())?;
    let values = session.run(&[&y, &slope, &curvature], feed! { x => [1.0, 2.0, 3.0] })?;
    for value in values {
        println!("{value}");
    }
    Ok(())
}
