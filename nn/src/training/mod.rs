//! Training: `fit`, and what it can be taken apart into.
//!
//! [`Sequential::fit`](crate::models::Sequential::fit) runs epochs over a data set and gives a [`History`]; [`Callback`]s look
//! on and may stop it; [`Sequential::train_step`](crate::models::Sequential::train_step) gives the compiled step alone, for a
//! loop of one's own.

#[cfg(test)]
mod augment_tests;
mod callback;
#[cfg(test)]
mod callback_tests;
#[cfg(test)]
mod checkpoint_tests;
mod early_stopping;
mod evaluate;
mod fit;
mod history;
mod learning_rate;
mod model_checkpoint;
mod monitor;
mod plateau;
mod position;
mod progress;
mod state;
mod step;
#[cfg(test)]
mod tests;

pub use callback::{Callback, Flow, Live, Plan, Report};
pub use early_stopping::EarlyStopping;
pub use evaluate::Evaluation;
pub use fit::Fit;
pub use history::History;
pub use learning_rate::LearningRateSchedule;
pub use model_checkpoint::ModelCheckpoint;
pub use monitor::Extremum;
pub use plateau::ReduceLROnPlateau;
pub use progress::Progress;
pub use state::State;
pub use step::{StepResult, TrainStep};

use monitor::Monitor;
use position::{Course, Position, Saved};

/// Says once, in a program that was built without optimisation, why it is slow.
pub(crate) fn warn_if_unoptimised() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    if cfg!(debug_assertions) && !cfg!(test) {
        ONCE.call_once(|| {
            log::warn!("this build is not optimised and trains many times slower than it could: run with --release");
        });
    }
}
