//! What the machine has left, as Linux tells it. Where it does not tell, the machine is short of nothing.
//!
//! A container may be short of memory on a machine that has plenty: the group's own limit counts as much as the machine.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use crate::runtime::Machine;

/// Bytes of one file of the system that are read.
const TEXT_MAX: u64 = 64 * 1024;
/// Groups inside each other that are looked at.
const DEPTH_MAX: usize = 32;

/// What this machine has left.
#[must_use]
pub fn machine(cores: u32) -> Machine {
    machine_at(Path::new("/"), cores)
}

/// The same with another root of the file system.
fn machine_at(root: &Path, cores: u32) -> Machine {
    let read = |path: &str| text(&root.join(path));
    let nothing = Machine::default();
    let load = read("proc/loadavg").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    // The load is that of all cores, whichever of them this process may use.
    let cores = read("sys/devices/system/cpu/online").and_then(|text| count(text.trim())).unwrap_or(cores);
    let free = read("proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1_024)
    });
    let left = groups(root).iter().filter_map(|group| left_in(group)).min();
    Machine {
        load: load.filter(|load| load.is_finite()).map_or(nothing.load, |load| load / f64::from(cores.max(1))),
        memory_bytes: free.into_iter().chain(left).min().unwrap_or(nothing.memory_bytes),
    }
}

/// The folders of the control groups that this process is in, the inmost first.
fn groups(root: &Path) -> Vec<PathBuf> {
    let mine = text(&root.join("proc/self/cgroup")).unwrap_or_default();
    let mut found = Vec::new();
    for line in mine.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (parts.next(), parts.next()) else { continue };
        let base = match kinds {
            "" => root.join("sys/fs/cgroup"),
            kinds if kinds.split(',').any(|kind| kind == "memory") => root.join("sys/fs/cgroup/memory"),
            _ => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        if path.components().all(|part| matches!(part, std::path::Component::Normal(_))) {
            found.extend(path.ancestors().take(DEPTH_MAX).map(|path| base.join(path)));
        }
        // In a container the path may be that of the machine, and what is there is the container's own group.
        found.push(base);
    }
    found
}

/// What a group may still take, if it has a limit. What is kept of files that nobody uses is given back on need.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| text(&group.join(name)).and_then(|text| text.trim().parse::<u64>().ok());
    let most = number("memory.max").or_else(|| number("memory.limit_in_bytes"))?;
    let used = number("memory.current").or_else(|| number("memory.usage_in_bytes"))?;
    let stat = text(&group.join("memory.stat")).unwrap_or_default();
    let kept = |name: &str| stat.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    let kept = kept("total_inactive_file ").or_else(|| kept("inactive_file ")).unwrap_or(0);
    Some(most.saturating_sub(used.saturating_sub(kept)))
}

/// How many numbers stand in a list like `0-3,8`.
fn count(list: &str) -> Option<u32> {
    list.split(',').try_fold(0_u32, |all, part| {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        let (low, high) = (low.parse::<u32>().ok()?, high.parse::<u32>().ok()?);
        all.checked_add(high.checked_sub(low)?.checked_add(1)?)
    })
}

fn text(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(TEXT_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::fs;

    use super::*;

    fn seen(files: &[(&str, &str)]) -> Machine {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            fs::create_dir_all(root.path().join(path).parent().unwrap()).unwrap();
            fs::write(root.path().join(path), text).unwrap();
        }
        machine_at(root.path(), 2)
    }

    const PLENTY: [(&str, &str); 2] = [
        ("proc/loadavg", "6.00 1.00 1.00 1/200 77\n"),
        ("proc/meminfo", "MemTotal: 1 kB\nMemAvailable:   1000000 kB\n"),
    ];

    #[test]
    fn the_load_is_that_of_each_core_of_the_machine() {
        assert_eq!(seen(&PLENTY), Machine { load: 3.0, memory_bytes: 1_024_000_000 });
        let many = [PLENTY[0], PLENTY[1], ("sys/devices/system/cpu/online", "0-2,4,6-7\n")];
        assert!((seen(&many).load - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_container_is_short_where_its_group_is() {
        let group = "sys/fs/cgroup/user/box";
        let file = |name: &str| format!("{group}/{name}");
        let (max, current, stat) = (file("memory.max"), file("memory.current"), file("memory.stat"));
        let mut files = PLENTY.to_vec();
        files.push(("proc/self/cgroup", "1:cpu:/other\n0::/user/box\n"));
        files.extend([(max.as_str(), "500000000\n"), (current.as_str(), "480000000\n")]);
        assert_eq!(seen(&files).memory_bytes, 20_000_000);
        files.push((stat.as_str(), "anon 5\ninactive_file 100000000\n"));
        assert_eq!(seen(&files).memory_bytes, 120_000_000, "what is kept of files is given back");
        files.push(("sys/fs/cgroup/user/memory.max", "90000000"));
        files.push(("sys/fs/cgroup/user/memory.current", "80000000"));
        assert_eq!(seen(&files).memory_bytes, 10_000_000, "the tightest group counts");
        files[3].1 = "max\n";
        assert_eq!(seen(&files).memory_bytes, 10_000_000, "a group without a limit limits nothing");
    }

    #[test]
    fn the_older_form_and_a_container_that_sees_itself_as_the_root() {
        let mut files = PLENTY.to_vec();
        files.push(("proc/self/cgroup", "7:cpu:/x\n4:memory:/docker/77\n"));
        files.push(("sys/fs/cgroup/memory/memory.limit_in_bytes", "300"));
        files.push(("sys/fs/cgroup/memory/memory.usage_in_bytes", "100"));
        assert_eq!(seen(&files).memory_bytes, 200);
    }

    #[test]
    fn what_is_not_told_or_makes_no_sense_is_no_shortage() {
        assert_eq!(seen(&[]), Machine::default());
        let odd = [
            ("proc/loadavg", "nan"),
            ("proc/meminfo", "MemAvailable: x kB"),
            ("proc/self/cgroup", "0::/../../etc\nbroken\n"),
            ("sys/devices/system/cpu/online", "7-2"),
        ];
        assert_eq!(seen(&odd), Machine::default());
    }
}
