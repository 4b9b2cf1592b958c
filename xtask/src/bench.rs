//! Benchmarks, and the same training steps by others.

use crate::{Outcome, cargo, step};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Ours and theirs are measured in turn so often: what disturbs a round disturbs both.
const ROUNDS: usize = 5;

/// The lines of the peers and of our own benchmark that are compared, which names all threads.
const PEERS: &str = "benches/peers/train_step.py";
const OURS: &str = "/cpu, all threads";

/// Samples a second of each step, in rounds, by whom.
type Rates = BTreeMap<String, BTreeMap<String, Vec<f64>>>;

/// Runs all benchmarks; then, if PyTorch or JAX are there, the training steps beside theirs.
pub(crate) fn bench(root: &Path) -> Outcome {
    step("benchmarks", &mut cargo(root, "bench"))?;
    let found = ["torch", "jax"].into_iter().any(|peer| {
        Command::new("python3").args(["-c", &format!("import {peer}")]).output().is_ok_and(|done| done.status.success())
    });
    if !found {
        println!("no peers: python3 has neither torch nor jax");
        return Ok(());
    }
    let mut rates = Rates::new();
    for round in 1..=ROUNDS {
        println!("== training steps, round {round} of {ROUNDS}");
        ours(&output(&mut cargo(root, "bench --bench train_step"))?, &mut rates);
        theirs(&output(Command::new("python3").arg(PEERS).current_dir(root))?, &mut rates);
    }
    print(&rates);
    Ok(())
}

fn output(command: &mut Command) -> Result<String, String> {
    let done = command.output().map_err(|why| format!("cannot start {:?}: {why}", command.get_program()))?;
    if done.status.success() {
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    } else {
        Err(format!("{:?} failed:\n{}", command.get_program(), String::from_utf8_lossy(&done.stderr).trim()))
    }
}

/// Reads what criterion prints: a name `group/step/device`, then a line `thrpt: [low Kelem/s middle Kelem/s high Kelem/s]`.
fn ours(text: &str, rates: &mut Rates) {
    let mut name = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("train_step/") {
            name = rest.split("time:").next().unwrap_or_default().trim();
        }
        let Some((_, numbers)) = line.split_once("thrpt:") else { continue };
        let words: Vec<&str> = numbers.trim().trim_matches(['[', ']']).split_whitespace().collect();
        let (&[_, _, middle, unit, _, _], Some(name)) = (&words[..], name.strip_suffix(OURS)) else { continue };
        let scale = match unit {
            "Kelem/s" => 1e3,
            "Melem/s" => 1e6,
            "Gelem/s" => 1e9,
            _ => 1.0,
        };
        if let Ok(rate) = middle.parse::<f64>() {
            rates.entry(name.to_owned()).or_default().entry("wengert".to_owned()).or_default().push(rate * scale);
        }
    }
}

/// Reads lines `step | peer | number samples/s`.
fn theirs(text: &str, rates: &mut Rates) {
    for line in text.lines() {
        let words: Vec<&str> = line.split('|').map(str::trim).collect();
        let &[name, peer, rate] = &words[..] else {
            println!("{line}");
            continue;
        };
        if let Some(Ok(rate)) = rate.strip_suffix("samples/s").map(|rate| rate.trim().parse()) {
            rates.entry(name.to_owned()).or_default().entry(peer.to_owned()).or_default().push(rate);
        }
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Medians, and the median over the rounds of ours divided by theirs.
fn print(rates: &Rates) {
    println!("{:42} {:>14}   {:40} {:>14} {:>8}", "samples/s, all threads", "wengert", "peer", "", "ratio");
    for (name, by) in rates {
        let Some(own) = by.get("wengert") else { continue };
        for (peer, other) in by.iter().filter(|(peer, _)| *peer != "wengert") {
            let ratio = median(own.iter().zip(other).map(|(own, other)| own / other));
            let (own, other) = (median(own.iter().copied()), median(other.iter().copied()));
            println!("{name:42} {own:>14.0}   {peer:40} {other:>14.0} {ratio:>8.2}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_reports_are_read() {
        let mut rates = Rates::new();
        let report = "train_step/xor/cpu, 1 thread\n  time: [1 ns 2 ns 3 ns]\n  thrpt: [1 elem/s 5 elem/s 9 elem/s]\n\
                      train_step/xor/cpu, all threads\n  time: [1 ns 2 ns 3 ns]\n  thrpt: [1.0 Kelem/s 1.5 Kelem/s 2 Kelem/s]\n\
                      change:\n  thrpt: [-1% +2% +3%]\n";
        ours(report, &mut rates);
        theirs("torch is not installed: it is not there\nxor | jax 0 jit | 750 samples/s\n", &mut rates);
        assert_eq!(rates["xor"]["wengert"], [1500.0]);
        assert_eq!(rates["xor"]["jax 0 jit"], [750.0]);
    }

    #[test]
    fn a_median_of_disturbed_rounds() {
        assert_eq!(median([3.0, 100.0, 2.0].into_iter()), 3.0);
    }
}
