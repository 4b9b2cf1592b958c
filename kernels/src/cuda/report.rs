//! What was found of CUDA, in words.

use super::cache::Cache;
use super::{compile, driver, nvrtc};

/// What a machine has of CUDA, what was searched, and the remedy for what is missing: the text of `wengert doctor`.
#[must_use]
pub fn report() -> String {
    let mut text = String::new();
    let mut line = |what: &str, says: &str| text.push_str(&format!("{what:<8} {says}\n"));
    match driver::driver() {
        Ok(driver) => {
            let (major, minor) = driver.version;
            line("driver", &format!("{}, for CUDA {major}.{minor}", driver::LIBRARY));
            for device in &driver.devices {
                let (major, minor) = device.compute_capability;
                line(
                    "device",
                    &format!(
                        "cuda:{}: {}, compute capability {major}.{minor}, {} multiprocessors, {:.1} GiB",
                        device.ordinal,
                        device.name,
                        device.multiprocessors,
                        device.memory as f64 / f64::from(1 << 30)
                    ),
                );
                match compile::nvrtc_for(device) {
                    Ok(found) => {
                        let (major, minor) = found.version;
                        line("nvrtc", &format!("{major}.{minor} at {}", found.path.display()));
                    }
                    Err(why) => line("nvrtc", &why.to_string()),
                }
            }
        }
        Err(why) => {
            line("driver", why);
            let tried = nvrtc::candidates();
            let found = tried.iter().find_map(|path| nvrtc::Nvrtc::open(path).ok());
            match found {
                Some(found) => line("nvrtc", &format!("{found:?}")),
                None => line("nvrtc", &format!("none of {} places has it", tried.len())),
            }
        }
    }
    let cache = Cache::of_user();
    match cache.folder() {
        Some(folder) => {
            let (entries, bytes) = cache.size();
            line(
                "cache",
                &format!("{}: {entries} kernels, {:.1} MiB", folder.display(), bytes as f64 / f64::from(1 << 20)),
            );
        }
        None => line("cache", "none"),
    }
    text
}
