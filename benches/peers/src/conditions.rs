//! On what it was measured.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines that say so; nothing of them names the machine.
pub fn lines() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(':').nth(1))
            .map_or("unknown", str::trim)
            .to_owned()
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let is_virtual = cpuinfo.contains(" hypervisor");
    let governor = read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    let lock = include_str!("../Cargo.lock");
    let peers = ["iceoryx2", "disruptor-mp", "rusteron-client"].map(|name| {
        let entry = lock.split("[[package]]").find(|entry| {
            let mut lines = entry.trim().lines();
            lines.next() == Some(format!("name = \"{name}\"").as_str())
        });
        let version = entry.and_then(|entry| entry.split("version = \"").nth(1));
        let version = version.and_then(|rest| rest.split('"').next());
        format!("{name} {}", version.unwrap_or("unknown"))
    });
    vec![
        format!(
            "Processor: {} (family {}, model {}), {cpus} cores{}.",
            field("model name"),
            field("cpu family"),
            field("model\t"),
            if is_virtual {
                " of a virtual machine"
            } else {
                ""
            }
        ),
        format!(
            "Linux {}, governor {}.",
            read("/proc/sys/kernel/osrelease").trim(),
            match governor.trim() {
                "" => "not readable",
                governor => governor,
            }
        ),
        format!(
            "Peers: {}; Unix domain sockets are the kernel's.",
            peers.join(", ")
        ),
        format!("Date: {}.", today()),
    ]
}

/// The civil date, by the days since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let days = since.map_or(0, |since| since.as_secs() / 86_400) as i64 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}
