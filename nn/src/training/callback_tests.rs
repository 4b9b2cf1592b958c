use super::*;
use crate::layers::Dense;
use crate::models::Sequential;
use crate::optimizers::GradientDescent;
use wengert_autograd::Device;
use wengert_kernels::Array;

/// A model whose only weight, and whose learning rate, are set and looked at.
fn model() -> Sequential {
    let mut model = Sequential::new().device(Device::cpu().threads(1)).add(Dense::new(1).no_bias());
    model.compile(GradientDescent::new(1.0), "mse", ()).unwrap();
    let data = crate::data::Dataset::new(ones(), ones()).unwrap();
    model.fit(&data, Fit::epochs(0).verbose(0)).unwrap();
    model
}

fn ones() -> Array {
    Array::new(&[1, 1], &[1.0f32]).unwrap()
}

/// Tells the callback that `loss` had these values after epochs 1, 2, ...; gives how many epochs were run, the epoch whose
/// weights the model has at the end, and the learning rate after each.
fn told(callback: &mut dyn Callback, losses: &[f64]) -> (usize, usize, Vec<f64>) {
    let mut model = model();
    let plan = Plan { epochs: losses.len(), batches: 1, examples: 1, validation_examples: 0 };
    let names = ["loss".to_owned()];
    let mut rates = vec![];
    let mut live = Live { built: model.built().unwrap() };
    callback.train_begin(&plan, &mut live).unwrap();
    let mut run = 0;
    for (epoch, loss) in (1..).zip(losses) {
        live.set_weights(&[Array::new(&[1, 1], &[epoch as f32]).unwrap()]).unwrap();
        let values = [*loss];
        let report = Report {
            plan: &plan,
            epoch,
            batch: 1,
            names: &names,
            values: &values,
            examples: 1,
            seconds: 1.0,
            ended: true,
        };
        run = epoch;
        let flow = callback.epoch_end(&report, &mut live).unwrap();
        rates.push(live.learning_rate().unwrap());
        if flow == Flow::Stop {
            break;
        }
    }
    callback.train_end(&mut live).unwrap();
    let weight = live.get_weights().unwrap()[0].to_f64()[0];
    (run, weight as usize, rates)
}

#[test]
fn early_stopping_counts_as_keras_does() {
    // semantics 9.18
    let on = || EarlyStopping::on("loss");
    let stops = |mut early: EarlyStopping, losses: &[f64]| {
        let (run, weights, _) = told(&mut early, losses);
        (run, weights)
    };
    let up = [3.0, 2.0, 2.5, 2.4, 2.3, 1.0, 5.0];
    assert_eq!(stops(on(), &up), (3, 2));
    assert_eq!(stops(on().patience(1), &up), (3, 2));
    assert_eq!(stops(on().patience(2), &up), (4, 2));
    assert_eq!(stops(on().patience(3), &up), (5, 2));
    assert_eq!(stops(on().patience(4), &up), (7, 6));
    assert_eq!(stops(on().patience(4).restore_best_weights(false), &up), (7, 7));
    assert_eq!(stops(on().patience(2), &[1.0, 1.0, 1.0, 1.0]), (3, 1), "equal is no improvement");
    // Better by the delta is not better by more than it.
    assert_eq!(stops(on().patience(2).min_delta(0.5), &[3.0, 2.5, 2.5, 2.0]), (3, 1));
    assert_eq!(stops(on().patience(2).min_delta(-0.5), &[3.0, 2.25, 2.0, 1.9]), (4, 2));
    assert_eq!(stops(on().mode(Extremum::Max).patience(2), &[1.0, 2.0, 1.5, 1.9, 0.0]), (4, 2));
    assert_eq!((Monitor::new("val_accuracy").mode, Monitor::new("val_loss").mode), (Extremum::Max, Extremum::Min));
    // Improvements that do not beat the baseline are kept and waited for no longer.
    assert_eq!(stops(on().patience(3).baseline(1.0), &[5.0, 4.0, 4.5, 4.5]), (3, 2));
    assert_eq!(stops(on().patience(3).baseline(1.0), &[5.0, 4.0, 0.5, 4.5, 4.5, 4.5]), (6, 3));
    let nan = f64::NAN;
    assert_eq!(stops(on().patience(2), &[nan, nan, nan]), (2, 1));
    assert_eq!(stops(on().patience(1), &[nan, 1.0, nan]), (3, 2), "the first epoch is never the last");
    assert_eq!(stops(on().patience(9), &up), (7, 6), "the best weights come back without a stop too");
}

#[test]
fn the_rate_falls_on_a_plateau() {
    // semantics 9.21
    let on = || ReduceLROnPlateau::on("loss").factor(0.5).min_delta(0.0);
    let rates = |mut plateau: ReduceLROnPlateau, losses: &[f64]| told(&mut plateau, losses).2;
    let flat = [1.0; 7];
    assert_eq!(rates(on().patience(2), &flat), [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125]);
    assert_eq!(rates(on().patience(2).min_lr(0.4), &flat), [1.0, 1.0, 0.5, 0.5, 0.4, 0.4, 0.4]);
    // The epoch in which a cooldown of 2 ends is counted again.
    assert_eq!(rates(on().patience(1).cooldown(2), &flat), [1.0, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]);
    assert_eq!(rates(on().patience(2), &[5.0, 5.0, 4.0, 4.0, 4.0]), [1.0, 1.0, 1.0, 1.0, 0.5]);
    assert_eq!(rates(on().patience(1).min_delta(1.0), &[5.0, 4.0, 2.5]), [1.0, 0.5, 0.5]);
    assert_eq!(rates(on().patience(1).mode(Extremum::Max), &[1.0, 2.0, 2.0]), [1.0, 1.0, 0.5]);
    let mut wrong = on().factor(1.5);
    let error = wrong.train_begin(
        &Plan { epochs: 1, batches: 1, examples: 1, validation_examples: 0 },
        &mut Live { built: model().built().unwrap() },
    );
    assert!(error.unwrap_err().to_string().contains("1.5 does not lower"));
}
